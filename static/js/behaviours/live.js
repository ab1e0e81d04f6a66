// The socket of the page. Says what is shown whenever it opens, and polls while it is closed.
// What other behaviours have to say goes the same way, and over HTTP while there is no socket.
import { pause } from "../lib/timing.js";
import { fetchMissing, messageList, shownNote, shownSeq, timeOf } from "../lib/messages.js";

const SHOW_AFTER = 2000; // nobody need know about a short gap
const POLL_AFTER = 5000;
const POLL_EVERY = 3000;
const BACK_FOR = 2000;
const GIVEN_UP_AFTER = 10_000;
const ANSWER_AFTER = 1500;
const SILENT_AFTER = 45_000; // the server sends something every 20 seconds
const SIGNED_OUT = 4401;
const OPEN = 1; // WebSocket.OPEN, where there is no WebSocket

const root = document.querySelector("[data-live]");
let connection = null; // of hx-ws, which replaces its socket each time
let overdue = null;
// Monotonic. On some systems it stops during sleep, so `wake` tests the socket at once.
const now = () => performance.now();
let heardAt = now();
let lostSince = now();
let isPolling = false;

export const isOpen = () => connection?.socket?.readyState === OPEN;
// Open, and the desk knows what the page shows.
export const isLive = () => isOpen() && document.documentElement.dataset.live === "yes";

function onOpen(event) {
  heardAt = now();
  connection = event.detail.connection;
  sayHello();
}

export function sayHello() {
  if (!isOpen()) return;
  mark(false);
  say(root.hasAttribute("data-desk") ? { ...hello(), ...deskHello() } : hello());
}

export function tellView(view) {
  if (isOpen()) say({ view });
}

export const say = (message) => connection.socket.send(JSON.stringify(message));

function hello() {
  const list = messageList();
  const after = list ? shownSeq(list) : 0;
  const { lang } = document.documentElement;
  return { hello: true, lang, after, epoch: list?.dataset.epoch, at: list ? timeOf(list, after) : undefined };
}

function deskHello() {
  const list = messageList();
  const ticket = list ? Number(list.dataset.number) : 0;
  return { agent: root.dataset.agent, view: root.dataset.queueView, ticket, after_note: list ? shownNote(list) : 0 };
}

function onCaughtUp() {
  clearTimeout(overdue);
  mark(true);
  const wasShown = bar() && !bar().hidden;
  lostSince = null;
  isPolling = false;
  if (!wasShown) return;
  showBar("back");
  setTimeout(() => lostSince === null && hideBar(), BACK_FOR);
}

// For tests, and for whoever looks at the page.
function mark(isLive) {
  document.documentElement.dataset.live = isLive ? "yes" : "no";
}

function onFrame(event) {
  heardAt = now();
  if (typeof event.detail.message.data !== "string") return;
  const frame = JSON.parse(event.detail.message.data);
  if (frame.marks) announce("queue_marks", frame);
  else if (frame.event) announce(frame.event, frame);
  if (frame.event) event.preventDefault(); // nothing for htmx to swap in
}

const announce = (name, detail) => document.dispatchEvent(new CustomEvent(`live:${name}`, { detail }));

// Too much is missing to catch up.
function loadNewest() {
  const address = new URL(window.location);
  address.searchParams.delete("before");
  address.searchParams.delete("at");
  address.hash = "";
  window.location.replace(address);
}

function onClose(event) {
  clearTimeout(overdue);
  mark(false);
  lostSince ??= now();
  if (event.detail.code === SIGNED_OUT) leave();
}

// A customer's key has been changed, or is none any more. Its page waits for whoever is about to give it another one, and for the
// cookie that comes with that answer, also when another tab has asked.
const REPLACED_AFTER = 500;
let staying = null;
export function stayWhile(promise) {
  staying = promise;
  return promise;
}

let isLeft = false; // the page is going elsewhere already, after a logout say

async function leave() {
  if (isLeft) return;
  const here = window.location.pathname + window.location.search;
  if (root.hasAttribute("data-desk")) window.location.assign(`/agent/login?next=${encodeURIComponent(here)}`);
  else {
    await Promise.all([staying, pause(REPLACED_AFTER)]);
    window.location.reload();
  }
}

// The page was hidden, asleep or offline: frames may be missing, and a socket that looks open may be dead.
function wake() {
  clearTimeout(overdue);
  if (isOpen()) {
    sayHello();
    overdue = setTimeout(reconnect, ANSWER_AFTER);
  } else {
    reconnect();
  }
}

// hx-ws 4.0.1 has no call to reconnect, and a browser takes many seconds to report that a dead socket has closed: we report
// it ourselves, and reset the backoff.
function reconnect() {
  const list = messageList();
  if (list) fetchMissing(list);
  if (!connection) return;
  clearTimeout(connection.timer);
  connection.attempt = 0;
  connection.socket?.dispatchEvent(new CloseEvent("close", { code: 1006 }));
}

function watch() {
  if (isOpen() && now() - heardAt > SILENT_AFTER) {
    heardAt = now();
    reconnect();
  }
  if (lostSince !== null && now() - lostSince > SHOW_AFTER) showBar(isPolling ? "polling" : "lost");
}

async function poll() {
  const list = messageList();
  if (lostSince !== null && now() - lostSince > POLL_AFTER) {
    document.dispatchEvent(new CustomEvent("live:queue_changed"));
    if (list) isPolling = await fetchMissing(list);
    if (isPolling && isOpen()) sayHello(); // the browser believes it is offline, and is not
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
  document.addEventListener("live:reset", loadNewest);
  document.addEventListener("live:chat_state", ({ detail: { status, banned } }) => {
    root.dataset.status = status;
    root.toggleAttribute("data-banned", banned);
  });
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake());
  document.addEventListener("resume", wake);
  window.addEventListener("offline", () => (lostSince ??= now()));
  window.addEventListener("online", wake);
  window.addEventListener("beforeunload", () => {
    isLeft = true;
    setTimeout(() => (isLeft = false), GIVEN_UP_AFTER);
  });
  setInterval(watch, 500);
  setTimeout(poll, POLL_EVERY);
}
