// Keys for what the page offers. Those of one character can be switched off, and are never taken from a text.
import { actionsWithKeys, run } from "../lib/actions.js";
import { isField } from "../lib/fields.js";
import { showKeys } from "../lib/key_labels.js";
import { isPress, isSingle, labelsOf, makesText, spokenOf } from "../lib/keys.js";

const place = document.querySelector("[data-single-keys]");
export const isOn = (key) => !isSingle(key) || place.dataset.singleKeys === "on";

// htmx makes the forms of a new page its own in a task that it has put off before.
const ready = new Promise((resolve) => setTimeout(resolve));

const isBusy = (target) =>
  document.querySelector("dialog[open]") || isField(target) || target.closest?.("details.menu[open]");

// What is pressed while a ticket is on its way is for that one, not for the one that is still shown: the first key waits for it.
let opening = null; // the request
let held = null;
const isForAnother = (action) => opening && action.closest("#ticket, #customer");

function onOpening({ target, detail: { ctx } }) {
  if (target.id !== "ticket") return;
  opening = ctx;
  held = null;
}

function onOpened({ detail: { ctx } }) {
  if (ctx !== opening) return;
  opening = null;
  const action = held && actionsWithKeys().find(({ dataset }) => dataset.key === held);
  held = null;
  if (action) run(action);
}

function onKey(event) {
  if (event.defaultPrevented || makesText(event)) return;
  const action = actionsWithKeys().find(({ dataset }) => isOn(dataset.key) && isPress(event, dataset.key));
  if (!action) return;
  const { key } = action.dataset;
  if (key === "$mod+z" && isField(event.target) && event.target.value) return; // undoes what was typed
  if (isSingle(key) ? isBusy(event.target) : document.querySelector("dialog[open]")) return;
  event.preventDefault();
  if (isSingle(key) && isForAnother(action)) held ??= key;
  else if (!event.repeat || "step" in action.dataset) ready.then(() => run(action));
}

// Out of the box, to where single keys work.
function leave(event) {
  const isOpen = event.target.getAttribute?.("aria-expanded") === "true";
  if (event.key !== "Escape" || event.defaultPrevented || makesText(event) || isOpen) return;
  if (event.target.matches?.("#ticket [data-text], #customer :is(input, select)"))
    document.querySelector("[data-ticket-title]")?.focus();
  else if (event.target.matches?.("#find, #queue-order")) document.querySelector("#queue")?.focus();
}

// What a pointer and a screen reader say of a button.
function mark() {
  for (const element of document.querySelectorAll("[data-key]:not([aria-keyshortcuts], [hidden])")) {
    const { key, actionName } = element.dataset;
    if (!isOn(key)) continue;
    element.setAttribute("aria-keyshortcuts", spokenOf(key));
    const labelled = element.matches("[data-mode]") ? element.parentElement : element;
    labelled.title = `${labelled.title || actionName} (${labelsOf(key).join(" ")})`;
  }
}

for (const hint of document.querySelectorAll("[data-hint-key]")) showKeys(hint, hint.dataset.hintKey);

if (place) {
  document.addEventListener("keydown", onKey);
  document.addEventListener("keydown", leave);
  document.addEventListener("htmx:after:swap", mark);
  document.addEventListener("htmx:before:request", onOpening);
  document.addEventListener("htmx:after:swap", onOpened);
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => ctx === opening && (opening = null));
  mark();
}
