// The state of what a form sends: shown at the form that starts a chat, for screen readers at the others.
import { copyOf, formOf, hasConversation, keyOf, placeOfError, placeOfState } from "../lib/forms.js";
import { outboxOf } from "../lib/outbox.js";
import { countDown, inTime } from "./countdown.js";

function show(form) {
  const outbox = outboxOf(keyOf(form));
  if (!hasConversation(outbox.key)) showStart(form, outbox);
  // Once per state, not per attempt: screen readers say it.
  const place = placeOfState(form);
  if ((place.dataset.unsent || "idle") === outbox.state) return;
  place.dataset.unsent = outbox.state;
  place.replaceChildren();
  const isSaidHere = outbox.state !== "stopped" || hasConversation(outbox.key);
  if (isSaidHere && form.querySelector(`[data-when=${outbox.state}]`)) place.append(copyOf(form, outbox.state));
  if (outbox.state === "limited") showLimit(place, outbox.limit);
}

// Screen readers say it once, not each second.
function showLimit(place, limit) {
  place.querySelector("[data-said]").textContent = inTime(limit);
  const counted = place.querySelector("[data-countdown]");
  if (counted) countDown(counted, limit);
}

function showStart(form, outbox) {
  form.toggleAttribute("data-sending", outbox.state === "sending");
  const error = placeOfError(form);
  if (outbox.state === "stopped" && !error.childElementCount) error.append(copyOf(form, "stopped"));
  if (outbox.state === "changed") error.replaceChildren(); // nothing to retry any more
}

function showAll() {
  for (const form of document.querySelectorAll("form[data-form]")) show(form);
}

document.addEventListener("sending:changed", ({ detail: outbox }) => {
  const form = formOf(outbox.key);
  if (form) show(form);
});
document.addEventListener("sending:started", ({ detail: outbox }) => {
  const form = formOf(outbox.key);
  if (form && !hasConversation(outbox.key)) placeOfError(form).replaceChildren();
});
document.addEventListener("sending:added", ({ detail: outbox }) => placeOfError(formOf(outbox.key)).replaceChildren());
document.addEventListener("htmx:after:swap", showAll); // a fragment does not know the outbox
showAll();
