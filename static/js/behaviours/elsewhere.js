// The tab of a chat counts the messages that have come while somebody looks elsewhere: at another tab, another window, or
// another program. What is read in one tab of a browser counts in none. The desk has a count of its own.
import { messageList } from "../lib/messages.js";
import { hearTabs, tellTabs } from "../lib/tabs.js";

let unseen = 0;

const isLookedAt = () => !document.hidden && document.hasFocus();

function count(messages) {
  unseen = messages;
  const title = document.title.replace(/^\(\d+\) /, "");
  document.title = unseen ? `(${unseen}) ${title}` : title;
}

function onLook() {
  if (!isLookedAt()) return;
  count(0);
  tellTabs("read", messageList().dataset.number);
}

if (messageList() && !document.querySelector("[data-desk]")) {
  document.addEventListener("timeline:added", ({ detail }) => {
    if (isLookedAt()) return onLook();
    count(unseen + detail.theirs);
    tellTabs("came", messageList().dataset.number); // the one that is looked at may have had it before
  });
  document.addEventListener("visibilitychange", onLook);
  window.addEventListener("focus", onLook);
  hearTabs("came", (number) => number === messageList().dataset.number && onLook());
  hearTabs("read", (number) => number === messageList().dataset.number && count(0));
}
