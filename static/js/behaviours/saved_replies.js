// "/" at the start of a word opens the list of saved replies above the box.
import "@github/text-expander-element";
import { addActs } from "../lib/acts.js";
import { keep } from "../lib/drafts.js";
import { formWith, showRefusal, textOf } from "../lib/forms.js";
import { ask, tell } from "../lib/http.js";
import { word } from "../lib/words.js";
import { offerPicture } from "./pictures.js";

const KEY = "/";
const NONE = { matched: false };
const made = (name) => document.querySelector(`template[${name}]`).content.firstElementChild.cloneNode(true);

let isInserting = false;

// Its events do not bubble.
const on = (name, callback) => document.addEventListener(name, callback, true);

on("text-expander-change", ({ target: expander, detail }) => {
  if (detail.key !== KEY || isInserting || !expander.dataset.replies) return;
  expander.typed = detail.text;
  detail.provide(offered(expander, detail.text));
});

// What is typed on to words that no reply has is in none either.
async function offered(expander, text) {
  if (!text) expander.nothingFor = null;
  if (text.includes("\n") || (expander.nothingFor && text.startsWith(expander.nothingFor))) return NONE;
  const asked = find(expander, text);
  expander.asked = asked;
  const replies = await asked;
  if (expander.asked !== asked) return listOf((await expander.asked) ?? [], expander.typed);
  if (replies && !replies.length && text) expander.nothingFor = text;
  return replies ? listOf(replies, text) : NONE;
}

async function find(expander, text) {
  try {
    const response = await ask(`${expander.dataset.replies}?${new URLSearchParams({ q: text })}`);
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

function listOf(replies, text) {
  if (!replies.length && text) return NONE;
  const fragment = made("data-saved-replies");
  const place = fragment.querySelector("[data-choices]");
  if (replies.length) place.append(...replies.map(choiceOf));
  else place.append(made("data-no-saved-reply"));
  return { matched: true, fragment };
}

function choiceOf(reply, index) {
  const choice = made("data-saved-reply");
  choice.id = `saved-reply-${index}`;
  choice.reply = reply;
  choice.querySelector("[data-name]").textContent = reply.name;
  choice.querySelector("[data-preview-text]").textContent = reply.text.slice(0, 300);
  choice.querySelector("[data-has-picture]").hidden = !reply.picture;
  choice.querySelector("[data-act-labels]").textContent = reply.acts.map(({ label }) => label).join(" · ");
  return choice;
}

// No box of several lines may be called a combobox. It stays a text box, which names the choice as its active descendant.
on("text-expander-activate", ({ target: expander }) => {
  const box = expander.querySelector("textarea");
  queueMicrotask(() => {
    box.removeAttribute("role");
    box.removeAttribute("aria-expanded");
  });
});

on("text-expander-value", (event) => {
  const { item, key } = event.detail;
  if (key !== KEY || !item.reply) return;
  event.preventDefault();
  insert(event.target, item.reply);
});

function insert(expander, reply) {
  const form = expander.querySelector("form");
  const box = textOf(form);
  const end = box.selectionEnd;
  replace(box, end - expander.typed.length - KEY.length, end, reply.text);
  expander.dismiss();
  tell(reply.uses);
  if (reply.picture) addPicture(form, reply.picture);
  addActs(form, reply.acts);
  keep(form);
}

// As if it were typed: so it can be undone.
function replace(box, start, end, text) {
  box.focus({ preventScroll: true });
  box.setSelectionRange(start, end);
  isInserting = true;
  if (!document.execCommand(text ? "insertText" : "delete", false, text)) {
    box.setRangeText(text, start, end, "end");
    box.dispatchEvent(new InputEvent("input", { bubbles: true }));
  }
  isInserting = false;
  box.scrollTop = box.scrollHeight;
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

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-open-replies]");
  if (!button) return;
  event.preventDefault();
  open(textOf(formWith(button)));
});

function open(box) {
  box.focus({ preventScroll: true });
  const before = box.value.slice(0, box.selectionStart);
  document.execCommand("insertText", false, /\S$/.test(before) ? ` ${KEY}` : KEY);
}

// In Safari the Enter that ends a composition comes after it has ended.
on("keydown", (event) => {
  if (event.keyCode === 229 && event.target.closest?.("text-expander")) event.stopPropagation();
});
