// Says at the form what becomes of the message: that it is being sent, tried again, or that it has not been sent.
import { formOf, keyOf, placeOfError, placeOfState } from "../lib/forms.js";
import { lineOf } from "../lib/outbox.js";

function show(form) {
  const line = lineOf(keyOf(form));
  form.toggleAttribute("data-sending", line.state === "sending");
  const error = placeOfError(form);
  if (line.state === "stopped" && !error.childElementCount) error.append(copyOf(form, "stopped"));
  // Once for each state, not at each attempt: screen readers say it.
  const place = placeOfState(form);
  if ((place.dataset.state ?? "idle") === line.state) return;
  place.dataset.state = line.state;
  place.replaceChildren();
  if (form.querySelector(`[data-when=${line.state}]`) && line.state !== "stopped")
    place.append(copyOf(form, line.state));
}

const copyOf = (form, state) => form.querySelector(`[data-when=${state}]`).content.cloneNode(true);

function showAll() {
  for (const form of document.querySelectorAll("form[data-form]")) show(form);
}

document.addEventListener("sending:changed", ({ detail: line }) => {
  const form = formOf(line.key);
  if (form) show(form);
});
document.addEventListener("sending:started", ({ detail: line }) => {
  const form = formOf(line.key);
  if (form) placeOfError(form).replaceChildren();
});
// A fragment from the server knows nothing of what is under way here.
document.addEventListener("htmx:after:swap", showAll);
showAll();
