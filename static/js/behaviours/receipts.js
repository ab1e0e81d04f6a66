// Tells the server how far this page has shown the conversation, and how far somebody has looked at it.
import { tell } from "../lib/http.js";
import { messageList, shownSeq } from "../lib/messages.js";
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
  if (!(await tell(list.dataset.receipts, { delivered, read, epoch: list.dataset.epoch }))) {
    said.delete(list); // said again with the next message, or once the socket is back
    return;
  }
  document.dispatchEvent(new CustomEvent("receipts:sent"));
}, 250);

document.addEventListener("timeline:added", say);
document.addEventListener("live:caught_up", say);
document.addEventListener("htmx:after:swap", say);
document.addEventListener("visibilitychange", say);
document.addEventListener("scroll", say, { capture: true, passive: true });
say();
