import { hasMouse, isShown } from "../lib/browser.js";
import { isFramed } from "../lib/embedding.js";

const REFRESH_EVERY = 60_000;
const people = document.querySelector("[data-people]");
const form = document.querySelector("[data-after-start]");
const isFromHere = document.referrer && new URL(document.referrer).pathname === window.location.pathname;

function refreshPeople() {
  if (document.visibilityState === "visible") htmx.trigger(people, "look");
}

// On a touch screen the keyboard would cover the page.
function focus(box) {
  if (hasMouse()) box?.focus();
}

const focusBox = () => focus(form.querySelector("[data-text]"));

// After the start or the end of a chat, what had the focus is gone.
if (form && isFromHere) focusBox();
if (form) {
  document.addEventListener("live:chat_state", () => {
    if (!isShown(document.activeElement)) focusBox();
  });
}
// A frame must not take the focus from the page around it: embedded.js gives it to the box when the widget is opened.
if (document.activeElement === document.body && !isFramed) focus(document.querySelector("[data-focus-first]"));
if (people) {
  setInterval(refreshPeople, REFRESH_EVERY);
  document.addEventListener("visibilitychange", refreshPeople);
}
