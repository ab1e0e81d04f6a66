import { keyOf } from "../lib/forms.js";
import { allOutboxes, outboxOf } from "../lib/outbox.js";
import { dropOldPictures } from "../lib/pictures.js";
import { remembered } from "../lib/storage.js";
import { attempt, settle } from "./sending.js";

// Patience also runs out while a computer sleeps, and stops a message that was hardly tried.
function tryAll() {
  for (const outbox of allOutboxes()) {
    if (outbox.first?.isStopped) outbox.restart(outbox.first);
    attempt(outbox);
  }
}

window.addEventListener("online", tryAll);
document.addEventListener("live:caught_up", tryAll);
document.addEventListener("click", (event) => {
  const form = event.target.closest("[data-try-now]")?.form;
  if (form) attempt(outboxOf(keyOf(form)));
});

// The form that starts a chat sends only its own message: anything else would reopen the chat that has ended.
function resume() {
  const shown = [...document.querySelectorAll("form[data-form]")].map(keyOf);
  const others = document.querySelector("[data-live]") ? remembered("unsent") : [];
  const outboxes = [...new Set([...shown, ...others])].map(outboxOf);
  settle(document.querySelectorAll("[data-client-id]"));
  for (const outbox of outboxes) {
    attempt(outbox);
    outbox.announce();
  }
}

resume();
dropOldPictures();
