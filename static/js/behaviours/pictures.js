import { isShown } from "../lib/browser.js";
import { formOf, hasConversation, keyOf, placeOfError, textOf } from "../lib/forms.js";
import { outboxOf } from "../lib/outbox.js";
import { problemOf, refusal, rules } from "../lib/picture_rules.js";
import { keptPicture } from "../lib/pictures.js";

// By form, also of tickets that the page does not show.
const chosen = new Map();

const inputOf = (form) => form.querySelector("[data-picture-input]");

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

// `id`: of the message that is already being sent with it.
function show(form, id = "") {
  form.pictureOf = id;
  const [file] = inputOf(form).files;
  const preview = form.querySelector("[data-preview]");
  preview.hidden = !file;
  showFile(preview.querySelector("[data-preview-picture]"), file);
  if (!file) {
    chosen.delete(keyOf(form));
    return;
  }
  if (!id) chosen.set(keyOf(form), file);
  preview.querySelector("[data-preview-name]").textContent = file.name;
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
  const outbox = outboxOf(keyOf(form));
  progress.hidden = !(outbox.isBusy && form.pictureOf && form.pictureOf === outbox.first?.id);
}

function clear(form) {
  inputOf(form).value = "";
  show(form);
}

// A picture that this browser cannot show is only named.
document.addEventListener(
  "error",
  ({ target }) => {
    if (target.matches?.("[data-preview-picture]")) target.hidden = true;
  },
  true,
);

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

export async function addPictures(form, files) {
  const problems = files.length > 1 ? await Promise.all(files.map(problemOf)) : [];
  const first = problems.indexOf("");
  choose(form, files[Math.max(first, 0)]);
  await take(form);
  if (first >= 0) say(form, rules.oneOnly);
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

export function newPicture(form) {
  const isTaken = outboxOf(keyOf(form)).messages.some(({ id }) => id === form.pictureOf);
  return isTaken ? undefined : inputOf(form)?.files[0];
}

export function ownPicture(form, id) {
  form.pictureOf = id;
  chosen.delete(keyOf(form));
}

export async function offerPicture(form, kept) {
  const file = await kept;
  if (!file || inputOf(form).files.length) return;
  choose(form, file);
  show(form);
}

document.addEventListener("composer:sent", ({ target: form, detail }) => {
  if (form.pictureOf === detail.id) clear(form);
});
document.addEventListener("sending:changed", ({ detail: outbox }) => showProgress(formOf(outbox.key)));
document.addEventListener("sending:progress", ({ detail }) => {
  const progress = formOf(detail.key)?.querySelector("[data-progress]");
  if (progress) progress.value = detail.part;
});

function restoreNew() {
  for (const form of document.querySelectorAll("form[data-draft]")) {
    if (!inputOf(form) || form.restoredPicture === keyOf(form)) continue;
    form.restoredPicture = keyOf(form);
    restore(form);
  }
}

async function restore(form) {
  const unsent = chosen.get(keyOf(form));
  if (unsent) offerPicture(form, unsent);
  if (unsent || hasConversation(keyOf(form))) return;
  const outbox = outboxOf(keyOf(form));
  const message = outbox.messages.findLast(({ hasPicture }) => hasPicture);
  const file = message && (await keptPicture(message.id));
  if (!file || inputOf(form).files.length || !outbox.messages.includes(message)) return;
  choose(form, file);
  show(form, message.id);
}

restoreNew();
document.addEventListener("htmx:after:swap", () => {
  restoreNew();
  // A fragment from the server does not know what was chosen here.
  for (const form of document.querySelectorAll("form[data-form]")) {
    if (inputOf(form)?.files.length) show(form, form.pictureOf);
  }
});
