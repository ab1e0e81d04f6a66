// Whoever has just started a chat goes on writing: the focus moves from the form that is gone into the box of the chat.
import { recall, remember } from "../lib/storage.js";

document.addEventListener("composer:sent", ({ target }) => {
  if (target.id === "start") remember("started", "chat", "yes");
});

const form = document.querySelector("[data-after-start]");
if (form && recall("started", "chat")) {
  remember("started", "chat", "");
  // On a touch screen a keyboard would slide over the conversation.
  if (window.matchMedia("(pointer: fine)").matches) form.querySelector("[data-text]").focus();
}
