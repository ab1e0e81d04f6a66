import { dayName, isSameDay } from "../lib/format.js";
import { word } from "../lib/words.js";
import { writeTimes } from "./times.js";

export function decorate(list, items = [...list.children]) {
  writeDays(list);
  writeReceipts(list);
  for (const item of items) {
    writeTimes(item);
    enlargeEmoji(item);
  }
}

function writeDays(list) {
  let before = null;
  for (const item of list.querySelectorAll("[data-seq]")) {
    const date = new Date(item.querySelector("time").dateTime);
    const day = item.querySelector("[data-day]");
    day.hidden = before !== null && isSameDay(before, date);
    if (!day.hidden) day.textContent = dayName(date);
    before = date;
  }
}

export function writeReceipts(list) {
  const delivered = Number(list.dataset.delivered);
  const read = Number(list.dataset.read);
  for (const state of list.querySelectorAll("[data-state]")) {
    const seq = Number(state.closest("[data-seq]").dataset.seq);
    const text = word(seq <= read ? "read" : seq <= delivered ? "delivered" : "sent");
    if (state.textContent !== text) state.textContent = text;
  }
}

const PART = "\\p{Extended_Pictographic}[\\ufe0f\\p{Emoji_Modifier}]*";
const ONE = `(?:\\p{Regional_Indicator}{2}|${PART}(?:\\u200d${PART})*)`;
const FEW = new RegExp(`^(?:${ONE}\\s*){1,3}$`, "u");
const MOST_CODE_UNITS = 60; // one family emoji has up to 25

export function enlargeEmoji(item) {
  const bubble = item.querySelector(".bubble");
  const text = bubble?.textContent.trim();
  if (text && text.length <= MOST_CODE_UNITS && FEW.test(text)) bubble.dataset.emoji = "";
}
