// A picture for the message: checked here first, and sent with a bar that shows how far.
import { formOf, hasConversation, keyOf, placeOfError, textOf } from "../lib/forms.js";
import { lineOf } from "../lib/outbox.js";
import { problemOf, refusal, rules } from "../lib/picture_rules.js";
import { keptPicture } from "../lib/pictures.js";
import { isShown } from "../lib/shown.js";
import { upload } from "../lib/upload.js";

// What was chosen in a form that the page may not show just now.
const chosen = new Map();

const inputOf = (form) => form.querySelector("[data-picture-input]");

// The form that a picture goes to: the one that is worked in, else the one that can be seen.
export function formFor(element) {
  const near = element.closest?.("form");
  const forms = [near, ...document.querySelectorAll("form[data-form]")];
  return forms.find((form) => form && inputOf(form) && isShown(form));
}

function choose(form, file) {
  const transfer = new DataTransfer();
  transfer.items.add(file);
  inputOf(form).files = transfer.files;
}

// `id`: of the message that the picture belongs to, if it is being sent already.
function show(form, id = "") {
  form.pictureOf = id;
  const input = inputOf(form);
  const [file] = input.files;
  const preview = form.querySelector("[data-preview]");
  const picture = preview.querySelector("[data-preview-picture]");
  if (!file) {
    chosen.delete(keyOf(form));
    preview.hidden = true;
    showFile(picture, null);
    return;
  }
  if (!id) chosen.set(keyOf(form), file);
  showFile(picture, file);
  preview.querySelector("[data-preview-name]").textContent = file.name;
  preview.hidden = false;
  showProgress(form);
}

function showFile(picture, file) {
  if (picture.file === file && picture.src) return;
  if (picture.address) URL.revokeObjectURL(picture.address);
  picture.file = file;
  picture.hidden = false;
  picture.address = file ? URL.createObjectURL(file) : "";
  if (file) picture.src = picture.address;
  else picture.removeAttribute("src");
}

function showProgress(form) {
  const progress = form?.querySelector("[data-progress]");
  if (!progress) return;
  const line = lineOf(keyOf(form));
  progress.hidden = !(line.isBusy && form.pictureOf && form.pictureOf === line.first?.id);
}

// A picture that this browser cannot show, or that is damaged, is named only.
document.addEventListener(
  "error",
  ({ target }) => {
    if (target.matches?.("[data-preview-picture]")) target.hidden = true;
  },
  true,
);

// Shows what somebody has just chosen, or why it cannot be taken.
async function take(form) {
  show(form);
  placeOfError(form).replaceChildren();
  const [file] = inputOf(form).files;
  const problem = file && (await problemOf(file));
  if (!problem || inputOf(form).files[0] !== file || form.pictureOf) return;
  clear(form);
  say(form, problem);
}

function say(form, sentence) {
  placeOfError(form).replaceChildren(refusal(sentence));
}

// Takes a file that was pasted or dropped: of several the first one that is a picture.
export async function addPictures(form, files) {
  const problems = files.length > 1 ? await Promise.all(files.map(problemOf)) : [];
  const first = problems.indexOf("");
  choose(form, files[Math.max(first, 0)]);
  await take(form);
  if (first >= 0) say(form, rules.oneOnly);
}

function clear(form) {
  inputOf(form).value = "";
  show(form);
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-picture-input]")) take(event.target.form);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-preview-remove]");
  if (!button) return;
  const { form } = button;
  const id = form.pictureOf;
  clear(form);
  if (id) form.dispatchEvent(new CustomEvent("picture:taken_back", { bubbles: true, detail: { id } }));
  textOf(form).focus();
});

// Pictures and messages

// The picture that no message has taken yet.
export function newPicture(form) {
  const isTaken = lineOf(keyOf(form)).messages.some(({ id }) => id === form.pictureOf);
  return isTaken ? undefined : inputOf(form)?.files[0];
}

// From now on the picture belongs to a message that is being sent. Another one that is chosen is for the next.
export function ownPicture(form, id) {
  form.pictureOf = id;
  chosen.delete(keyOf(form));
}

// A picture that could not be sent elsewhere.
export async function offerPicture(form, kept) {
  const file = await kept;
  if (!file || inputOf(form).files.length) return;
  choose(form, file);
  show(form);
}

document.addEventListener("composer:sent", ({ target: form, detail }) => {
  if (form.pictureOf === detail.id) clear(form);
});

document.addEventListener("htmx:config:request", (event) => {
  const { outgoing } = event.detail.ctx;
  if (!outgoing?.file) return;
  const { line, message } = outgoing;
  const say = (part) =>
    document.dispatchEvent(new CustomEvent("sending:progress", { detail: { key: line.key, id: message.id, part } }));
  event.detail.ctx.fetch = (path, request) => upload(path, request, say);
});

document.addEventListener("sending:changed", ({ detail: line }) => showProgress(formOf(line.key)));
document.addEventListener("sending:progress", ({ detail }) => {
  const progress = formOf(detail.key)?.querySelector("[data-progress]");
  if (progress) progress.value = detail.part;
});

// After a reload the picture of the message that starts a chat is still there, after a look at another ticket also one
// that no message has taken yet.
async function restoreNew() {
  for (const form of document.querySelectorAll("form[data-draft]")) {
    if (!inputOf(form) || form.restoredPicture === keyOf(form)) continue;
    form.restoredPicture = keyOf(form);
    const unsent = chosen.get(keyOf(form));
    if (unsent) {
      offerPicture(form, unsent);
      continue;
    }
    if (hasConversation(keyOf(form))) continue;
    const message = lineOf(keyOf(form)).messages.findLast(({ hasPicture }) => hasPicture);
    const file = message && (await keptPicture(message.id));
    if (file && !inputOf(form).files.length && lineOf(keyOf(form)).messages.includes(message)) {
      choose(form, file);
      show(form, message.id);
    }
  }
}

restoreNew();
document.addEventListener("htmx:after:swap", () => {
  restoreNew();
  // A fragment from the server knows nothing of the picture that was chosen here.
  for (const form of document.querySelectorAll("form[data-form]")) {
    if (inputOf(form)?.files.length) show(form, form.pictureOf);
  }
});
