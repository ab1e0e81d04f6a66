// Tells the server how far this page has shown the conversation, and how far somebody has looked at it.
import { messageList, post, shownSeq } from "../lib/messages.js";
import { debounce } from "../lib/timing.js";

const said = new WeakMap();

const say = debounce(async () => {
  const list = messageList();
  if (!list) return;
  const before = said.get(list) ?? { delivered: 0, read: 0 };
  const delivered = shownSeq(list);
  const isLookedAt =
    document.visibilityState === "visible" && list.closest("[data-timeline]").hasAttribute("data-at-end");
  const read = isLookedAt ? delivered : before.read;
  if (delivered === before.delivered && read === before.read) return;
  said.set(list, { delivered, read });
  await post(list.dataset.receipts, { delivered, read });
  document.dispatchEvent(new CustomEvent("receipts:sent"));
}, 250);

document.addEventListener("timeline:added", say);
document.addEventListener("htmx:after:swap", say);
document.addEventListener("visibilitychange", say);
document.addEventListener("scroll", say, { capture: true, passive: true });
say();
