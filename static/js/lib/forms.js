// The forms in which somebody writes: chat, reply, note, and the one that starts a chat.

export const isForm = (element) => Boolean(element?.matches?.("form[data-form]"));
export const formWith = (element) => element?.closest?.("form[data-form]");
export const textOf = (form) => form.querySelector("[data-text]");
export const keyOf = (form) => form.dataset.draft;
export const formOf = (key) => document.querySelector(`form[data-draft="${CSS.escape(key)}"]`);
export const placeOfError = (form) => document.getElementById(`${form.id}-error`);
export const placeOfState = (form) => form.querySelector("[data-unsent]");
