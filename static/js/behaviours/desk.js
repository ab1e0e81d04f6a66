// The agents' desk: a queue that follows what happens, one open ticket, and the customer beside it.
import { hasDraft } from "../lib/drafts.js";
import { messageList } from "../lib/messages.js";
import { watchPointer } from "../lib/pointer.js";
import { isShown } from "../lib/shown.js";
import { throttle } from "../lib/timing.js";
import { sayHello } from "./live.js";

const desk = document.querySelector("[data-desk]");
const title = document.title.replace(/^#\d+ · /, "");

const refreshQueue = throttle(() => htmx.trigger("#queue", "refresh"), 400);
const openTicket = () => messageList()?.dataset.number ?? "";
const notice = document.getElementById("notice");

function markRows() {
  const number = openTicket();
  let unread = 0;
  for (const row of desk.querySelectorAll("[data-row]")) {
    const isOpen = row.dataset.row === number;
    row.toggleAttribute("data-chosen", isOpen);
    markCurrent(row.querySelector("a"), isOpen);
    row.querySelector("[data-draft-mark]").hidden = isOpen || !isWrittenIn(row.dataset.row);
    unread += Number(row.querySelector("[data-unread]")?.dataset.unread ?? 0);
  }
  sayMore(unread);
  document.title = [unread && `(${unread})`, number && `#${number} ·`, title].filter(Boolean).join(" ");
}

// For who does not see the queue: what has come to be more in it.
let before = null;

function sayMore(unread) {
  const unassigned = Number(document.querySelector("#view-unassigned .tab__count").textContent);
  const news = [];
  if (before && unread > before.unread) news.push(`${unread} unread`);
  if (before && unassigned > before.unassigned) news.push(`${unassigned} unassigned`);
  if (news.length) desk.querySelector("[data-queue-news]").textContent = news.join(", ");
  before = { unread, unassigned };
}

function markCurrent(link, isOpen) {
  if (isOpen) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
}

const isWrittenIn = (number) => ["reply", "note"].some((mode) => hasDraft(`${mode}-${number}`));

function onTicketShown() {
  desk.toggleAttribute("data-ticket-open", Boolean(openTicket()));
  desk.removeAttribute("data-drawer-open");
  markRows();
  sayHello();
  moveFocus();
}

// Into the box to write in, if there is one and no keyboard slides up for it; else to where the ticket begins.
function moveFocus() {
  const box = window.matchMedia("(pointer: fine)").matches && document.getElementById("reply-text");
  const place = box && isShown(box) ? box : desk.querySelector("[data-ticket-title]");
  place?.focus({ preventScroll: true });
}

// Close, Claim and the like take away the button that was pressed, and the focus with it.
const hasFocus = () => document.getElementById("ticket").contains(document.activeElement);

function keepFocus({ ctx }) {
  if (ctx.hadFocus && document.activeElement === document.body) moveFocus();
}

// A reload shows the queue in the same view.
function keepView(view) {
  const address = new URL(window.location);
  address.search = searchFor(view, address.searchParams.get("ticket"));
  window.history.replaceState(window.history.state, "", address);
}

// How many rows somebody has asked for.
const rowsIn = (address) => new URLSearchParams(address.search).get("rows") ?? "";

function searchFor(view, ticket) {
  const values = new URLSearchParams();
  if (view !== "mine") values.set("view", view);
  if (ticket) values.set("ticket", ticket);
  return values.toString();
}

// What a notice says was the answer to something that somebody did: it stays until they do the next thing. Requests that
// the page makes by itself leave it.
function clearNotice(event) {
  if (event.type === "submit" || event.detail.ctx.sourceEvent?.type === "click") notice.replaceChildren();
}

// Another ticket has been opened while this was on its way. The page catches up when it shows that ticket again.
function dropForAnotherTicket(event) {
  const { data } = event.detail.message;
  const { target } = typeof data === "string" ? JSON.parse(data) : {};
  if (target && !document.querySelector(target)) event.preventDefault();
}

function showDrawer(open) {
  desk.toggleAttribute("data-drawer-open", open);
  desk.querySelector("[data-drawer]")?.setAttribute("aria-expanded", String(open));
}

function toggleDrawer(open) {
  showDrawer(open);
  desk.querySelector(open ? "[data-drawer-close]" : "[data-drawer]")?.focus();
}

// A new row would push another one under the pointer, and the click would open that.
function holdQueue() {
  const queue = document.getElementById("queue");
  let isDue = false;
  const isPointedAt = watchPointer(queue, "[data-row]", () => {
    if (isDue) refreshQueue();
    isDue = false;
  });
  const hold = (event) => {
    if (event.target !== queue || !isPointedAt()) return;
    isDue = true;
    event.preventDefault();
  };
  queue.addEventListener("htmx:before:request", hold);
  queue.addEventListener("htmx:before:swap", hold); // asked for before somebody pointed
}

function start() {
  let view = desk.querySelector("[data-view][aria-current]")?.dataset.view ?? "mine";
  let rows = rowsIn(window.location);

  // The queue is asked for in the view that is shown; the tabs ask for their own.
  desk.addEventListener("htmx:config:request", (event) => {
    const { request } = event.detail.ctx;
    if (!request.action.startsWith("/tickets") || request.method !== "GET") return;
    if (event.target.dataset.view) {
      rows = rowsIn(new URL(request.action, window.location));
      keepView((view = event.target.dataset.view));
    }
    if (event.target.id === "queue") {
      request.body.set("view", view);
      request.body.set("rows", rows);
      request.timeout = "10s"; // the next one waits for it
    }
    if (event.target.id === "queue" || event.target.dataset.view) request.body.set("ticket", openTicket());
  });
  desk.addEventListener("htmx:before:request", clearNotice);
  desk.addEventListener("submit", clearNotice, { capture: true });
  desk.addEventListener("htmx:ws:before:message:incoming", dropForAnotherTicket);
  desk.addEventListener("htmx:after:swap", (event) => {
    if (event.detail.ctx.target?.id === "ticket") onTicketShown();
    else markRows();
  });
  document.addEventListener("htmx:before:swap", ({ detail }) => (detail.ctx.hadFocus = hasFocus()));
  document.addEventListener("htmx:after:swap", ({ detail }) => keepFocus(detail));
  desk.addEventListener("click", (event) => {
    if (event.target.closest("[data-drawer]")) toggleDrawer(!desk.hasAttribute("data-drawer-open"));
    else if (!event.target.closest("#customer")) showDrawer(false);
    if (event.target.closest("[data-drawer-close]")) toggleDrawer(false);
    const back = event.target.closest("[data-back]");
    if (back) back.search = searchFor(view);
  });
  desk.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && desk.hasAttribute("data-drawer-open")) toggleDrawer(false);
  });
  desk.addEventListener("change", (event) => {
    if (event.target.matches("[data-mode]")) document.getElementById(`${event.target.value}-text`)?.focus();
  });
  document.addEventListener("live:queue_changed", refreshQueue);
  document.addEventListener("live:caught_up", refreshQueue); // of what changed without a socket nobody has told it
  document.addEventListener("receipts:sent", refreshQueue);
  document.addEventListener("sending:changed", markRows);
  document.addEventListener("live:ticket_changed", ({ detail }) => {
    const list = messageList();
    if (list?.dataset.number === String(detail.number)) {
      htmx.ajax("GET", `/tickets/${detail.number}/changes`, { source: list, target: list, swap: "none" });
    }
  });
  holdQueue();
  markRows();
}

if (desk) start();
