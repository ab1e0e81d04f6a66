import { hasTouchKeyboard } from "../lib/browser.js";
import { keep, moveDraft, restore } from "../lib/drafts.js";
import { isComposing } from "../lib/fields.js";
import { formOf, formWith, hasConversation, keyOf, textOf } from "../lib/forms.js";
import { outboxOf } from "../lib/outbox.js";
import { keptPicture } from "../lib/pictures.js";
import { recall, remembered } from "../lib/storage.js";
import { behind, tidied } from "../lib/text.js";
import { offerPicture } from "./pictures.js";

document.addEventListener("keydown", (event) => {
  const form = formWith(event.target.closest?.("[data-text]"));
  if (!form || event.key !== "Enter" || isComposing(event) || event.shiftKey || event.defaultPrevented) return;
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (isPlain && !form.hasAttribute("data-composer")) return;
  if (isPlain && hasTouchKeyboard()) {
    // Only the keys of a real keyboard have a code.
    if (event.code) form.querySelector("[data-touch-hint]").hidden = false;
    return;
  }
  event.preventDefault();
  if (!event.repeat) form.requestSubmit();
});

function fit(box) {
  if (CSS.supports("field-sizing", "content")) return;
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
}

document.addEventListener("input", (event) => {
  const form = formWith(event.target.closest?.("[data-text], [data-kept], [data-acts]"));
  if (!form) return;
  if (event.target.matches("[data-text]")) fit(event.target);
  keep(form);
});

for (const name of ["composer:sent", "composer:filled"]) {
  document.addEventListener(name, ({ target }) => fit(textOf(target)));
}

document.addEventListener("composer:sent", ({ target }) => {
  const hint = target.querySelector("[data-touch-hint]");
  if (hint) hint.hidden = true;
});

function restoreNew() {
  for (const form of document.querySelectorAll("form[data-draft]")) {
    if (form.restoredDraft === form.dataset.draft) continue;
    form.restoredDraft = form.dataset.draft;
    restore(form);
    if (form.matches("[data-after-start]")) takeDrafts(form);
    showUnsent(form);
    fit(textOf(form));
  }
}

// What was typed after the message that started this chat, and in a chat that another tab has replaced.
function takeDrafts(form) {
  const left = remembered("draft").filter((key) => key.startsWith("chat-") && key !== keyOf(form));
  for (const key of ["start", ...left]) if (!outboxOf(key).messages.length) moveDraft(key, form);
}

// The form that starts a chat shows what it is sending, even if the draft could not be stored.
function showUnsent(form) {
  const [message] = hasConversation(keyOf(form)) ? [] : outboxOf(keyOf(form)).messages;
  const box = textOf(form);
  if (!message || behind(box.value, message.text) !== null) return;
  box.value = tidied([message.text, box.value].join("\n"));
  keep(form);
}

// A chat that another tab has replaced takes no more messages: they are offered in the box of the new one.
document.addEventListener("sending:changed", ({ detail: outbox }) => {
  const form = document.querySelector("[data-after-start]");
  if (!form || formOf(outbox.key) || outbox.messages.some((message) => !message.isStopped)) return;
  const text = textLeftIn(outbox);
  for (const message of outbox.messages) {
    if (message.hasPicture) offerPicture(form, keptPicture(message.id));
    outbox.drop(message);
  }
  moveDraft(outbox.key, form, text);
  fit(textOf(form));
});

function textLeftIn(outbox) {
  const draft = recall("draft", outbox.key) ?? "";
  const isInDraft = (text) => !hasConversation(outbox.key) && behind(draft, text) !== null;
  const texts = outbox.messages.map((message) => message.text).filter((text) => !isInDraft(text));
  return tidied([...texts, draft].join("\n"));
}

restoreNew();
document.addEventListener("htmx:after:swap", restoreNew);
