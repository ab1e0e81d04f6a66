// What one can do on the page as it is now: the buttons, links and fields with a name for the palette. Keys, the list of keys and
// the palette are made of them.
import { isShown } from "./browser.js";
import { isField } from "./fields.js";
import { addActs, readActs } from "./acts.js";
import { formWith, textOf } from "./forms.js";
import { openMenu } from "../behaviours/menus.js";
import { step } from "../behaviours/queue_keys.js";

// Each once, though a narrow page may have another button for it.
export function actions() {
  const offered = new Map();
  for (const element of document.querySelectorAll("[data-action-name]")) {
    const { actionName } = element.dataset;
    const isBetter = !offered.has(actionName) || (!isShown(offered.get(actionName)) && isShown(element));
    if (isOffered(element) && isBetter) offered.set(actionName, element);
  }
  return [...offered.values()];
}

export const actionsWithKeys = () => actions().filter(({ dataset }) => dataset.key);

function isOffered(element) {
  if (element.matches("[data-step]")) return Boolean(document.querySelector("[data-row]"));
  if (element.matches("[data-send-and-close]")) return isShown(formWith(element));
  if (element.disabled || element.closest("[hidden], dialog")) return false;
  if (element.matches("summary")) return isShown(element) || isInMenu(element);
  return isShown(element) || !isField(element);
}

// Whether it opens a menu within one that can be opened.
function isInMenu(summary) {
  const menu = menuAround(summary);
  return Boolean(menu) && isShown(menu) && getComputedStyle(summary.parentElement).display !== "none";
}

const menuAround = (summary) => summary.parentElement.parentElement.closest("details.menu");

export function run(element) {
  if (element.matches("[data-step]")) step(Number(element.dataset.step));
  else if (element.matches("[data-send-and-close]")) sendAndClose(element);
  else if (element.matches("[data-mode]")) write(element);
  else if (element.matches("summary")) openWithin(element);
  else if (isField(element)) enter(element);
  else element.click();
}

function openWithin(summary) {
  const menu = menuAround(summary);
  if (menu) menu.open = true;
  openMenu(summary.parentElement);
}

function sendAndClose(element) {
  const form = formWith(element);
  if (!textOf(form).value.trim()) {
    textOf(form).focus();
    return;
  }
  addActs(form, readActs(element.content)); // if it is not sent, one sees what will happen
  form.requestSubmit();
}

function write(mode) {
  mode.click();
  const box =
    document.getElementById(`${mode.value}-text`) ?? document.querySelector("[data-claim] button[name=agent]");
  box?.focus();
}

function enter(field) {
  const drawer = field.closest("#customer") && document.querySelector("[data-drawer][aria-expanded=false]");
  if (drawer && isShown(drawer)) drawer.click();
  field.focus();
  field.select?.();
}
