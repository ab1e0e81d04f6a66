// Forms in which somebody writes: Enter sends, the box grows with its text, and what is typed stays.
import { keep, moveDraft, restore } from "../lib/drafts.js";
import { formOf, formWith, hasConversation, keyOf, textOf } from "../lib/forms.js";
import { lineOf } from "../lib/outbox.js";
import { keptPicture } from "../lib/pictures.js";
import { recall, remembered } from "../lib/storage.js";
import { behind, tidied } from "../lib/text.js";
import { offerPicture } from "./pictures.js";

// Safari says so by the number only when Enter ends the composition of Japanese, Chinese or Korean.
const isComposing = (event) => event.isComposing || event.keyCode === 229;
const hasTouchKeyboard = () => window.matchMedia("(pointer: coarse)").matches;

document.addEventListener("keydown", (event) => {
  const form = formWith(event.target.closest?.("[data-text]"));
  if (!form || event.key !== "Enter" || isComposing(event) || event.shiftKey) return;
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (isPlain && !form.hasAttribute("data-composer")) return;
  if (isPlain && hasTouchKeyboard()) {
    // Keys on the screen have no place on a keyboard: these are real ones.
    if (event.code) form.querySelector("[data-touch-hint]").hidden = false;
    return;
  }
  event.preventDefault();
  if (!event.repeat) form.requestSubmit();
});

// Where CSS cannot let a box grow with its text.
function fit(box) {
  if (CSS.supports("field-sizing", "content")) return;
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
}

document.addEventListener("input", (event) => {
  const form = formWith(event.target.closest?.("[data-text], [data-kept]"));
  if (!form) return;
  if (event.target.matches("[data-text]")) fit(event.target);
  keep(form);
});

for (const name of ["composer:sent", "composer:filled"]) {
  document.addEventListener(name, ({ target }) => fit(textOf(target)));
}

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

// What was typed behind the message that has started this chat, and in a chat that another tab has left behind.
function takeDrafts(form) {
  const left = remembered("draft").filter((key) => key.startsWith("chat-") && key !== keyOf(form));
  for (const key of ["start", ...left]) if (!lineOf(key).messages.length) moveDraft(key, form);
}

// The box of the form that starts a chat shows what is being sent, also where the draft could not be kept.
function showUnsent(form) {
  const [message] = hasConversation(keyOf(form)) ? [] : lineOf(keyOf(form)).messages;
  const box = textOf(form);
  if (!message || behind(box.value, message.text) !== null) return;
  box.value = tidied([message.text, box.value].join("\n"));
  keep(form);
}

// What a chat that another tab has left behind does not take any more. Whoever has written it decides whether it
// belongs into the chat that is shown instead.
document.addEventListener("sending:changed", ({ detail: line }) => {
  const form = document.querySelector("[data-after-start]");
  if (!form || formOf(line.key) || line.messages.some((message) => !message.isStopped)) return;
  const text = textLeftIn(line);
  for (const message of line.messages) {
    if (message.hasPicture) offerPicture(form, keptPicture(message.id));
    line.drop(message);
  }
  moveDraft(line.key, form, text);
  fit(textOf(form));
});

function textLeftIn(line) {
  const draft = recall("draft", line.key) ?? "";
  const isInDraft = (text) => !hasConversation(line.key) && behind(draft, text) !== null;
  const texts = line.messages.map((message) => message.text).filter((text) => !isInDraft(text));
  return tidied([...texts, draft].join("\n"));
}

restoreNew();
document.addEventListener("htmx:after:swap", restoreNew);
