// Says at the form what becomes of what it sends: for the one that starts a chat all of it; for the others what stands at
// their messages is said here for who does not see it.
import { copyOf, formOf, hasConversation, keyOf, placeOfError, placeOfState } from "../lib/forms.js";
import { lineOf } from "../lib/outbox.js";

function show(form) {
  const line = lineOf(keyOf(form));
  if (!hasConversation(line.key)) showStart(form, line);
  // Once for each state, not at each attempt: screen readers say it.
  const place = placeOfState(form);
  if ((place.dataset.state ?? "idle") === line.state) return;
  place.dataset.state = line.state;
  place.replaceChildren();
  const isSaidHere = line.state !== "stopped" || hasConversation(line.key);
  if (isSaidHere && form.querySelector(`[data-when=${line.state}]`)) place.append(copyOf(form, line.state));
}

function showStart(form, line) {
  form.toggleAttribute("data-sending", line.state === "sending");
  const error = placeOfError(form);
  if (line.state === "stopped" && !error.childElementCount) error.append(copyOf(form, "stopped"));
  if (line.state === "changed") error.replaceChildren(); // there is nothing to retry any more
}

function showAll() {
  for (const form of document.querySelectorAll("form[data-form]")) show(form);
}

document.addEventListener("sending:changed", ({ detail: line }) => {
  const form = formOf(line.key);
  if (form) show(form);
});
document.addEventListener("sending:started", ({ detail: line }) => {
  const form = formOf(line.key);
  if (form && !hasConversation(line.key)) placeOfError(form).replaceChildren();
});
document.addEventListener("sending:added", ({ detail: line }) => placeOfError(formOf(line.key)).replaceChildren());
// A fragment from the server knows nothing of what is under way here.
document.addEventListener("htmx:after:swap", showAll);
showAll();
