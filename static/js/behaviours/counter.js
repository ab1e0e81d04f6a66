import { formWith, textOf } from "../lib/forms.js";
import { tidied } from "../lib/text.js";
import { debounce } from "../lib/timing.js";
import { formatNumber, word } from "../lib/words.js";

const MOST = 8000;
const SHOW_FROM = 7500;

// Code points, as the server counts, not UTF-16 units.
const lengthOf = (text) => (text.length < SHOW_FROM ? 0 : [...tidied(text)].length);

function count(form) {
  const counter = form.querySelector("[data-counter]");
  if (!counter) return;
  const length = lengthOf(textOf(form).value);
  counter.hidden = length < SHOW_FROM;
  counter.toggleAttribute("data-over", length > MOST);
  counter.querySelector("[data-counter-shown]").textContent = counter.hidden ? "" : written("length", length);
  counter.dataset.said = written(length > MOST ? "tooLongSaid" : "lengthSaid", length);
}

const written = (name, length) => word(name, { length: formatNumber(length), most: formatNumber(MOST) });

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
