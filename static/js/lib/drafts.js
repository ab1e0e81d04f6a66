import { actsOf, recallActs, rememberActs, showActs } from "./acts.js";
import { keyOf, textOf } from "./forms.js";
import { recall, remember, remembered } from "./storage.js";
import { behind, tidied } from "./text.js";

const keptFields = (form) => form.querySelectorAll("[data-kept]");
const nameOfField = (form, field) => `${keyOf(form)}.${field.name}`;

export const hasDraft = (key) => Boolean(recall("draft", key) || recall("unsent", key));

export function setDraft(key, text, acts = []) {
  const isNew = rememberActs(key, acts);
  if ((recall("draft", key) ?? "") === text && !isNew) return;
  remember("draft", key, text);
  document.dispatchEvent(new CustomEvent("draft:changed", { detail: key }));
}

export function keep(form) {
  setDraft(keyOf(form), textOf(form).value, actsOf(form));
  for (const field of keptFields(form)) remember("draft", nameOfField(form, field), field.value);
}

export function restore(form) {
  const box = textOf(form);
  // What the server has may be older.
  if (recall("unsaved", keyOf(form))) box.value = recall("draft", keyOf(form)) ?? "";
  box.value ||= recall("draft", keyOf(form)) ?? "";
  if (recall("unsaved", keyOf(form)) || !actsOf(form).length) showActs(form, recallActs(keyOf(form)));
  for (const field of keptFields(form)) field.value ||= recall("draft", nameOfField(form, field)) ?? "";
}

// Removes a stored message from a draft, and leaves what was typed after it.
export function without(draft, text) {
  return behind(draft, text)?.trimStart() ?? draft;
}

export function forget(key, form, text) {
  for (const name of remembered("draft").filter((other) => other.startsWith(`${key}.`))) remember("draft", name, "");
  if (!form) {
    setDraft(key, without(recall("draft", key) ?? "", text));
    return;
  }
  textOf(form).value = without(textOf(form).value, text);
  setDraft(key, textOf(form).value, actsOf(form));
}

export function moveDraft(from, form, text = recall("draft", from)) {
  if (!text) return;
  textOf(form).value = tidied([textOf(form).value, text].join("\n"));
  setDraft(from, "");
  keep(form);
}
