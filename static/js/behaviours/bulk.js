// Tickets that are chosen in the queue: how many, and what was done with them.
import { countWord } from "../lib/words.js";

const form = document.querySelector("[data-bulk]");
const picks = () => [...document.querySelectorAll("[data-pick]:checked")];

function count() {
  const chosen = picks().length;
  form.toggleAttribute("data-any", chosen > 0);
  form.querySelector("[data-bulk-count]").textContent = chosen ? countWord("chosen", chosen) : "";
}

function chooseNone() {
  for (const pick of picks()) pick.checked = false;
  for (const menu of form.querySelectorAll("details[open]")) menu.open = false;
  count();
}

if (form) {
  document.addEventListener("change", ({ target }) => target.matches("[data-pick]") && count());
  document.addEventListener("htmx:after:swap", () => {
    if (document.querySelector("[data-bulk-done]:not([data-seen])")) {
      document.querySelector("[data-bulk-done]").dataset.seen = "";
      chooseNone();
    } else count();
  });
  form.querySelector("[data-bulk-none]").addEventListener("click", () => {
    chooseNone();
    document.getElementById("queue").focus({ preventScroll: true });
  });
  const onEscape = (event) => {
    if (event.key === "Escape" && picks().length && !document.querySelector("dialog[open], details.menu[open]"))
      chooseNone();
  };
  document.addEventListener("keydown", onEscape, true); // before the key has closed a menu
  window.addEventListener("pageshow", count);
}
