// "/" at the start of a word opens the list of saved replies above the box.
import { actsOf, addActs, showActs } from "../lib/acts.js";
import { keep } from "../lib/drafts.js";
import { insert, made, openLists } from "../lib/expanding.js";
import { formWith, showRefusal, textOf } from "../lib/forms.js";
import { ask, tell } from "../lib/http.js";
import { word } from "../lib/words.js";
import { offerPicture } from "./pictures.js";

const KEY = "/";

openLists(KEY, { addressOf: ({ dataset }) => dataset.replies, listOf, choose });

function listOf(replies, text) {
  if (!replies.length && text) return null;
  const fragment = made("data-saved-replies");
  const place = fragment.querySelector("[data-choices]");
  if (replies.length) place.append(...replies.map(choiceOf));
  else place.append(made("data-no-saved-reply"));
  return fragment;
}

function choiceOf(reply, index) {
  const choice = made("data-saved-reply");
  choice.id = `saved-reply-${index}`;
  choice.choice = reply;
  choice.querySelector("[data-name]").textContent = reply.name;
  choice.querySelector("[data-preview-text]").textContent = reply.text.slice(0, 300);
  choice.querySelector("[data-has-picture]").hidden = !reply.picture;
  choice.querySelector("[data-act-labels]").textContent = reply.acts.map(({ label }) => label).join(" · ");
  return choice;
}

function choose(expander, reply) {
  const form = expander.querySelector("form");
  insert(expander, KEY, reply.text);
  tell(reply.uses);
  if (reply.picture) addPicture(form, reply.picture);
  addActs(form, reply.acts);
  keep(form);
}

// Resolves to whether there is one.
export async function addPicture(form, path) {
  if (!form.querySelector("[data-picture-input]")) return false;
  const file = await picture(form, path);
  await offerPicture(form, file);
  return Boolean(file);
}

async function picture(form, path) {
  try {
    const response = await ask(path);
    const type = response.headers.get("Content-Type");
    // Of the bytes, not of a blob: Chromium hangs when it closes a page that has made a file of one.
    if (response.ok) return new File([await response.arrayBuffer()], `picture.${type.split("/")[1]}`, { type });
  } catch {
    // As if it were not there.
  }
  showRefusal(form, word("replyPictureMissing"));
}

document.addEventListener("composer:sent", ({ target }) => {
  target.querySelector("[data-acts]")?.replaceChildren();
  keep(target);
});

// Who deletes the whole text does not want what was to happen after it.
document.addEventListener("input", ({ target }) => {
  const form = target.matches?.("[data-composer] [data-text]") && formWith(target);
  if (!form || target.value || !actsOf(form).length) return;
  showActs(form, []);
  keep(form);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-open-replies]");
  if (!button) return;
  event.preventDefault();
  open(textOf(formWith(button)));
});

function open(box) {
  box.focus({ preventScroll: true });
  const before = box.value.slice(0, box.selectionStart);
  const typed = /\S$/.test(before) ? ` ${KEY}` : KEY;
  document.execCommand("insertText", false, typed);
  const onNextKey = ({ key }) => key === "Escape" && setTimeout(() => takeBack(box, typed)); // once the list is closed
  box.addEventListener("keydown", onNextKey, { once: true, capture: true });
}

function takeBack(box, typed) {
  const end = box.selectionEnd;
  if (!box.value.slice(0, end).endsWith(typed)) return;
  box.setSelectionRange(end - typed.length, end);
  document.execCommand("delete");
}
