import { formWith, textOf } from "../lib/forms.js";
import { tidied } from "../lib/text.js";
import { debounce } from "../lib/timing.js";
import { formatNumber, word } from "../lib/words.js";

const SHOWN_FROM = 500; // characters before the limit

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
  counter.querySelector("[data-counter-shown]").textContent = counter.hidden ? "" : written("length", length, limit);
  counter.dataset.said = written(length > limit ? "tooLongSaid" : "lengthSaid", length, limit);
}

const written = (name, length, most) => word(name, { length: formatNumber(length), most: formatNumber(most) });

function countAll() {
  for (const form of document.querySelectorAll("form[data-form]")) count(form);
}

// Read out in a pause, not at each key.
const say = debounce(() => {
  for (const counter of document.querySelectorAll("[data-counter]")) {
    const said = counter.querySelector("[data-counter-said]");
    const sentence = counter.hidden ? "" : counter.dataset.said;
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
