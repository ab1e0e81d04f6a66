// Forms in which somebody writes: Enter sends, what was typed stays until the server has it, and a retry is the same
// message again.

const hasTouchKeyboard = () => window.matchMedia("(pointer: coarse)").matches;
const textOf = (form) => form.querySelector("[data-text]");
const placeOfError = (form) => document.getElementById(`${form.id}-error`);
const writing = (event) => (event.target.matches?.("form[data-form]") ? event.target : null);

document.addEventListener("keydown", (event) => {
  const form = event.target.closest?.("[data-text]")?.closest("form[data-form]");
  if (!form || event.key !== "Enter" || event.isComposing || event.shiftKey) return;
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (isPlain && (!form.hasAttribute("data-composer") || hasTouchKeyboard())) return;
  event.preventDefault();
  form.requestSubmit();
});

document.addEventListener("htmx:config:request", (event) => {
  const form = writing(event);
  if (!form) return;
  const { ctx } = event.detail;
  const text = textOf(form).value;
  // A failed message may have arrived all the same. With another text it is another message.
  if (form.failedText !== undefined && form.failedText !== text) {
    form.elements.client_message_id.value = randomId();
    ctx.request.body.set("client_message_id", form.elements.client_message_id.value);
  }
  delete form.failedText;
  form.sentText = text;
  placeOfError(form).replaceChildren();
});

document.addEventListener("htmx:after:request", (event) => {
  const form = writing(event);
  if (!form) return;
  if (event.detail.ctx.response.status < 400) clearSent(form);
  else form.failedText = form.sentText;
});

document.addEventListener("htmx:error", (event) => {
  const form = writing(event);
  if (!form || event.detail.ctx?.response) return;
  form.failedText = form.sentText;
  placeOfError(form).replaceChildren(form.querySelector("[data-not-sent]").content.cloneNode(true));
});

// Takes what was sent out of the box, and leaves what was typed since.
function clearSent(form) {
  const box = textOf(form);
  if (box.value.startsWith(form.sentText)) box.value = box.value.slice(form.sentText.length).trimStart();
  form.dispatchEvent(new CustomEvent("composer:sent", { bubbles: true }));
  fit(box);
  keep(form);
}

function randomId() {
  if (crypto.randomUUID) return crypto.randomUUID(); // only where the page is secure
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

// Drafts: typed text survives a reload, a lost connection and a look at another ticket.

const draftName = (form) => `draft:${form.dataset.draft}`;

function keep(form) {
  const text = textOf(form).value;
  try {
    if (text) sessionStorage.setItem(draftName(form), text);
    else sessionStorage.removeItem(draftName(form));
  } catch {
    // A browser without storage keeps no drafts.
  }
}

function restore(form) {
  const box = textOf(form);
  try {
    box.value ||= sessionStorage.getItem(draftName(form)) ?? "";
  } catch {
    // As above.
  }
  fit(box);
}

// Where CSS cannot let a box grow with its text.
function fit(box) {
  if (CSS.supports("field-sizing", "content")) return;
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
}

document.addEventListener("input", (event) => {
  const form = event.target.closest?.("[data-text]")?.closest("form[data-form]");
  if (!form) return;
  fit(event.target);
  keep(form);
});

function restoreNew() {
  for (const form of document.querySelectorAll("form[data-draft]")) {
    if (form.restoredDraft === form.dataset.draft) continue;
    form.restoredDraft = form.dataset.draft;
    restore(form);
  }
}

restoreNew();
document.addEventListener("htmx:after:swap", restoreNew);
