// Read receipts, and the number of unread messages in the title of a chat; the desk has its own.
import { isSeen } from "../lib/embedding.js";
import { tell } from "../lib/http.js";
import { messageList, seqOf, shownSeq } from "../lib/messages.js";
import { hearTabs, tellTabs } from "../lib/tabs.js";
import { debounce } from "../lib/timing.js";
import { isLive, isOpen, say } from "./live.js";

const said = new WeakMap();

const sendReceipts = debounce(async () => {
  const list = messageList();
  if (!list || (isOpen() && !isLive())) return; // it will have caught up in a moment
  const before = said.get(list) ?? { delivered: 0, read: 0 };
  const now = receiptsOf(list, before);
  if (now.delivered === before.delivered && now.read === before.read) return;
  said.set(list, now);
  const receipt = { ...now, epoch: list.dataset.epoch };
  if (isLive()) say({ receipt });
  else if (!(await tell(list.dataset.receipts, receipt))) said.delete(list); // sent again with the next message
}, 250);

// The process that was told last may have had no time to write it.
function sayAgain() {
  const list = messageList();
  if (list) said.delete(list);
  sendReceipts();
}

// Only what the other side has written has ticks there.
function receiptsOf(list, before) {
  const shown = shownSeq(list);
  const theirs = [...list.querySelectorAll(".message--theirs")].map(seqOf);
  const delivered = theirs.findLast((seq) => seq <= shown) ?? 0;
  const isVisible = document.visibilityState === "visible" && isSeen();
  const isRead = isVisible && list.closest("[data-timeline]").hasAttribute("data-at-end");
  return { delivered, read: isRead ? delivered : before.read };
}

document.addEventListener("live:caught_up", sayAgain);
for (const name of ["timeline:added", "htmx:after:swap", "visibilitychange", "embedded:opened"]) {
  document.addEventListener(name, sendReceipts);
}
document.addEventListener("scroll", sendReceipts, { capture: true, passive: true });
sendReceipts();

let unseen = 0;

const isLookedAt = () => !document.hidden && document.hasFocus();

function count(messages) {
  unseen = messages;
  const title = document.title.replace(/^\(\d+\) /, "");
  document.title = unseen ? `(${unseen}) ${title}` : title;
}

function onAdded({ detail }) {
  if (isLookedAt()) return onLook();
  count(unseen + detail.theirs);
  tellTabs("came", messageList().dataset.number); // the visible tab may have had it before
}

function onLook() {
  if (!isLookedAt()) return;
  count(0);
  tellTabs("read", messageList().dataset.number);
}

if (messageList() && !document.querySelector("[data-desk]")) {
  document.addEventListener("timeline:added", onAdded);
  document.addEventListener("visibilitychange", onLook);
  window.addEventListener("focus", onLook);
  hearTabs("came", (number) => number === messageList().dataset.number && onLook());
  hearTabs("read", (number) => number === messageList().dataset.number && count(0));
}
