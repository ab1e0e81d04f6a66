// What is to happen to a ticket once a reply is sent: boxes of the composer, each with a name, a value and a label.
import { recall, remember } from "./storage.js";

const place = (form) => form.querySelector("[data-acts]");

export function readActs(element) {
  const boxes = [...(element?.querySelectorAll("label:has(input[type=checkbox]:checked)") ?? [])];
  return boxes.map((box) => {
    const { name, value } = box.querySelector("input");
    return { name, value, label: box.querySelector("span").textContent };
  });
}

export const actsOf = (form) => readActs(place(form));

export const recallActs = (key) => JSON.parse(recall("acts", key) || "[]");

// Whether they are other ones than before.
export function rememberActs(key, acts) {
  const text = acts.length ? JSON.stringify(acts) : "";
  if ((recall("acts", key) ?? "") === text) return false;
  remember("acts", key, text);
  return true;
}

export function showActs(form, acts) {
  if (!place(form)) return; // of a note
  place(form).replaceChildren(...acts.map(boxOf));
}

// A box takes the place of one for the same.
export function addActs(form, acts) {
  const names = acts.map(({ name }) => name);
  showActs(form, [...actsOf(form).filter(({ name }) => !names.includes(name)), ...acts]);
}

function boxOf({ name, value, label }) {
  const box = document.querySelector("template[data-saved-act]").content.firstElementChild.cloneNode(true);
  Object.assign(box.querySelector("input"), { name, value });
  box.querySelector("span").textContent = label;
  return box;
}
