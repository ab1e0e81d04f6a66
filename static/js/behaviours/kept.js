// The draft of a reply stays in view when the ticket goes to somebody else or is closed.
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
  else textOf(form).focus(); // it was added to another draft, whose author decides
  show();
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-kept-as-note]")) addAsNote();
});
document.addEventListener("htmx:after:swap", show);
document.addEventListener("drafts:taken", show);
show();
