// The agents' desk: a queue that follows what happens, one open ticket, and the customer beside it.
import { hasDraft } from "../lib/drafts.js";
import { messageList } from "../lib/messages.js";
import { watchPointer } from "../lib/pointer.js";
import { isShown } from "../lib/shown.js";
import { recall } from "../lib/storage.js";
import { throttle } from "../lib/timing.js";
import { sayHello } from "./live.js";

const desk = document.querySelector("[data-desk]");
const title = document.title.replace(/^#\d+ · /, "");

const refreshQueue = throttle(() => htmx.trigger("#queue", "refresh"), 400);
const openTicket = () => messageList()?.dataset.number ?? "";
const notice = document.getElementById("notice");

function markRows() {
  const number = openTicket();
  for (const row of desk.querySelectorAll("[data-row]")) {
    const isOpen = row.dataset.row === number;
    row.toggleAttribute("data-chosen", isOpen);
    markCurrent(row.querySelector("a"), isOpen);
    markDraft(row, isOpen);
  }
  const { unread, unassigned } = counts();
  sayMore(unread, unassigned);
  markCount(unread + unassigned);
  document.title = [unread + unassigned && `(${unread + unassigned})`, number && `#${number} ·`, title]
    .filter(Boolean)
    .join(" ");
}

// Whatever view is shown: the unread messages of one's own tickets, and the tickets that are nobody's.
function counts() {
  const { unread, unassigned } = desk.querySelector("[data-unread]").dataset;
  return { unread: Number(unread), unassigned: Number(unassigned) };
}

function markCount(count) {
  const mark = desk.querySelector("[data-rail-count]");
  mark.hidden = !count;
  mark.textContent = count > 99 ? "99+" : count;
}

// The row of a ticket shows what is written there and not sent, in the place of its last line.
function markDraft(row, isOpen) {
  const key = ["reply", "note"].map((mode) => `${mode}-${row.dataset.row}`).find(hasDraft);
  const mark = row.querySelector("[data-draft-mark]");
  mark.hidden = isOpen || !key;
  if (key) mark.querySelector("[data-draft-text]").textContent = recall("draft", key) || "not sent yet";
}

// For who does not see the queue: what has come to be more in it.
let before = null;

function sayMore(unread, unassigned) {
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
  const place = box && isShown(box) ? box : desk.querySelector("[data-ticket-title], [data-caught-up]");
  place?.focus({ preventScroll: true });
}

// Claim and the like take away the button that was pressed, and a colleague who takes the ticket over the box: the focus
// goes where it was, as far as that is still there.
function noteFocus(ctx) {
  const { activeElement } = document;
  ctx.hadFocus = document.getElementById("ticket").contains(activeElement);
  ctx.wasWriting = activeElement.id === "reply-text";
  ctx.couldWrite = document.getElementById("reply") && openTicket();
}

function keepFocus(ctx) {
  const lost = ctx.couldWrite === openTicket() && desk.querySelector("[data-claim-says]");
  if (lost) desk.querySelector("[data-queue-news]").textContent = lost.textContent.trim();
  if (!ctx.hadFocus || document.activeElement !== document.body) return;
  const kept = [...desk.querySelectorAll("[data-kept-text], [data-claim-says]")].findLast(isShown);
  if (ctx.wasWriting && kept) kept.focus({ preventScroll: true });
  else moveFocus();
}

// Somebody has opened another ticket while this one was being closed: that one stays.
function keepChoice({ ctx, tasks }) {
  const closed = ctx.request?.method === "POST" && ctx.request.action.match(/\/tickets\/(\d+)\/closure$/);
  if (!closed || closed[1] === openTicket()) return;
  delete ctx.hx.pushurl;
  tasks.splice(0, tasks.length, ...tasks.filter(({ target }) => target?.id === "toast"));
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
    const { target } = event.detail.ctx;
    if (target?.id === "ticket" || target === "#ticket") onTicketShown();
    else markRows();
  });
  desk.addEventListener("htmx:before:swap", ({ detail }) => keepChoice(detail));
  document.addEventListener("htmx:before:swap", ({ detail }) => noteFocus(detail.ctx));
  document.addEventListener("htmx:after:swap", ({ detail }) => keepFocus(detail.ctx));
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
