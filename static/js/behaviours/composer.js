// Forms in which somebody writes: Enter sends, the box grows with its text, and what is typed stays.
import { keep, moveDraft, restore } from "../lib/drafts.js";
import { formWith, keyOf, textOf } from "../lib/forms.js";
import { lineOf } from "../lib/outbox.js";

const hasTouchKeyboard = () => window.matchMedia("(pointer: coarse)").matches;

document.addEventListener("keydown", (event) => {
  const form = formWith(event.target.closest?.("[data-text]"));
  if (!form || event.key !== "Enter" || event.isComposing || event.shiftKey) return;
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (isPlain && (!form.hasAttribute("data-composer") || hasTouchKeyboard())) return;
  event.preventDefault();
  if (!event.repeat) form.requestSubmit();
});

// Where CSS cannot let a box grow with its text.
function fit(box) {
  if (CSS.supports("field-sizing", "content")) return;
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
}

document.addEventListener("input", (event) => {
  const form = formWith(event.target.closest?.("[data-text], [data-kept]"));
  if (!form) return;
  if (event.target.matches("[data-text]")) fit(event.target);
  keep(form);
});

document.addEventListener("composer:sent", (event) => fit(textOf(event.target)));

function restoreNew() {
  for (const form of document.querySelectorAll("form[data-draft]")) {
    if (form.restoredDraft === form.dataset.draft) continue;
    form.restoredDraft = form.dataset.draft;
    restore(form);
    // What was typed behind the message that has started this chat.
    if (form.matches("[data-after-start]") && !lineOf("start").first) moveDraft("start", form);
    showUnsent(form);
    fit(textOf(form));
  }
}

// The box shows what is being sent, also where the draft could not be kept.
function showUnsent(form) {
  const line = lineOf(keyOf(form));
  const box = textOf(form);
  if (line.standing(box.value) === line.written.length) return;
  box.value = [...line.written.map((message) => message.text), box.value].join("\n").trim();
  keep(form);
}

restoreNew();
document.addEventListener("htmx:after:swap", restoreNew);
