// The socket of the page: says what is shown each time it opens, and looks over HTTP while it is not there.
import { fetchMissing, messageList, shownNote, shownSeq, timeOf } from "../lib/messages.js";

const SHOW_AFTER = 2000; // a short gap is nobody's business
const POLL_AFTER = 5000;
const POLL_EVERY = 3000;
const BACK_FOR = 2000;
const GIVEN_UP_AFTER = 10_000;
const ANSWER_AFTER = 1500;
const SILENT_AFTER = 45_000; // the server says every 20 seconds that it is there
const SIGNED_OUT = 4401;

const root = document.querySelector("[data-live]");
let connection = null; // of hx-ws; its socket is another one each time
let overdue = null;
// Of a clock that nobody sets back: silence and loss would not be noticed for as long. In some systems it stands still
// during sleep, and counts on after it: whoever wakes the computer looks at the page again, or its network comes back,
// and either has the page ask its socket at once (`wake`).
const now = () => performance.now();
let heardAt = now();
let lostSince = now();
let isPolling = false;

export function sayHello() {
  const list = messageList();
  if (!isOpen()) return;
  const after = list ? shownSeq(list) : 0;
  const { lang } = document.documentElement;
  const hello = { hello: true, lang, after, epoch: list?.dataset.epoch, at: list ? timeOf(list, after) : undefined };
  if (root.hasAttribute("data-desk")) {
    hello.agent = root.dataset.agent;
    hello.ticket = list ? Number(list.dataset.number) : 0;
    hello.after_note = list ? shownNote(list) : 0;
  }
  mark(false);
  connection.socket.send(JSON.stringify(hello));
}

const OPEN = 1; // WebSocket.OPEN, where there is no WebSocket
const isOpen = () => connection?.socket?.readyState === OPEN;

function onOpen(event) {
  heardAt = now();
  connection = event.detail.connection;
  sayHello();
}

// The page was hidden, asleep or without a network: what came in the meantime may be missing, and a socket that looks
// open may be dead.
function wake() {
  clearTimeout(overdue);
  if (isOpen()) {
    sayHello();
    overdue = setTimeout(comeBack, ANSWER_AFTER);
  } else {
    comeBack();
  }
}

// Has hx-ws open another socket soon, not after the rest of its wait, by telling it that this one has ended.
function comeBack() {
  const list = messageList();
  if (list) fetchMissing(list);
  if (!connection) return;
  clearTimeout(connection.timer);
  connection.attempt = 0;
  connection.socket?.dispatchEvent(new CloseEvent("close", { code: 1006 }));
}

function onFrame(event) {
  heardAt = now();
  if (typeof event.detail.message.data !== "string") return;
  const frame = JSON.parse(event.detail.message.data);
  if (!frame.event) return;
  event.preventDefault(); // nothing for htmx to swap in
  document.dispatchEvent(new CustomEvent(`live:${frame.event}`, { detail: frame }));
}

function onClose(event) {
  clearTimeout(overdue);
  mark(false);
  lostSince ??= now();
  if (event.detail.code === SIGNED_OUT) leave();
}

// A page that is being left, by its logout for one, goes where it is going.
let isLeft = false;

function leave() {
  if (isLeft) return;
  const here = window.location.pathname + window.location.search;
  if (root.hasAttribute("data-desk")) window.location.assign(`/agent/login?next=${encodeURIComponent(here)}`);
  else window.location.reload();
}

// Too much is missing to catch up. The newest page of the conversation has none of that.
function startAnew() {
  const address = new URL(window.location);
  address.searchParams.delete("before");
  address.hash = "";
  window.location.replace(address);
}

// The page says whether it is live, for whoever looks at it: styles, tests, a curious developer.
function mark(isLive) {
  document.documentElement.dataset.live = isLive ? "yes" : "no";
}

function onCaughtUp() {
  clearTimeout(overdue);
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
  if (isOpen() && now() - heardAt > SILENT_AFTER) {
    heardAt = now();
    comeBack();
  }
  if (lostSince === null) return;
  const gone = now() - lostSince;
  if (gone > SHOW_AFTER) showBar(isPolling ? "polling" : "lost");
}

async function poll() {
  const list = messageList();
  if (lostSince !== null && now() - lostSince > POLL_AFTER) {
    document.dispatchEvent(new CustomEvent("live:queue_changed"));
    if (list) isPolling = await fetchMissing(list);
    if (isPolling && isOpen()) sayHello(); // the browser takes itself for offline, and is not
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
  document.addEventListener("live:reset", startAnew);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake());
  document.addEventListener("resume", wake);
  window.addEventListener("offline", () => (lostSince ??= now()));
  window.addEventListener("online", wake);
  window.addEventListener("beforeunload", () => {
    isLeft = true;
    setTimeout(() => (isLeft = false), GIVEN_UP_AFTER);
  });
  document.addEventListener("live:chat_state", ({ detail }) => {
    root.dataset.status = detail.status;
  });
  setInterval(look, 500);
  setTimeout(poll, POLL_EVERY);
}
