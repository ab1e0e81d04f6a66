// The queue stands where it was when somebody comes back to it, from a ticket on a phone or after a reload.
import { recall, remember } from "../lib/storage.js";

const queue = document.querySelector("[data-queue]");
const view = () => queue.querySelector("[data-view][aria-current]")?.dataset.view ?? "";

if (queue) {
  queue.scrollTop = Number(recall("scroll", view()) ?? 0);
  queue.addEventListener("scroll", () => remember("scroll", view(), String(queue.scrollTop)), { passive: true });
}
