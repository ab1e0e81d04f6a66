// One attempt to deliver a message: the request, and what its answer means.
import { forget } from "./drafts.js";
import { formOf, hasConversation } from "./forms.js";
import { isOurs, isPassing, post, reasonIn, reasonOf, retryAfter } from "./http.js";
import { withKey } from "./key.js";
import { keptPicture } from "./pictures.js";
import { upload } from "./upload.js";
import { word } from "./words.js";

export const SIGNED_OUT = 401;
const TOO_FAST = 429;
const ACCEPTED = "X-Accepted"; // a reply whose answer shows no message: held, or the page goes on to the next ticket
const UNPROCESSABLE = [413, 422]; // if the desk says so
// The desk reads a urlencoded form in a fraction of the time, but takes 64 KB of one: nine bytes for each あ.
const SHORT = 4000;

export async function deliver(outbox, message) {
  const file = message.hasPicture ? await keptPicture(message.id) : undefined;
  const outgoing = { outbox, message, file, status: 0, wait: 0 };
  if (message.hasPicture && !file) return { ...outgoing, isFinal: true, reason: word("pictureLost") };
  try {
    await withKey(() => send(outgoing));
  } catch {
    // Status 0 says that there was no answer.
  }
  return outgoing;
}

async function send(outgoing) {
  const { outbox, message } = outgoing;
  if (!outbox.messages.includes(message)) return; // forgotten meanwhile
  const form = formOf(outbox.key);
  if (form) await htmx.ajax("POST", message.path, { source: form, outgoing });
  else await deliverWithoutForm(outgoing);
}

// By now the page shows another ticket, or the chat that the form has started.
async function deliverWithoutForm(outgoing) {
  const body = encoded(outgoing, new FormData());
  const response = await post(outgoing.message.path, body, { seconds: outgoing.file ? 300 : 20 });
  readAnswer(outgoing, response, await response.text());
  if (outgoing.status === SIGNED_OUT) window.location.assign(response.headers.get("HX-Redirect"));
}

function encoded({ message, file }, body) {
  for (const [name, value] of Object.entries(message.fields)) body.set(name, value);
  body.set("client_message_id", message.id);
  body.set("message", message.text);
  body.delete("image");
  if (file) body.set("image", file, file.name);
  return file || message.text.length > SHORT ? body : new URLSearchParams(body);
}

document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
  const { outgoing } = ctx;
  if (!outgoing) return;
  ctx.request.body = encoded(outgoing, ctx.request.body);
  ctx.request.timeout = outgoing.file ? "5m" : "20s";
  if (outgoing.file) ctx.fetch = (path, request) => upload(path, request, (part) => showProgress(outgoing, part));
});

function showProgress({ outbox, message }, part) {
  const detail = { key: outbox.key, id: message.id, part };
  document.dispatchEvent(new CustomEvent("sending:progress", { detail }));
}

document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = event.detail;
  if (!ctx.outgoing) return;
  readAnswer(ctx.outgoing, ctx.response.raw, ctx.text);
  if (isSaidElsewhere(ctx)) event.preventDefault();
});

function isSaidElsewhere({ outgoing, response, sourceElement: form }) {
  const { status } = outgoing;
  const { headers } = response.raw;
  if (isPassing(status, true)) return true; // at the message
  // By now the page shows another ticket, or this one without its box. What can be undone is offered all the same.
  if (!form.isConnected && status !== SIGNED_OUT && !headers.has(ACCEPTED)) return true;
  return hasConversation(outgoing.outbox.key) && headers.get("HX-Retarget") === `#${form.id}-error`;
}

function readAnswer(outgoing, response, text) {
  const isOwn = isOurs(response);
  const isTaken = text.includes("data-seq=") || ["HX-Redirect", ACCEPTED].some((name) => response.headers.has(name));
  const isStored = response.ok && isTaken;
  const isNoAnswer = (response.ok && !isStored) || isPassing(response.status, isOwn);
  Object.assign(outgoing, {
    isStored,
    status: isNoAnswer ? 0 : response.status,
    isLimited: isOwn && response.status === TOO_FAST,
    isFinal: isOwn && UNPROCESSABLE.includes(response.status),
    code: isOwn ? response.headers.get("X-Refused") : "",
    reason: isOwn ? reasonIn(response.headers) : reasonOf(response.status),
    wait: retryAfter(response.headers),
  });
  if (isStored) onStored(outgoing);
}

// Before the answer is swapped in, so that the pending message goes just as the stored one appears.
function onStored({ outbox, message }) {
  const form = formOf(outbox.key);
  outbox.drop(message);
  if (hasConversation(outbox.key)) return;
  forget(outbox.key, form, message.text);
  form?.dispatchEvent(new CustomEvent("composer:sent", { bubbles: true, detail: { id: message.id } }));
}
