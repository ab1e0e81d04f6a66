// Sends the messages of an outbox one after the other, each as often as it takes, always with the same client_message_id,
// text and picture: so it is stored once.
import { addActs } from "../lib/acts.js";
import { forget, keep } from "../lib/drafts.js";
import { SIGNED_OUT, deliver } from "../lib/delivery.js";
import { formOf, hasConversation, showRefusal, textOf } from "../lib/forms.js";
import { findMessage } from "../lib/outbox.js";
import { keptPicture } from "../lib/pictures.js";
import { tidied } from "../lib/text.js";
import { backoff } from "../lib/timing.js";
import { newPicture, offerPicture } from "./pictures.js";

export async function attempt(outbox) {
  clearTimeout(outbox.timer);
  outbox.timer = null;
  const message = outbox.first;
  if (!message || outbox.isBusy || message.isStopped) return;
  outbox.isBusy = true;
  outbox.limit = null;
  outbox.announce("started");
  outbox.announce();
  const outgoing = await deliver(outbox, message);
  message.isTried = true;
  outbox.isBusy = false;
  goOn(outgoing);
}

function goOn(outgoing) {
  const { outbox, message, status, isStored, isFinal } = outgoing;
  if (!isStored && outbox.messages.includes(message)) {
    if (isFinal) giveBack(outgoing);
    else if (status === 0) tryLater(outgoing);
    else if (status !== SIGNED_OUT) refuse(outgoing);
  }
  outbox.announce();
  if (status !== SIGNED_OUT && outbox.first && !outbox.timer) attempt(outbox);
}

function tryLater({ outbox, message, wait, isLimited, reason }) {
  if (message.isTakenBack) {
    leave(outbox, message);
    return;
  }
  outbox.failures += 1;
  message.isStopped = outbox.isOutOfPatience;
  outbox.save();
  if (message.isStopped) return;
  const pause = Math.max(wait, backoff(outbox.failures));
  if (isLimited) outbox.limit = { reason, until: Date.now() + pause };
  outbox.timer = setTimeout(() => attempt(outbox), pause);
}

// It will never be accepted as it is: it goes back into the box, if that is empty.
function giveBack({ outbox, message, reason, code }) {
  const form = formOf(outbox.key);
  if (!hasConversation(outbox.key)) {
    outbox.drop(message); // its box still has the text
  } else if (form && !message.isTakenBack && !textOf(form).value.trim() && !newPicture(form)) {
    putIntoBox(outbox, message, form);
    showRefusal(form, reason, code);
    form.dispatchEvent(new CustomEvent("composer:refused", { bubbles: true, detail: code }));
  } else {
    refuse({ outbox, message, reason, isFinal: code !== "messages_came" });
  }
}

// An earlier attempt may have arrived, so a refused message keeps its id.
function refuse({ outbox, message, reason, isFinal = false }) {
  if (message.isTakenBack) {
    outbox.drop(message);
    return;
  }
  Object.assign(message, { isStopped: true, isRefused: true, isFinal, reason });
  outbox.failures = 0;
  outbox.save();
}

export function retry(outbox, message) {
  if (message.fields.seen) message.fields.seen = ""; // whoever sends it again has been told
  if (message.isStopped) outbox.restart(message);
  outbox.announce();
  attempt(outbox);
}

export function takeBack(outbox, message) {
  if (outbox.isBusy && message === outbox.first) {
    message.isTakenBack = true; // unless it has arrived by then
    outbox.save();
  } else {
    leave(outbox, message);
  }
  outbox.announce();
}

// It may have arrived, if it was tried.
function leave(outbox, message) {
  const isFirst = message === outbox.first;
  outbox.drop(message);
  if (hasConversation(outbox.key)) outbox.note = message.isTried ? "deleted" : "";
  else outbox.note = "changed";
  if (!isFirst) return;
  clearTimeout(outbox.timer);
  attempt(outbox);
}

export function putIntoBox(outbox, message, form) {
  textOf(form).value = tidied([message.text, textOf(form).value].join("\n"));
  addActs(form, message.acts ?? []);
  keep(form);
  if (message.hasPicture) offerPicture(form, keptPicture(message.id));
  outbox.drop(message);
  form.dispatchEvent(new CustomEvent("composer:filled", { bubbles: true }));
  outbox.announce();
}

// A message in the conversation has arrived, even if its answer was lost.
export function settle(items) {
  for (const { dataset } of items) {
    const { outbox, message } = (dataset.clientId && findMessage(dataset.clientId)) || {};
    if (!outbox) continue;
    const isFirst = message === outbox.first;
    outbox.drop(message);
    if (!hasConversation(outbox.key)) forget(outbox.key, formOf(outbox.key), message.text);
    outbox.announce();
    if (isFirst) attempt(outbox);
  }
}

document.addEventListener("timeline:items", ({ detail }) => settle(detail));
