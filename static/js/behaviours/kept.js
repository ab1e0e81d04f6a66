// What somebody had typed as a reply when the ticket went to somebody else, or was closed: it stays in view, where the box
// was, and can be copied or added as a note. Whoever takes the ticket back finds it in the box.
import { moveDraft } from "../lib/drafts.js";
import { formOf, textOf } from "../lib/forms.js";
import { recall } from "../lib/storage.js";

const place = () => document.querySelector("[data-kept-reply]");

function show() {
  const kept = place();
  if (!kept) return;
  const text = recall("draft", kept.dataset.keptReply)?.trim() ?? "";
  const box = kept.querySelector("[data-kept-text]");
  if (box.value !== text) box.value = text;
  kept.hidden = !text;
  kept.querySelector("[data-kept-copy]").dataset.copy = text;
  const note = kept.closest("[data-claim]").querySelector("[data-kept-note]");
  if (note) note.hidden = !text;
}

function addAsNote() {
  const { keptReply } = place().dataset;
  const form = formOf(keptReply.replace("reply-", "note-"));
  const isEmpty = !textOf(form).value.trim();
  moveDraft(keptReply, form);
  document.querySelector('[data-mode][value="note"]')?.click();
  if (isEmpty) form.requestSubmit();
  else textOf(form).focus(); // it stands behind another note, and whoever wrote that decides
  show();
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-kept-as-note]")) addAsNote();
});
document.addEventListener("htmx:after:swap", show);
show();
