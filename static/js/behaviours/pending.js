import { hasTouchKeyboard } from "../lib/browser.js";
import { formOf, textOf } from "../lib/forms.js";
import { messageList } from "../lib/messages.js";
import { findMessage, outboxOf } from "../lib/outbox.js";
import { keptPicture } from "../lib/pictures.js";
import { countDown } from "./countdown.js";
import { enlargeEmoji } from "./items.js";
import { putIntoBox, retry, takeBack } from "./sending.js";

const GROUPED_WITHIN = 5 * 60 * 1000; // as the server groups messages of one sender

const place = () => document.querySelector("[data-pending]");
const itemOf = (list, id) => [...list.children].find((item) => item.dataset.id === id);

function waiting(list) {
  const outboxes = list.dataset.pending.split(" ").map(outboxOf);
  const all = outboxes.flatMap((outbox) => outbox.messages.map((message) => ({ outbox, message })));
  return all.sort((one, other) => one.message.at - other.message.at);
}

function draw() {
  const list = place();
  if (!list) return;
  const all = waiting(list);
  for (const item of [...list.children]) {
    if (!all.some(({ message }) => message.id === item.dataset.id)) remove(item);
  }
  for (const { outbox, message } of all) show(itemOf(list, message.id) ?? add(list, outbox, message), outbox, message);
}

function add(list, outbox, message) {
  const template = document.querySelector(`[data-pending-template="${CSS.escape(outbox.key)}"]`);
  const item = template.content.firstElementChild.cloneNode(true);
  item.dataset.id = message.id;
  item.toggleAttribute("data-continues", isContinued(list, item, message));
  const bubble = item.querySelector("[data-pending-text]");
  if (message.text) bubble.textContent = message.text;
  else bubble.closest(".bubble").remove();
  if (message.hasPicture) showPicture(item, message);
  list.append(item);
  enlargeEmoji(item);
  list.dispatchEvent(new CustomEvent("pending:added", { bubbles: true }));
  return item;
}

function isContinued(list, item, message) {
  const isMessage = (other) => !other.matches(".message--note");
  const before = [...messageList().children, ...list.children].filter(isMessage).pop();
  if (!isMessage(item) || !before?.matches(".message--mine")) return false;
  const time = before.querySelector("time")?.dateTime;
  return !time || message.at - new Date(time) < GROUPED_WITHIN;
}

async function showPicture(item, { id }) {
  const file = await keptPicture(id);
  if (!file) return;
  const picture = item.querySelector("[data-pending-picture]");
  const image = picture.querySelector("img");
  image.src = URL.createObjectURL(file);
  await image.decode().catch(() => {}); // one that this browser cannot show still gets its frame
  picture.hidden = false;
  item.parentElement?.dispatchEvent(new CustomEvent("pending:added", { bubbles: true }));
}

function remove(item) {
  const image = item.querySelector("[data-pending-picture] img");
  if (image?.src) URL.revokeObjectURL(image.src);
  if (item.contains(document.activeElement)) moveFocus(item);
  item.remove();
}

// A button that is removed must not lose the focus.
function moveFocus(item, action) {
  const key = item.closest("[data-pending]").dataset.pending.split(" ").find(formOf);
  const next = action && item.querySelector(`[data-pending-act="${action}"]`);
  if (next) next.focus();
  else if (key && !hasTouchKeyboard()) textOf(formOf(key)).focus();
  else item.closest("[data-timeline]").focus({ preventScroll: true });
}

function show(item, outbox, message) {
  const state = outbox.stateOf(message);
  if (item.dataset.stands !== state) showState(item, state, message);
  if (state === "limited") countDown(item.querySelector("[data-reason]"), outbox.limit);
  const edit = item.querySelector('[data-pending-act="edit"]');
  if (edit) edit.hidden = !formOf(outbox.key); // somebody else has the ticket: there is no box
}

function showState(item, state, message) {
  item.dataset.stands = state;
  const place = item.querySelector("[data-pending-state]");
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  place.replaceChildren(document.querySelector(`[data-pending-when=${state}]`).content.cloneNode(true));
  if (message.reason) place.querySelector("[data-reason]").textContent = message.reason;
  const copy = place.querySelector("[data-copy]");
  if (copy) copy.dataset.copy = message.text;
  if (copy && !message.text) copy.remove();
  if (focused) moveFocus(item, focused.dataset.pendingAct);
  const progress = item.querySelector("[data-progress]");
  if (progress) progress.hidden = state !== "sending";
}

const ACTS = { retry, edit, delete: takeBack };

function edit(outbox, message) {
  const form = formOf(outbox.key);
  if (!form) return;
  putIntoBox(outbox, message, form);
  textOf(form).focus();
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-pending-act]");
  const found = button && findMessage(button.closest("[data-id]").dataset.id);
  if (found) ACTS[button.dataset.pendingAct](found.outbox, found.message);
});
document.addEventListener("sending:progress", ({ detail }) => {
  const list = place();
  const progress = list && itemOf(list, detail.id)?.querySelector("[data-progress]");
  if (progress) progress.value = detail.part;
});
for (const name of ["sending:added", "sending:changed", "timeline:items", "htmx:after:swap"]) {
  document.addEventListener(name, draw);
}
draw();
