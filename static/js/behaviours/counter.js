import { formWith, textOf } from "../lib/forms.js";
import { tidied } from "../lib/text.js";
import { debounce } from "../lib/timing.js";

const SHOWN_FROM = 500; // characters before the limit

const format = new Intl.NumberFormat("en");

// Code points, as the server counts, not UTF-16 units.
const lengthOf = (text) => [...tidied(text)].length;

function count(form) {
  const counter = form.querySelector("[data-counter]");
  if (!counter) return;
  const limit = Number(counter.dataset.counter);
  const text = textOf(form).value;
  const length = text.length < limit - SHOWN_FROM ? 0 : lengthOf(text);
  counter.hidden = length < limit - SHOWN_FROM;
  counter.toggleAttribute("data-over", length > limit);
  counter.querySelector("[data-counter-shown]").textContent = counter.hidden
    ? ""
    : `${format.format(length)} of ${format.format(limit)}`;
}

function countAll() {
  for (const form of document.querySelectorAll("form[data-form]")) count(form);
}

// Read out in a pause, not at each key.
const say = debounce(() => {
  for (const counter of document.querySelectorAll("[data-counter]")) {
    const text = counter.querySelector("[data-counter-shown]").textContent;
    const said = counter.querySelector("[data-counter-said]");
    const sentence = text && `${text} characters${counter.hasAttribute("data-over") ? ", too long to send" : ""}`;
    if (said.textContent !== sentence) said.textContent = sentence;
  }
}, 1000);

document.addEventListener("input", (event) => {
  const form = formWith(event.target.closest?.("[data-text]"));
  if (!form) return;
  count(form);
  say();
});
document.addEventListener("composer:sent", ({ target }) => count(target));
document.addEventListener("htmx:after:swap", countAll);
countAll();
