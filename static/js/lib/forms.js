export const isForm = (element) => Boolean(element?.matches?.("form[data-form]"));
export const formWith = (element) => element?.closest?.("form[data-form]");
export const textOf = (form) => form.querySelector("[data-text]");
export const keyOf = (form) => form.dataset.draft;
export const formOf = (key) => document.querySelector(`form[data-draft="${CSS.escape(key)}"]`);
export const placeOfError = (form) => document.getElementById(`${form.id}-error`);
export const placeOfState = (form) => form.querySelector("[data-unsent]");

// The form that starts a chat has none yet: its box keeps the text until the chat exists.
export const hasConversation = (key) => key !== "start";

export const copyOf = (form, state) => form.querySelector(`[data-when=${state}]`).content.cloneNode(true);

export function showRefusal(form, sentence, code) {
  const hasOwn = code && form.querySelector(`[data-when="${CSS.escape(code)}"]`);
  const copy = copyOf(form, hasOwn ? code : "refused");
  copy.querySelector("span").textContent = sentence;
  placeOfError(form).replaceChildren(copy);
}
