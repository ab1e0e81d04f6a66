// The box to write in has the focus from the start: on the page that starts a chat, and for whoever has just started or
// ended one, as the form or button that had it is gone.
import { isShown } from "../lib/shown.js";

const cameFrom = document.referrer && new URL(document.referrer).pathname;
const form = document.querySelector("[data-after-start]");

// On a touch screen a keyboard would slide over the page.
function focus(box) {
  if (window.matchMedia("(pointer: fine)").matches) box?.focus();
}

const focusBox = () => focus(form.querySelector("[data-text]"));

if (form && cameFrom === window.location.pathname) focusBox();
if (form) {
  document.addEventListener("live:chat_state", () => {
    if (!isShown(document.activeElement)) focusBox();
  });
}
if (document.activeElement === document.body) focus(document.querySelector("[data-focus-first]"));
