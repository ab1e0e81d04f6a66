// An error goes as soon as somebody changes the field that it is about.
import { placeOfError } from "../lib/forms.js";

function clear(field) {
  field.removeAttribute("aria-invalid");
  field.removeAttribute("aria-describedby");
}

// An error of the whole form goes with any change, unless it is about another field.
function onMend({ target }) {
  const { form } = target;
  if (!form?.id) return;
  const place = placeOfError(form);
  const wrong = [...form.querySelectorAll("[aria-invalid]")];
  const isAbout = (field) => (field.getAttribute("aria-describedby") ?? "").split(" ").includes(place?.id);
  const isPicture = target.type === "file" && target.files.length > 0;
  for (const field of wrong) {
    if (field !== target && !(isPicture && isAbout(field))) continue;
    document.getElementById(`${field.name}-error`)?.remove();
    if (isAbout(field)) place.replaceChildren();
    clear(field);
  }
  if (place && target.type !== "file" && !wrong.some(isAbout)) place.replaceChildren();
}

document.addEventListener("input", onMend);
document.addEventListener("change", (event) => event.target.type === "file" && onMend(event));
