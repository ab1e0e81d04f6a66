// Sends what somebody has written until the server says that it has it: one message of a form after the other, each as
// often as it takes, always with the same text, picture and client_message_id, so that it is stored once.
import { forget, keep } from "../lib/drafts.js";
import { formOf, hasConversation, isForm, keyOf, showRefusal, textOf } from "../lib/forms.js";
import { isOurs, post, reasonIn, retryAfter } from "../lib/http.js";
import { randomId } from "../lib/ids.js";
import { allLines, findMessage, lineOf } from "../lib/outbox.js";
import { dropOldPictures, keepPicture, keptPicture } from "../lib/pictures.js";
import { remembered } from "../lib/storage.js";
import { isPassing, reasonOf } from "../lib/strangers.js";
import { behind, tidied } from "../lib/text.js";
import { backoff } from "../lib/timing.js";
import { newPicture, offerPicture, ownPicture } from "./pictures.js";

const SIGNED_OUT = 401;
const UNPROCESSABLE = [413, 422]; // from the desk: never as it is
const PICTURE_LOST = "Not sent: this browser did not keep the picture. Choose it again.";

// Submitting

document.addEventListener("htmx:config:request", (event) => {
  const { ctx } = event.detail;
  if (ctx.outgoing) {
    fill(ctx);
  } else if (isForm(event.target)) {
    event.preventDefault(); // it goes out from its line
    submit(event.target);
  }
});

async function submit(form) {
  const line = lineOf(keyOf(form));
  compare(form);
  const isNew = hasConversation(line.key) ? textOf(form).value.trim() || newPicture(form) : !line.messages.length;
  if (isNew) await add(form, line);
  else if (!line.messages.length) line.note = "empty";
  // Nothing new, or something behind what waits: somebody is impatient.
  const oldest = hasConversation(line.key) ? line.first : line.messages[0];
  if (oldest?.isStopped) restart(line, oldest);
  say(line);
  attempt(line);
}

// The message leaves the box, and stands in the conversation instead.
async function add(form, line) {
  const id = randomId();
  const file = newPicture(form);
  const message = { id, path: form.getAttribute("hx-post"), text: tidied(textOf(form).value), fields: fieldsOf(form) };
  const at = Date.now();
  const kept = file && keepPicture(id, file);
  line.add({ ...message, hasPicture: Boolean(file), at, since: at });
  if (file) ownPicture(form, id);
  if (hasConversation(line.key)) {
    textOf(form).value = "";
    keep(form);
    form.dispatchEvent(new CustomEvent("composer:sent", { bubbles: true, detail: { id } }));
  }
  say(line, "added");
  await kept;
}

function restart(line, message) {
  Object.assign(message, { isStopped: false, isRefused: false, reason: "", since: Date.now() });
  line.failures = 0;
  line.save();
}

function fieldsOf(form) {
  const own = ["client_message_id", "message", "image"];
  return Object.fromEntries([...new FormData(form)].filter(([name]) => !own.includes(name)));
}

// Where the box keeps what is being sent, whoever writes over it means another message.
function compare(form) {
  const line = lineOf(keyOf(form));
  const [message] = line.messages;
  const text = textOf(form).value;
  if (hasConversation(line.key)) {
    if (!line.note) return;
    line.note = "";
  } else {
    if (!text.trim()) line.note = "";
    if (message && behind(text, message.text) === null) takeBack(line, message);
  }
  say(line);
}

export function takeBack(line, message) {
  if (line.isBusy && message === line.first) {
    message.isTakenBack = true; // unless it has arrived by then
    line.save();
  } else {
    leave(line, message);
  }
  say(line);
}

// What was tried without an answer may have arrived.
function leave(line, message) {
  const isFirst = message === line.first;
  line.drop(message);
  if (hasConversation(line.key)) line.note = message.isTried ? "deleted" : "";
  else line.note = "changed";
  if (!isFirst) return;
  clearTimeout(line.timer);
  attempt(line);
}

// Somebody wants to send a message once more, or now.
export function retry(line, message) {
  if (message.isStopped) restart(line, message);
  say(line);
  attempt(line);
}

// Sending

async function attempt(line) {
  clearTimeout(line.timer);
  line.timer = null;
  const message = line.first;
  if (!message || line.isBusy || message.isStopped) return;
  line.isBusy = true;
  say(line, "started");
  say(line);
  const file = message.hasPicture ? await keptPicture(message.id) : undefined;
  const outgoing = { line, message, file, status: 0, wait: 0 };
  if (message.hasPicture && !file) Object.assign(outgoing, { isFinal: true, reason: PICTURE_LOST });
  else await deliver(outgoing);
  message.isTried = true;
  line.isBusy = false;
  goOn(outgoing);
}

async function deliver(outgoing) {
  const { line, message } = outgoing;
  const form = formOf(line.key);
  try {
    if (form) await htmx.ajax("POST", message.path, { source: form, outgoing });
    else await deliverUnseen(outgoing);
  } catch {
    // No answer: the status says so.
  }
}

// The page shows something else by now: another ticket, or the chat that a form has started.
async function deliverUnseen(outgoing) {
  const body = new FormData();
  write(outgoing, body);
  const response = await post(outgoing.message.path, body, outgoing.file ? 300 : 20);
  take(outgoing, response, await response.text());
  if (outgoing.status === SIGNED_OUT) window.location.assign(response.headers.get("HX-Redirect"));
}

function fill(ctx) {
  write(ctx.outgoing, ctx.request.body);
  ctx.request.timeout = ctx.outgoing.file ? "5m" : "20s";
}

function write({ message, file }, body) {
  for (const [name, value] of Object.entries(message.fields)) body.set(name, value);
  body.set("client_message_id", message.id);
  body.set("message", message.text);
  body.delete("image");
  if (file) body.set("image", file, file.name);
}

// Answers

document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = event.detail;
  if (!ctx.outgoing) return;
  const { raw } = ctx.response;
  take(ctx.outgoing, raw, ctx.text);
  const { status } = ctx.outgoing;
  if (isPassing(status, true)) event.preventDefault(); // the page says it in its own words
  // Another ticket has taken the form's place: what is wrong with this one is not to be said there.
  if (!ctx.sourceElement.isConnected && status !== SIGNED_OUT) event.preventDefault();
  // The reason stands at the message.
  const isForPlaceOfError = raw.headers.get("HX-Retarget") === `#${ctx.sourceElement.id}-error`;
  if (hasConversation(ctx.outgoing.line.key) && isForPlaceOfError) event.preventDefault();
});

function take(outgoing, response, text) {
  const isOwn = isOurs(response);
  const isStored = response.ok && (text.includes("data-seq=") || response.headers.has("HX-Redirect"));
  // Something between us and the server has answered, whatever it is.
  const isNoAnswer = (response.ok && !isStored) || isPassing(response.status, isOwn);
  outgoing.status = isNoAnswer ? 0 : response.status;
  outgoing.isFinal = isOwn && UNPROCESSABLE.includes(response.status);
  outgoing.reason = isOwn ? reasonIn(response.headers) : reasonOf(response.status);
  outgoing.wait = retryAfter(response.headers);
  if (!isStored) return;
  const { line, message } = outgoing;
  const form = formOf(line.key);
  line.drop(message);
  outgoing.isStored = true;
  if (hasConversation(line.key)) return;
  forget(line.key, form, message.text);
  form?.dispatchEvent(new CustomEvent("composer:sent", { bubbles: true, detail: { id: message.id } }));
}

function goOn(outgoing) {
  const { line, message, status, isStored, isFinal } = outgoing;
  if (!isStored && line.messages.includes(message)) {
    if (isFinal) giveBack(outgoing);
    else if (status === 0) tryLater(outgoing);
    else if (status !== SIGNED_OUT) refuse(outgoing);
  }
  say(line);
  if (status !== SIGNED_OUT && line.first && !line.timer) attempt(line);
}

function tryLater({ line, message, wait }) {
  if (message.isTakenBack) {
    leave(line, message);
    return;
  }
  line.failures += 1;
  message.isStopped = line.isOutOfPatience;
  line.save();
  if (message.isStopped) return;
  line.timer = setTimeout(() => attempt(line), Math.max(wait, backoff(line.failures)));
}

// It is not stored under this id, and never will be: it is to be changed, in the box if that is free.
function giveBack({ line, message, reason }) {
  const form = formOf(line.key);
  if (!hasConversation(line.key)) {
    line.drop(message); // its box has it still, and what is wrong stands there
  } else if (form && !message.isTakenBack && !textOf(form).value.trim() && !newPicture(form)) {
    putIntoBox(line, message, form);
    showRefusal(form, reason);
  } else {
    refuse({ line, message, reason, isFinal: true });
  }
}

// An earlier attempt may have arrived, so a message that is only refused keeps its id.
function refuse({ line, message, reason, isFinal = false }) {
  if (message.isTakenBack) {
    line.drop(message);
    return;
  }
  Object.assign(message, { isStopped: true, isRefused: true, isFinal, reason });
  line.failures = 0;
  line.save();
}

// Takes a message out of its line, to be written anew in front of what the box has.
export function putIntoBox(line, message, form) {
  textOf(form).value = tidied([message.text, textOf(form).value].join("\n"));
  keep(form);
  if (message.hasPicture) offerPicture(form, keptPicture(message.id));
  line.drop(message);
  form.dispatchEvent(new CustomEvent("composer:filled", { bubbles: true }));
  say(line);
}

function say(line, what = "changed") {
  document.dispatchEvent(new CustomEvent(`sending:${what}`, { detail: line }));
}

// What stands in the conversation has arrived, whatever has become of its answer.
function settle(items) {
  for (const { dataset } of items) {
    const { line, message } = (dataset.clientId && findMessage(dataset.clientId)) || {};
    if (!line) continue;
    const isFirst = message === line.first;
    line.drop(message);
    if (!hasConversation(line.key)) forget(line.key, formOf(line.key), message.text);
    say(line);
    if (isFirst) attempt(line);
  }
}

document.addEventListener("timeline:lines", ({ detail }) => settle(detail));

// Moments at which another try is worth it

// Patience runs out while a computer sleeps as well, and then stops a message that was hardly tried. Only somebody who
// presses Retry sends again what was refused.
function tryAll() {
  for (const line of allLines()) {
    if (line.first?.isStopped) restart(line, line.first);
    attempt(line);
  }
}

window.addEventListener("online", tryAll);
document.addEventListener("live:caught_up", tryAll);
document.addEventListener("click", (event) => {
  const form = event.target.closest("[data-try-now]")?.form;
  if (form) attempt(lineOf(keyOf(form)));
});
document.addEventListener("input", (event) => {
  const form = event.target.closest("[data-text]")?.form;
  if (form && isForm(form)) compare(form);
});
document.addEventListener("picture:taken_back", ({ target, detail }) => {
  const { line, message } = findMessage(detail.id) ?? {};
  if (message) takeBack(line, message);
  say(lineOf(keyOf(target)));
});

// Goes on with what was being sent when the page was left, also from what it does not show any more: another ticket, the
// form that has started this chat, a chat that another tab has left behind. The form that starts a chat sends nothing
// else: it would open the one that has ended.
function goOnAfterLoad() {
  const shown = [...document.querySelectorAll("form[data-form]")].map(keyOf);
  const others = document.querySelector("[data-live]") ? remembered("unsent") : [];
  const lines = [...new Set([...shown, ...others])].map(lineOf);
  settle(document.querySelectorAll("[data-client-id]"));
  for (const line of lines) {
    attempt(line);
    say(line);
  }
}

goOnAfterLoad();
dropOldPictures();
