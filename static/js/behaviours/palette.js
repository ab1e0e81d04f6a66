// Everything that one can do here, found by typing.
import Combobox from "@github/combobox-nav";
import { actions, run } from "../lib/actions.js";
import { showKeys } from "../lib/key_labels.js";
import { openTicket } from "../lib/messages.js";
import { fill } from "../lib/words.js";
import { isOn } from "./keys.js";

const dialog = document.querySelector("[data-palette]");
const input = dialog?.querySelector("[data-palette-input]");
const list = dialog?.querySelector("[data-palette-list]");
const FEW = 5; // tickets, while nothing is typed
let does = new Map();
let number = ""; // of the ticket that it is about

// Enter without choosing never ends anything.
class Palette extends Combobox {
  indicateDefaultOption() {
    const first = list.querySelector("[role=option]");
    if (first && dialog.open && !("ends" in first.dataset)) this.navigate(1);
  }
}

const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const wordsOf = (text) => folded(text).split(/\s+/).filter(Boolean);
const hasAll = (text, words) => words.every((word) => folded(text).includes(word));
const copy = (name) => dialog.querySelector(`[data-palette-${name}]`).content.firstElementChild.cloneNode(true);

function groupOf(element) {
  if (element.closest("#ticket, #customer, #toast")) return "ticket";
  return "step" in element.dataset ? "tickets" : "go";
}

function option(name, icon, act, { key, ends, detail } = {}) {
  const item = copy("option");
  item.id = `palette-${does.size}`;
  item.querySelector("[data-name]").textContent = name;
  item.querySelector("[data-detail]").textContent = detail ?? "";
  if (icon) item.querySelector("[data-icon]").append(icon.cloneNode(true));
  if (key && isOn(key)) showKeys(item.querySelector("[data-keys]"), key);
  if (ends) item.dataset.ends = "";
  does.set(item.id, act);
  return item;
}

function optionOf(element) {
  const { actionName, key, ends } = element.dataset;
  const icon = element.querySelector(".icon") ?? element.closest("a, button, label, p")?.querySelector(".icon");
  return option(actionName, icon, () => run(element), { key, ends: ends !== undefined });
}

function ticketOption(row) {
  const link = row.querySelector("[data-open]");
  const name = link.querySelector(".row__name").textContent;
  const detail = link.querySelector(".row__number")?.textContent;
  return option(name, link.querySelector(".avatar"), () => link.click(), { detail });
}

// Actions that end something stand last in their group.
const endsLast = (one, other) => ("ends" in one.dataset) - ("ends" in other.dataset);

function groups(text) {
  const words = wordsOf(text);
  const found = actions().filter(({ dataset }) => !("openPalette" in dataset) && hasAll(dataset.actionName, words));
  const of = (name) => found.filter((element) => groupOf(element) === name);
  const rows = [...document.querySelectorAll("[data-row]")].filter(
    (row) => row.dataset.row !== openTicket() && hasAll(row.querySelector(".row__line").textContent, words),
  );
  return {
    ticket: of("ticket").sort(endsLast).map(optionOf),
    tickets: [...of("tickets").map(optionOf), ...rows.slice(0, words.length ? rows.length : FEW).map(ticketOption)],
    go: of("go").map(optionOf),
    search: searches(text),
  };
}

function searches(text) {
  const { search } = dialog.dataset;
  if (!text.trim() || !search) return [];
  const name = fill(dialog.dataset.searchFor, { text: text.trim() });
  const icon = dialog.querySelector(".icon");
  return [option(name, icon, () => window.location.assign(`${search}?${new URLSearchParams({ q: text.trim() })}`))];
}

function show() {
  does = new Map();
  const shown = groups(input.value);
  const parts = Object.entries(shown).filter(([, options]) => options.length);
  list.replaceChildren(...parts.map(([name, options]) => groupWith(name, options)));
  dialog.querySelector("[data-palette-none]").hidden = parts.length > 0;
  combobox.clearSelection(); // and choose the default
  list.scrollTop = 0;
}

function groupWith(name, options) {
  const group = copy(`group-${name}`);
  group.append(...options);
  return group;
}

function showTicket() {
  number = openTicket();
  const title = document.querySelector("[data-ticket-title]")?.textContent.replace(/\s+/g, " ").trim() ?? "";
  const context = dialog.querySelector("[data-palette-context]");
  context.hidden = !title;
  context.textContent = title;
}

// An answer may turn the page to another ticket under it.
function follow() {
  if (!dialog.open || number === openTicket()) return;
  showTicket();
  show();
}

function open() {
  input.value = "";
  showTicket();
  dialog.showModal();
  combobox.start();
  show();
  input.focus();
}

let combobox;
if (dialog) {
  combobox = new Palette(input, list, { tabInsertsSuggestions: false });
  input.addEventListener("input", show);
  document.addEventListener("click", ({ target }) => target.closest("[data-open-palette]") && open());
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  // The event comes a moment later: it may be open again by then.
  dialog.addEventListener("close", () => dialog.open || combobox.stop());
  document.addEventListener("htmx:after:swap", follow);
  list.addEventListener("combobox-commit", ({ target }) => {
    const act = does.get(target.id);
    dialog.close(); // gives the focus back, from where the action may take it
    act();
  });
}
