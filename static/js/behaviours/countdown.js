// A sentence that says how long something takes, and counts it down. `data-blocks` keeps the form from being sent until then.
import { waitOf } from "../lib/format.js";
import { fill } from "../lib/words.js";

const counted = new Map(); // what is counted, by the element that says it

export const inTime = ({ reason, until }) => fill(reason, { time: waitOf(until - Date.now()) });

export function countDown(element, limit) {
  counted.set(element, limit);
  element.textContent = inTime(limit);
}

function tick() {
  for (const [element, limit] of counted) {
    if (!element.isConnected) counted.delete(element);
    else if (limit.until > Date.now()) element.textContent = inTime(limit);
    else end(element);
  }
}

function end(element) {
  counted.delete(element);
  if (!element.hasAttribute("data-blocks")) return;
  block(element.closest("form"), false);
  element.parentElement.replaceChildren();
}

function block(form, isBlocked) {
  for (const button of form.querySelectorAll("button")) button.disabled = isBlocked;
}

for (const element of document.querySelectorAll("[data-countdown][data-says]")) {
  const { countdown, says } = element.dataset;
  if (element.hasAttribute("data-blocks")) block(element.closest("form"), true);
  countDown(element, { reason: says, until: Date.now() + Number(countdown) * 1000 });
}
setInterval(tick, 500);
