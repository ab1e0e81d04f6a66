// The ticket that is open at the desk: where the focus goes, and which answers come too late.
import { hasMouse, isShown } from "../lib/browser.js";
import { messageList, openTicket } from "../lib/messages.js";
import { dropTasks } from "../lib/swaps.js";
import { sayHello } from "./live.js";

const desk = document.querySelector("[data-desk]");

function onSwapped({ detail: { ctx } }) {
  if (ctx.target?.id === "ticket" || ctx.target === "#ticket") onTicketShown();
}

function onTicketShown() {
  desk.toggleAttribute("data-ticket-open", Boolean(openTicket()));
  desk.removeAttribute("data-drawer-open");
  sayHello();
  moveFocus();
}

// An action's own answer has shown the new version by now: fetched again, it would only put new buttons under the finger.
function fetchChanges({ detail: { number, version } }) {
  const list = messageList();
  if (openTicket() === String(number) && shownVersion(number) !== version) {
    htmx.ajax("GET", `/tickets/${number}/changes`, { source: list, target: list, swap: "none" });
  }
}

function moveFocus() {
  const box = hasMouse() && document.getElementById("reply-text");
  const place = box && isShown(box) ? box : desk.querySelector("[data-ticket-title], [data-caught-up]");
  place?.focus({ preventScroll: true });
}

// A swap may remove the button that was pressed, or the reply box: the focus stays as near as it can.
function noteFocus({ detail: { ctx } }) {
  const { activeElement } = document;
  ctx.hadFocus = document.getElementById("ticket").contains(activeElement);
  ctx.wasWriting = activeElement.id === "reply-text";
  ctx.couldWrite = document.getElementById("reply") && openTicket();
}

function keepFocus({ detail: { ctx } }) {
  const lost = ctx.couldWrite === openTicket() && desk.querySelector("[data-claim-says]");
  if (lost) desk.querySelector("[data-queue-news]").textContent = lost.textContent.trim();
  const { activeElement } = document;
  if (!ctx.hadFocus || (activeElement !== document.body && isShown(activeElement))) return;
  const kept = [...desk.querySelectorAll("[data-kept-text], [data-claim-says]")].findLast(isShown);
  if (ctx.wasWriting && kept) kept.focus({ preventScroll: true });
  else moveFocus();
}

// What was chosen in a menu closes it, unless the answer stands there.
function closeMenu({ detail: { ctx, tasks } }) {
  const menu = ctx.sourceElement?.closest?.("#ticket details.menu");
  if (menu && !tasks.some(({ target }) => menu.contains(target))) menu.open = false;
}

function focusMode({ target }) {
  if (target.matches("[data-mode]")) document.getElementById(`${target.value}-text`)?.focus();
  const modes = target.closest("[data-modes]");
  if (modes) modes.parentElement.dataset.writes = target.value; // for browsers without :has()
}

// If the agent opened a ticket while this one was being closed, or brought back, that one stays: also the same one.
let choices = 0;
const shownNow = () => `${openTicket()} ${choices}`;

function noteTicket({ target, detail: { ctx } }) {
  if (target.id === "ticket") choices += 1;
  ctx.shown = shownNow();
}

function keepChoice({ detail: { ctx, tasks } }) {
  const isPane = ctx.response?.raw.headers.get("HX-Retarget") === "#ticket";
  if (!isPane || ctx.shown === shownNow()) return;
  delete ctx.hx.pushurl;
  ctx.target = null; // nothing of it is shown there, and the focus stays
  dropTasks(tasks, ({ target }) => target?.id !== "toast");
}

// An answer that a claim has overtaken would remove the reply box. Its messages are still good.
function dropOvertaken({ detail: { ctx, tasks } }) {
  const header = tasks.map(({ fragment }) => fragment?.querySelector("[data-version]")).find(Boolean);
  if (!header) return;
  const difference = Number(header.dataset.version) - shownVersion(header.dataset.ticket);
  if (difference > 0 || (difference === 0 && !ctx.request?.action.endsWith("/changes"))) return;
  const overtaken = ["ticket-header", "ticket-composer", "customer"].map((name) => `${name}-${header.dataset.ticket}`);
  dropTasks(tasks, ({ target }) => overtaken.includes(target?.id));
}

function shownVersion(number) {
  const shown = document.querySelector(`[data-version][data-ticket="${number}"]`);
  return Number(shown?.dataset.version ?? 0);
}

// Polls tell the version; without a socket nothing else does.
function compareVersion({ detail }) {
  const shown = shownVersion(detail.number);
  if (shown && shown !== detail.version) {
    document.dispatchEvent(new CustomEvent("live:ticket_changed", { detail }));
  }
}

// The page catches up when it shows that ticket again.
function dropForAnotherTicket(event) {
  const { data } = event.detail.message;
  const { target } = typeof data === "string" ? JSON.parse(data) : {};
  if (target && !document.querySelector(target)) event.preventDefault();
}

if (desk) {
  htmx.config.morphIgnore.push("open"); // a colleague's change closes no menu
  desk.addEventListener("htmx:after:swap", onSwapped);
  desk.addEventListener("htmx:ws:before:message:incoming", dropForAnotherTicket);
  desk.addEventListener("change", focusMode);
  desk.addEventListener("htmx:config:request", noteTicket);
  document.addEventListener("htmx:before:swap", keepChoice); // a form that has left the page tells only the document
  document.addEventListener("htmx:before:swap", dropOvertaken);
  document.addEventListener("htmx:before:swap", noteFocus);
  document.addEventListener("htmx:before:swap", closeMenu);
  document.addEventListener("htmx:after:swap", keepFocus);
  document.addEventListener("live:ticket_changed", fetchChanges);
  document.addEventListener("live:ticket_version", compareVersion);
}
