// Replies that are held: they go when they are sent, and back into the box when they are taken back.
import { addActs, readActs } from "../lib/acts.js";
import { keep } from "../lib/drafts.js";
import { formOf, textOf } from "../lib/forms.js";
import { remove } from "../lib/http.js";
import { openTicket } from "../lib/messages.js";
import { behind, tidied } from "../lib/text.js";
import { addPicture } from "./saved_replies.js";

const LATE = 3000; // after a reply was due, before the page asks what has become of it

const list = () => document.querySelector("[data-held-list]");

function read() {
  const shown = list();
  if (shown) htmx.ajax("GET", shown.dataset.heldList, { source: shown, target: shown, swap: "none" });
}

function watch() {
  for (const state of document.querySelectorAll("[data-due]")) {
    const { due } = state.dataset;
    delete state.dataset.due;
    setTimeout(() => state.isConnected && read(), Number(due) * 1000 + LATE);
  }
}

// The page that did it knows already.
function onChanged({ detail: { number, reply, state } }) {
  const shown = document.getElementById(`held-${reply}`)?.dataset.held ?? "gone";
  if (openTicket() === String(number) && shown !== state) read();
  if (!["held", "undone"].includes(state)) document.dispatchEvent(new CustomEvent("live:queue_changed"));
}

function dropSent({ detail: items }) {
  for (const { dataset } of items) {
    if (!dataset.clientId) continue;
    document.querySelector(`[data-toast-of="${CSS.escape(dataset.clientId)}"]`)?.remove();
    const held = document.getElementById(`held-${dataset.clientId}`);
    if (!held) continue;
    if (held.contains(document.activeElement)) document.getElementById("reply-text")?.focus();
    held.remove();
  }
}

async function putBack() {
  const taken = document.querySelector("[data-taken-back]");
  const form = taken && formOf(taken.dataset.takenBack);
  taken?.remove(); // without a box it stays below the messages
  if (!form) return;
  document.querySelector('[data-mode][value="reply"]')?.click();
  const box = textOf(form);
  const text = taken.querySelector("[data-taken-text]").textContent;
  if (behind(box.value, text) === null) box.value = tidied([text, box.value].join("\n"));
  addActs(form, readActs(taken));
  keep(form);
  form.dispatchEvent(new CustomEvent("composer:filled", { bubbles: true }));
  box.focus({ preventScroll: true });
  const { picture, forget } = taken.dataset;
  if (!picture || (await addPicture(form, picture))) await remove(forget).catch(() => {});
  read();
}

// Somebody else has the ticket: there is no box.
function offerEdit() {
  const box = document.getElementById("reply-text");
  for (const button of document.querySelectorAll("[data-edit-held]")) button.hidden = !box;
}

function onSwapped() {
  watch();
  offerEdit();
  putBack();
}

if (document.querySelector("[data-desk]")) {
  document.addEventListener("htmx:after:swap", onSwapped);
  document.addEventListener("timeline:items", dropSent);
  document.addEventListener("live:held_changed", onChanged);
  document.addEventListener("live:caught_up", () => list()?.childElementCount && read());
  watch();
  offerEdit();
}
