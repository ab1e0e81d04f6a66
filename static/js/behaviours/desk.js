// The agents' desk: a queue that follows what happens, one open ticket, and the customer beside it.
import { hasDraft } from "../lib/drafts.js";
import { messageList } from "../lib/messages.js";
import { throttle } from "../lib/timing.js";
import { sayHello } from "./live.js";

const desk = document.querySelector("[data-desk]");
const title = document.title;

const refreshQueue = throttle(() => htmx.trigger("#queue", "refresh"), 400);
const openTicket = () => messageList()?.dataset.number ?? "";

function markRows() {
  const number = openTicket();
  let unread = 0;
  for (const row of desk.querySelectorAll("[data-row]")) {
    const isOpen = row.dataset.row === number;
    row.toggleAttribute("data-chosen", isOpen);
    row.querySelector("a").toggleAttribute("aria-current", isOpen);
    row.querySelector("[data-draft-mark]").hidden = isOpen || !isWrittenIn(row.dataset.row);
    unread += Number(row.querySelector("[data-unread]")?.dataset.unread ?? 0);
  }
  document.title = unread ? `(${unread}) ${title}` : title;
}

const isWrittenIn = (number) => ["reply", "note"].some((mode) => hasDraft(`${mode}-${number}`));

function onTicketShown() {
  desk.toggleAttribute("data-ticket-open", Boolean(openTicket()));
  desk.removeAttribute("data-drawer-open");
  markRows();
  sayHello();
  if (window.matchMedia("(pointer: fine)").matches) document.getElementById("reply-text")?.focus();
}

function toggleDrawer(open) {
  desk.toggleAttribute("data-drawer-open", open);
  desk.querySelector("[data-drawer]")?.setAttribute("aria-expanded", String(open));
  desk.querySelector(open ? "[data-drawer-close]" : "[data-drawer]")?.focus();
}

function start() {
  let view = desk.querySelector("[data-view][aria-current]")?.dataset.view ?? "mine";

  // The queue is asked for in the view that is shown; the tabs ask for their own.
  desk.addEventListener("htmx:config:request", (event) => {
    const { request } = event.detail.ctx;
    if (!request.action.startsWith("/tickets") || request.method !== "GET") return;
    view = event.target.dataset.view ?? view;
    if (event.target.id === "queue") request.body.set("view", view);
    if (event.target.id === "queue" || event.target.dataset.view) request.body.set("ticket", openTicket());
  });
  desk.addEventListener("htmx:before:request", () => document.getElementById("notice").replaceChildren());
  desk.addEventListener("htmx:after:swap", (event) => {
    if (event.detail.ctx.target?.id === "ticket") onTicketShown();
    else markRows();
  });
  desk.addEventListener("click", (event) => {
    if (event.target.closest("[data-drawer]")) toggleDrawer(!desk.hasAttribute("data-drawer-open"));
    if (event.target.closest("[data-drawer-close]")) toggleDrawer(false);
  });
  desk.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && desk.hasAttribute("data-drawer-open")) toggleDrawer(false);
  });
  desk.addEventListener("change", (event) => {
    if (event.target.matches("[data-mode]")) document.getElementById(`${event.target.value}-text`)?.focus();
  });
  document.addEventListener("live:queue_changed", refreshQueue);
  document.addEventListener("receipts:sent", refreshQueue);
  document.addEventListener("live:ticket_changed", ({ detail }) => {
    const list = messageList();
    if (list?.dataset.number === String(detail.number)) {
      htmx.ajax("GET", `/tickets/${detail.number}/changes`, { source: list, target: list, swap: "none" });
    }
  });
  markRows();
}

if (desk) start();
