import { ago, clockTime, duration, fullTime, moment, shortDate, since, stamp, timeIn } from "../lib/format.js";
import { word } from "../lib/words.js";

const MINUTE = 60_000;
const FORMATS = { time: clockTime, moment, date: shortDate, ago, stamp };

const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";

export function writeTimes(root = document) {
  for (const [name, format] of Object.entries(FORMATS)) {
    for (const element of root.querySelectorAll(`time[data-${name}]`)) {
      const date = new Date(element.dateTime);
      element.textContent = format(date);
      element.title = fullTime(date);
    }
  }
  for (const element of root.querySelectorAll("[data-local-time]")) {
    element.textContent = timeIn(element.dataset.localTime);
  }
  for (const element of root.querySelectorAll("[data-waits]")) writeWait(element);
  for (const input of root.querySelectorAll("[data-time-zone]")) input.value = ownZone();
  for (const place of root.querySelectorAll("[data-own-time-zone]")) place.textContent = ownZone() || place.textContent;
}

function writeWait(element) {
  const wait = Date.now() - new Date(element.dataset.waits);
  element.hidden = wait < MINUTE;
  element.dataset.level = wait >= 5 * MINUTE ? 2 : 1;
  element.textContent = word("waiting", { duration: duration(wait) });
}

const loaded = { at: Date.now() };

function writeAge() {
  const seconds = Math.round((Date.now() - loaded.at) / 1000);
  for (const element of document.querySelectorAll("[data-since-load]")) {
    element.dataset.sinceLoad ||= element.textContent; // "just now"
    element.textContent = seconds < 2 ? element.dataset.sinceLoad : since(seconds);
  }
}

writeTimes();
document.addEventListener("htmx:after:settle", (event) => {
  if (event.target.id === "status") loaded.at = Date.now();
  writeTimes(event.target.parentElement ?? document);
});
setInterval(() => writeTimes(), 15_000);
setInterval(writeAge, 1000);
