// The socket of the page: says what is shown each time it opens, and looks over HTTP while it is not there.
import { fetchMissing, messageList, shownNote, shownSeq } from "../lib/messages.js";

const SHOW_AFTER = 2000; // a short gap is nobody's business
const POLL_AFTER = 5000;
const POLL_EVERY = 3000;
const BACK_FOR = 2000;
const SIGNED_OUT = 4401;

const root = document.querySelector("[data-live]");
let socket = null;
let lostSince = Date.now();
let isPolling = false;

export function sayHello() {
  const list = messageList();
  if (socket?.readyState !== WebSocket.OPEN) return;
  const hello = { hello: true, after: list ? shownSeq(list) : 0 };
  if (root.hasAttribute("data-desk")) {
    hello.ticket = list ? Number(list.dataset.number) : 0;
    hello.after_note = list ? shownNote(list) : 0;
  }
  mark(false);
  socket.send(JSON.stringify(hello));
}

function onOpen(event) {
  socket = event.detail.connection.socket;
  sayHello();
}

function onFrame(event) {
  if (typeof event.detail.message.data !== "string") return;
  const frame = JSON.parse(event.detail.message.data);
  if (!frame.event) return;
  event.preventDefault(); // nothing for htmx to swap in
  document.dispatchEvent(new CustomEvent(`live:${frame.event}`, { detail: frame }));
}

function onClose(event) {
  socket = null;
  mark(false);
  lostSince ??= Date.now();
  if (event.detail.code === SIGNED_OUT) window.location.assign("/agent/login");
}

// The page says whether it is live, for whoever looks at it: styles, tests, a curious developer.
function mark(isLive) {
  document.documentElement.dataset.live = isLive ? "yes" : "no";
}

function onCaughtUp() {
  mark(true);
  const wasShown = bar() && !bar().hidden;
  lostSince = null;
  isPolling = false;
  if (wasShown) {
    showBar("back");
    setTimeout(() => lostSince === null && hideBar(), BACK_FOR);
  }
}

function look() {
  if (lostSince === null) return;
  const gone = Date.now() - lostSince;
  if (gone > SHOW_AFTER) showBar(isPolling ? "polling" : "lost");
}

async function poll() {
  const list = messageList();
  if (lostSince !== null && Date.now() - lostSince > POLL_AFTER) {
    document.dispatchEvent(new CustomEvent("live:queue_changed"));
    if (list) isPolling = await fetchMissing(list);
  }
  setTimeout(poll, POLL_EVERY);
}

const bar = () => document.querySelector("[data-connection]");

function showBar(state) {
  if (!bar()) return;
  bar().hidden = false;
  for (const name of ["lost", "polling", "back"]) {
    bar().querySelector(`[data-connection-${name}]`).hidden = name !== state;
  }
}

function hideBar() {
  if (bar()) bar().hidden = true;
}

if (root) {
  root.addEventListener("htmx:ws:after:connection", onOpen);
  root.addEventListener("htmx:ws:before:message:incoming", onFrame);
  root.addEventListener("htmx:ws:close", onClose);
  document.addEventListener("live:caught_up", onCaughtUp);
  document.addEventListener("live:reset", () => window.location.reload());
  document.addEventListener("live:chat_state", ({ detail }) => {
    root.dataset.status = detail.status;
  });
  setInterval(look, 500);
  setTimeout(poll, POLL_EVERY);
}
