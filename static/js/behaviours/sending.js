// Sends what somebody has written until the server says that it has it: one message of a form after the other, each as
// often as it takes, always with the same text, picture and client_message_id, so that it is stored once.
import { forget } from "../lib/drafts.js";
import { formOf, isForm, keyOf, textOf } from "../lib/forms.js";
import { isOurs, post, retryAfter } from "../lib/http.js";
import { randomId } from "../lib/ids.js";
import { allLines, lineOf } from "../lib/outbox.js";
import { dropOldPictures, keepPicture, keptPicture } from "../lib/pictures.js";
import { remembered } from "../lib/storage.js";
import { backoff } from "../lib/timing.js";
import { renewToken, tokenOf } from "../lib/token.js";
import { newPicture, ownPicture } from "./pictures.js";

const WORTH_ANOTHER_TRY = [0, 408, 425, 429, 502, 503, 504]; // 0: no answer
const RENEWALS = 3;
const SIGNED_OUT = 401;
const UNPROCESSABLE = 422;

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
  compare(form);
  const line = lineOf(keyOf(form));
  const file = newPicture(form);
  const text = line.rest(textOf(form).value);
  // Nothing new: somebody is impatient, or presses Retry.
  if (text || file || !line.first) {
    const message = { id: randomId(), path: form.getAttribute("hx-post"), text, fields: fieldsOf(form) };
    line.add({ ...message, hasPicture: Boolean(file), since: Date.now() });
    if (file) {
      ownPicture(form, message.id);
      await keepPicture(message.id, file);
    }
  }
  if (line.first?.isStopped) restart(line);
  attempt(line);
}

function restart(line) {
  line.first.isStopped = false;
  line.first.isRefused = false;
  line.first.since = Date.now();
  line.failures = 0;
  line.save();
}

function fieldsOf(form) {
  const own = ["csrf_token", "client_message_id", "message", "image"];
  return Object.fromEntries([...new FormData(form)].filter(([name]) => !own.includes(name)));
}

// What was sent cannot be changed any more. Whoever writes over it means another message.
function compare(form) {
  const line = lineOf(keyOf(form));
  const text = textOf(form).value;
  for (const message of line.written.slice(line.standing(text))) takeBack(line, message);
  if (!text.trim()) line.note = "";
  say(line);
}

function takeBack(line, message) {
  if (line.isBusy && message === line.first) {
    message.isTakenBack = true; // unless it has arrived by then
    line.save();
    return;
  }
  line.drop(message);
  line.note = "changed";
  clearTimeout(line.timer);
}

// Sending

async function attempt(line) {
  clearTimeout(line.timer);
  const message = line.first;
  if (!message || line.isBusy || message.isStopped) return;
  line.isBusy = true;
  say(line, "started");
  say(line);
  const file = message.hasPicture ? await keptPicture(message.id) : undefined;
  if (message.hasPicture && !file) {
    line.isBusy = false;
    line.drop(message);
    line.note = "picture";
    say(line);
    return;
  }
  const outgoing = { line, message, file, status: 0, wait: 0 };
  await deliver(outgoing);
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
  take(ctx.outgoing, ctx.response.raw, ctx.text);
  const { status } = ctx.outgoing;
  if (WORTH_ANOTHER_TRY.includes(status)) event.preventDefault(); // the form says it in its own words
  // Another ticket has taken the form's place: what is wrong with this one is not to be said there.
  if (!ctx.sourceElement.isConnected && status !== SIGNED_OUT) event.preventDefault();
});

function take(outgoing, response, text) {
  const isStored = response.ok && (text.includes("data-seq=") || response.headers.has("HX-Redirect"));
  // Something between us and the server has answered, whatever it is.
  const isStrange = !isOurs(response) && [SIGNED_OUT, UNPROCESSABLE].includes(response.status);
  outgoing.status = (response.ok && !isStored) || isStrange ? 0 : response.status;
  outgoing.wait = retryAfter(response.headers);
  renew(outgoing, tokenOf(response.headers));
  if (!isStored) return;
  const { line, message } = outgoing;
  const form = formOf(line.key);
  line.drop(message);
  line.failures = 0;
  outgoing.isStored = true;
  forget(line.key, form, message.text);
  form?.dispatchEvent(new CustomEvent("composer:sent", { bubbles: true, detail: { id: message.id } }));
}

// Refused for its token alone: with the new one it goes out again by itself. More than once, because another request of
// the page may have been given yet another cookie at the same moment.
function renew(outgoing, token) {
  const { message } = outgoing;
  message.renewals ??= 0;
  if (!token || message.renewals === RENEWALS) return;
  renewToken(token);
  message.renewals += 1;
  outgoing.status = 0;
}

function goOn({ line, message, status, wait, isStored }) {
  if (WORTH_ANOTHER_TRY.includes(status)) {
    tryLater(line, message, wait);
  } else if (status === UNPROCESSABLE) {
    // It is not stored under this id, and never will be. What is in the box is the next message.
    for (const refused of line.messages) line.drop(refused);
  } else if (!isStored && status !== SIGNED_OUT) {
    message.isStopped = true; // an earlier attempt may have arrived, so it keeps its id
    message.isRefused = true;
    line.save();
  }
  say(line);
  if (isStored) attempt(line);
}

function tryLater(line, message, wait) {
  if (message.isTakenBack) {
    line.drop(message);
    line.note = "changed";
    return;
  }
  line.failures += 1;
  message.isStopped = line.isOutOfPatience;
  line.save();
  if (!message.isStopped) line.timer = setTimeout(() => attempt(line), Math.max(wait, backoff(line.failures)));
}

function say(line, what = "changed") {
  document.dispatchEvent(new CustomEvent(`sending:${what}`, { detail: line }));
}

// Moments at which another try is worth it

// Patience runs out while a computer sleeps as well, and then stops a message that was hardly tried. Only somebody who
// presses Retry sends again what was refused.
function tryAll() {
  for (const line of allLines()) {
    if (line.first?.isStopped && !line.first.isRefused) restart(line);
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
  const line = lineOf(keyOf(target));
  const message = line.written.find(({ id }) => id === detail.id);
  if (message) takeBack(line, message);
  say(line);
});

// Goes on with what was being sent when the page was left, also from what it does not show any more: another ticket, the
// form that has started this chat, a chat that another tab has left behind. The form that starts a chat sends nothing
// else: it would open the one that has ended.
function goOnAfterLoad() {
  const shown = [...document.querySelectorAll("form[data-form]")].map(keyOf);
  const others = document.querySelector("[data-live]") ? remembered("unsent") : [];
  for (const line of [...new Set([...shown, ...others])].map(lineOf)) {
    attempt(line);
    say(line);
  }
}

goOnAfterLoad();
dropOldPictures();
