// New rows above what is shown: how many, and the way to them.
import { countWord, formatNumber } from "../lib/words.js";

const queue = document.getElementById("queue");
const jump = document.querySelector("[data-queue-jump]");
const NEAR = 40; // pixels from the beginning
let above = 0;

function show(count) {
  above = count;
  jump.hidden = !above;
  if (above)
    jump.querySelector("[data-queue-jump-text]").textContent = countWord("new", above, { count: formatNumber(above) });
}

export function noteArrival(row) {
  if (queue.scrollTop < NEAR) return;
  if (row.getBoundingClientRect().top < queue.getBoundingClientRect().top) show(above + 1);
}

if (jump) {
  queue.addEventListener("scroll", () => queue.scrollTop < NEAR && show(0), { passive: true });
  jump.addEventListener("click", () => {
    queue.scrollTop = 0;
    queue.querySelector("[data-row] a")?.focus({ preventScroll: true });
  });
}
