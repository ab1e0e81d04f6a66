// One attempt to deliver a message: the request, and what its answer means.
import { forget } from "./drafts.js";
import { formOf, hasConversation } from "./forms.js";
import { isOurs, isPassing, post, reasonIn, reasonOf, retryAfter } from "./http.js";
import { keptPicture } from "./pictures.js";
import { renewToken, tokenOf } from "./token.js";
import { upload } from "./upload.js";

const RENEWALS = 3;
export const SIGNED_OUT = 401;
const UNPROCESSABLE = [413, 422]; // from the desk: never as it is
const PICTURE_LOST = "Not sent: this browser did not keep the picture. Choose it again.";

export async function deliver(outbox, message) {
  const file = message.hasPicture ? await keptPicture(message.id) : undefined;
  const outgoing = { outbox, message, file, status: 0, wait: 0 };
  if (message.hasPicture && !file) return { ...outgoing, isFinal: true, reason: PICTURE_LOST };
  const form = formOf(outbox.key);
  try {
    if (form) await htmx.ajax("POST", message.path, { source: form, outgoing });
    else await deliverWithoutForm(outgoing);
  } catch {
    // No answer: status 0 says so.
  }
  return outgoing;
}

// The page shows something else by now: another ticket, or the chat that a form has started.
async function deliverWithoutForm(outgoing) {
  const body = new FormData();
  fillIn(outgoing, body);
  const response = await post(outgoing.message.path, body, outgoing.file ? 300 : 20);
  readAnswer(outgoing, response, await response.text());
  if (outgoing.status === SIGNED_OUT) window.location.assign(response.headers.get("HX-Redirect"));
}

function fillIn({ message, file }, body) {
  for (const [name, value] of Object.entries(message.fields)) body.set(name, value);
  body.set("client_message_id", message.id);
  body.set("message", message.text);
  body.delete("image");
  if (file) body.set("image", file, file.name);
}

document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
  const { outgoing } = ctx;
  if (!outgoing) return;
  fillIn(outgoing, ctx.request.body);
  ctx.request.timeout = outgoing.file ? "5m" : "20s";
  if (outgoing.file) ctx.fetch = (path, request) => upload(path, request, (part) => showProgress(outgoing, part));
});

function showProgress({ outbox, message }, part) {
  const detail = { key: outbox.key, id: message.id, part };
  document.dispatchEvent(new CustomEvent("sending:progress", { detail }));
}

// Answers

document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = event.detail;
  if (!ctx.outgoing) return;
  readAnswer(ctx.outgoing, ctx.response.raw, ctx.text);
  if (isSaidElsewhere(ctx)) event.preventDefault();
});

function isSaidElsewhere({ outgoing, response, sourceElement: form }) {
  const { status } = outgoing;
  if (isPassing(status, true)) return true; // by the state of the message
  if (!form.isConnected && status !== SIGNED_OUT) return true; // another ticket has taken the form's place
  return hasConversation(outgoing.outbox.key) && response.raw.headers.get("HX-Retarget") === `#${form.id}-error`;
}

function readAnswer(outgoing, response, text) {
  const isOwn = isOurs(response);
  const isStored = response.ok && (text.includes("data-seq=") || response.headers.has("HX-Redirect"));
  const isNoAnswer = (response.ok && !isStored) || isPassing(response.status, isOwn); // a proxy has answered, say
  Object.assign(outgoing, {
    isStored,
    status: isNoAnswer ? 0 : response.status,
    isFinal: isOwn && UNPROCESSABLE.includes(response.status),
    reason: isOwn ? reasonIn(response.headers) : reasonOf(response.status),
    wait: retryAfter(response.headers),
  });
  renew(outgoing, tokenOf(response.headers));
  if (isStored) onStored(outgoing);
}

// Before the answer is swapped in: the pending message goes in the same moment as the stored one comes.
function onStored({ outbox, message }) {
  const form = formOf(outbox.key);
  outbox.drop(message);
  if (hasConversation(outbox.key)) return;
  forget(outbox.key, form, message.text);
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
