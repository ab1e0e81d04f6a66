// Lists that open above a composer while somebody types behind a key, with what the server finds for it.
import "@github/text-expander-element";
import { isComposing } from "./fields.js";
import { textOf } from "./forms.js";
import { ask } from "./http.js";
import { pause } from "./timing.js";

const NONE = { matched: false };
const PATIENCE = 2000; // then Enter does what it does without a list
let isInserting = false;

// Its events do not bubble.
const on = (name, callback) => document.addEventListener(name, callback, true);

// `addressOf` says where an expander asks, `listOf` makes a list of what was found (null: there is none to show), `choose` takes
// what was chosen, and `typedOf` says what counts of the text behind the key (null: nothing).
export function openLists(key, { addressOf, listOf, choose, typedOf = (text) => text }) {
  on("text-expander-change", ({ target: expander, detail }) => {
    if (detail.key !== key || isInserting || !addressOf(expander)) return;
    const text = typedOf(detail.text);
    if (text === null) return;
    expander.typed = text;
    const list = offered(expander, text);
    expander.awaited = list;
    list.finally(() => (expander.awaited = expander.awaited === list ? null : expander.awaited));
    detail.provide(list);
  });

  on("text-expander-value", (event) => {
    const { item, key: pressed } = event.detail;
    if (pressed !== key || !item.choice) return;
    event.preventDefault();
    choose(event.target, item.choice);
  });

  // What is typed on to words that nothing has is in nothing either.
  async function offered(expander, text) {
    if (!text) expander.nothingFor = null;
    if (text.includes("\n") || (expander.nothingFor && text.startsWith(expander.nothingFor))) return NONE;
    const asked = find(`${addressOf(expander)}?${new URLSearchParams({ q: text })}`);
    expander.asked = asked;
    const found = await asked;
    if (!expander.asked) return NONE; // something was chosen meanwhile
    if (expander.asked !== asked) return shown((await expander.asked) ?? [], expander.typed);
    if (found && !found.length && text) expander.nothingFor = text;
    return found ? shown(found, text) : NONE;
  }

  function shown(found, text) {
    const fragment = listOf(found, text);
    return fragment ? { matched: true, fragment } : NONE;
  }
}

async function find(address) {
  try {
    const response = await ask(address);
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

export const made = (name) => document.querySelector(`template[${name}]`).content.firstElementChild.cloneNode(true);

// In place of the key and what was typed behind it.
export function insert(expander, key, text) {
  const box = textOf(expander.querySelector("form"));
  const end = box.selectionEnd;
  expander.asked = null;
  replace(box, end - expander.typed.length - key.length, end, text);
  expander.dismiss();
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

// No box of several lines may be called a combobox. It stays a text box, which names the choice as its active descendant.
on("text-expander-activate", ({ target: expander }) => {
  const box = expander.querySelector("textarea");
  queueMicrotask(() => {
    box.removeAttribute("role");
    box.removeAttribute("aria-expanded");
  });
});

// Who types and presses Enter faster than the list comes means what it will offer, not the key and what is behind it.
on("keydown", async (event) => {
  const { key, target: box, code } = event;
  const expander = box.closest?.("text-expander");
  const hasModifier = event.shiftKey || event.ctrlKey || event.altKey || event.metaKey;
  if (key !== "Enter" || !expander?.awaited || hasModifier || isComposing(event)) return;
  event.preventDefault();
  event.stopPropagation();
  if (event.repeat) return;
  const text = box.value;
  await Promise.race([expander.awaited, pause(PATIENCE)]);
  expander.awaited = null;
  await pause(0); // until it is shown
  if (document.activeElement !== box || box.value !== text) return;
  box.dispatchEvent(new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true }));
});

// In Safari the Enter that ends a composition comes after it has ended.
on("keydown", (event) => {
  if (event.keyCode === 229 && event.target.closest?.("text-expander")) event.stopPropagation();
});
