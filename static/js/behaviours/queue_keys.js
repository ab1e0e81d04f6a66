// J and K, and arrows in the queue, go from one ticket to the next.
import { isShown } from "../lib/browser.js";
import { isField } from "../lib/fields.js";

const queue = document.getElementById("queue");
const linkOf = (row) => row.querySelector("[data-open]");
const rowsOf = () => [...queue.querySelectorAll("[data-row]")].filter((row) => !row.closest("[hidden]"));

export function step(by) {
  const rows = rowsOf();
  const focused = document.activeElement.closest("[data-row]");
  const at = rows.indexOf(focused ?? queue.querySelector("[data-chosen]"));
  if (at < 0) go(rows.at(by > 0 ? 0 : -1));
  else go(rows[at + by]);
}

// On a phone the queue is not beside its ticket: the next one opens.
function go(row) {
  if (!row) return;
  if (isShown(row)) linkOf(row).focus();
  else linkOf(row).click();
}

const STEPS = { ArrowDown: 1, ArrowUp: -1 };

queue?.addEventListener("keydown", (event) => {
  const { key, target } = event;
  const hasModifier = event.ctrlKey || event.metaKey || event.altKey || event.shiftKey;
  if (hasModifier || isField(target) || !(key in STEPS || ["Home", "End"].includes(key))) return;
  event.preventDefault();
  if (key in STEPS) step(STEPS[key]);
  else go(rowsOf().at(key === "Home" ? 0 : -1));
});
