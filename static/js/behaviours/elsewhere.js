// The tab of a chat counts the messages that have come while somebody looks elsewhere. The desk has a count of its own.

let unseen = 0;

function count(messages) {
  unseen = messages;
  const title = document.title.replace(/^\(\d+\) /, "");
  document.title = unseen ? `(${unseen}) ${title}` : title;
}

if (!document.querySelector("[data-desk]")) {
  document.addEventListener("timeline:added", ({ detail }) => document.hidden && count(unseen + detail.theirs));
  document.addEventListener("visibilitychange", () => !document.hidden && count(0));
}
