// From the box into the outbox.
import { actsOf } from "../lib/acts.js";
import { uncovered } from "../lib/cover.js";
import { keep } from "../lib/drafts.js";
import { formWith, hasConversation, isForm, keyOf, textOf } from "../lib/forms.js";
import { findMessage, outboxOf } from "../lib/outbox.js";
import { keepPicture } from "../lib/pictures.js";
import { randomId } from "../lib/browser.js";
import { behind, tidied } from "../lib/text.js";
import { newPicture, ownPicture } from "./pictures.js";
import { attempt, takeBack } from "./sending.js";

document.addEventListener("htmx:config:request", (event) => {
  if (event.detail.ctx.outgoing || !isForm(event.target)) return;
  event.preventDefault(); // the outbox sends it
  if (uncovered()) submitLater(event.target);
  else submit(event.target);
});

// If the chat turns out to be somebody else's, the text is not for it.
async function submitLater(form) {
  if (form.isSubmitted) return;
  form.isSubmitted = true;
  await uncovered();
  form.isSubmitted = false;
  submit(form);
}

async function submit(form) {
  const outbox = outboxOf(keyOf(form));
  compare(form);
  const isNew = hasConversation(outbox.key) ? textOf(form).value.trim() || newPicture(form) : !outbox.messages.length;
  if (isNew) await add(form, outbox);
  else if (!outbox.messages.length) outbox.note = "empty";
  // Submitting again means: try now.
  const oldest = hasConversation(outbox.key) ? outbox.first : outbox.messages[0];
  if (oldest?.isStopped) outbox.restart(oldest);
  outbox.announce();
  attempt(outbox);
}

async function add(form, outbox) {
  const id = randomId();
  const file = newPicture(form);
  const kept = file && keepPicture(id, file);
  outbox.add(messageIn(form, id, file));
  if (file) ownPicture(form, id);
  if (hasConversation(outbox.key)) emptyBox(form, id);
  outbox.announce("added");
  await kept;
}

function messageIn(form, id, file) {
  const at = Date.now();
  const text = tidied(textOf(form).value);
  const path = form.getAttribute("hx-post");
  return { id, path, text, fields: fieldsOf(form), acts: actsOf(form), hasPicture: Boolean(file), at, since: at };
}

function fieldsOf(form) {
  const own = ["client_message_id", "message", "image"];
  return Object.fromEntries([...new FormData(form)].filter(([name]) => !own.includes(name)));
}

function emptyBox(form, id) {
  textOf(form).value = "";
  keep(form);
  form.dispatchEvent(new CustomEvent("composer:sent", { bubbles: true, detail: { id } }));
}

// The form that starts a chat keeps its text while it is sent: whoever changes that text means another message.
function compare(form) {
  const outbox = outboxOf(keyOf(form));
  const [message] = outbox.messages;
  const text = textOf(form).value;
  if (hasConversation(outbox.key)) {
    if (!outbox.note) return;
    outbox.note = "";
  } else {
    if (!text.trim()) outbox.note = "";
    if (message && behind(text, message.text) === null) takeBack(outbox, message);
  }
  outbox.announce();
}

document.addEventListener("input", (event) => {
  const form = formWith(event.target.closest("[data-text]"));
  if (form) compare(form);
});
document.addEventListener("picture:taken_back", ({ target, detail }) => {
  const { outbox, message } = findMessage(detail.id) ?? {};
  if (message) takeBack(outbox, message);
  outboxOf(keyOf(target)).announce();
});
