import { showInIcon } from "../alerts/favicon.js";
import { hasDraft } from "../lib/drafts.js";
import { openTicket } from "../lib/messages.js";
import { watchPointer } from "../lib/pointer.js";
import { allMentions, allUnread, state } from "../lib/queue_state.js";
import { recall, remember } from "../lib/storage.js";
import { throttle } from "../lib/timing.js";
import { countWord, listed, word } from "../lib/words.js";
import { tellView } from "./live.js";
import { showNews } from "./queue_news.js";

const desk = document.querySelector("[data-desk]");
const queue = document.getElementById("queue");
const title = document.title.replace(/^#\d+ · /, "");

const refresh = throttle(() => htmx.trigger(queue, "refresh"), 400);

function markAll() {
  const number = openTicket();
  for (const row of desk.querySelectorAll("[data-row]")) markRow(row, row.dataset.row === number);
  const unread = allUnread();
  const mentions = allMentions();
  const { unassigned } = state.counts;
  const count = unread + mentions + unassigned;
  sayMore({ unread, mentions, unassigned });
  markCount(count);
  showInIcon(count);
  document.title = [count && `(${count})`, number && `#${number} ·`, title].filter(Boolean).join(" ");
}

function markRow(row, isOpen) {
  row.toggleAttribute("data-chosen", isOpen);
  if (isOpen) row.querySelector("a").setAttribute("aria-current", "true");
  else row.querySelector("a").removeAttribute("aria-current");
  markDraft(row, isOpen);
}

function markDraft(row, isOpen) {
  const key = ["reply", "note"].map((mode) => `${mode}-${row.dataset.row}`).find(hasDraft);
  const mark = row.querySelector("[data-draft-mark]");
  mark.hidden = isOpen || !key;
  if (key) mark.querySelector("[data-draft-text]").textContent = recall("draft", key) || word("notSentYet");
}

function markCount(count) {
  const mark = desk.querySelector("[data-rail-count]");
  mark.hidden = !count;
  mark.textContent = count > 99 ? "99+" : count;
}

let before = null;

// To screen readers.
function sayMore(counts) {
  const more = Object.keys(counts).filter((name) => before && counts[name] > before[name]);
  const news = more.map((name) => countWord(name, counts[name]));
  if (news.length) desk.querySelector("[data-queue-news]").textContent = listed(news);
  before = counts;
}

const rowsIn = (address) => new URLSearchParams(address.search).get("rows") ?? "";
const currentView = () => desk.querySelector("[data-view][aria-current]")?.dataset.view;
let view = "mine";
let rows = "";

function askForView({ target, detail: { ctx } }) {
  const { request } = ctx;
  if (!request.action.startsWith("/tickets") || request.method !== "GET") return;
  if (target.dataset.view) chooseView(target.dataset.view, new URL(request.action, window.location));
  if (target === queue) {
    request.body.set("view", view);
    request.body.set("rows", rows);
    request.timeout = "10s"; // the next refresh waits for it
  }
  if (target === queue || target.dataset.view) request.body.set("ticket", openTicket());
}

function chooseView(chosen, tab) {
  view = chosen;
  rows = rowsIn(tab);
  desk.dataset.queueView = view;
  tellView(view);
  const address = new URL(window.location); // a reload shows the queue in the same view
  address.search = searchFor(view, address.searchParams.get("ticket"));
  window.history.replaceState(window.history.state, "", address);
}

function searchFor(name, ticket) {
  const values = new URLSearchParams();
  if (name !== "mine") values.set("view", name);
  if (ticket) values.set("ticket", ticket);
  return values.toString();
}

function aimBackLink({ target }) {
  const back = target.closest("[data-back]");
  if (back) back.search = searchFor(view);
}

const scrollKey = () => currentView() ?? "";

function keepScroll() {
  queue.scrollTop = Number(recall("scroll", scrollKey()) ?? 0);
  queue.addEventListener("scroll", () => remember("scroll", scrollKey(), String(queue.scrollTop)), { passive: true });
}

// A new row would move another one under the pointer, just before the click.
function holdWhilePointedAt() {
  let isDue = false;
  const isPointedAt = watchPointer(queue, "[data-row]", () => {
    showWaiting();
    if (isDue) refresh();
    isDue = false;
  });
  const showWaiting = showNews(desk, isPointedAt, markAll);
  const hold = (event) => {
    if (event.target !== queue || !isPointedAt()) return;
    isDue = true;
    event.preventDefault();
  };
  queue.addEventListener("htmx:before:request", hold);
  queue.addEventListener("htmx:before:swap", hold); // asked for before somebody pointed
}

// Events may be missing: since the page was rendered, or since its socket closed.
function readAfterGap() {
  let isGap = true;
  desk.addEventListener("htmx:ws:after:connection", () => (isGap = true));
  document.addEventListener("live:caught_up", () => {
    if (isGap) refresh();
    isGap = false;
  });
}

// Not all desks at once.
const refreshWithin = ({ detail }) => setTimeout(refresh, Math.random() * (detail?.within ?? 0));

// The agent may have switched on another device.
function compareSwitch({ detail: { availability } }) {
  const isOn = desk.querySelector("#availability-switch").getAttribute("aria-checked") === "true";
  if (isOn !== (availability === "available")) refresh();
}

if (desk) {
  view = currentView() ?? view;
  rows = rowsIn(window.location);
  desk.addEventListener("htmx:config:request", askForView);
  desk.addEventListener("htmx:after:swap", markAll);
  desk.addEventListener("click", aimBackLink);
  document.addEventListener("sending:changed", markAll);
  document.addEventListener("drafts:taken", markAll);
  document.addEventListener("live:queue_changed", refreshWithin);
  document.addEventListener("live:availability", compareSwitch);
  readAfterGap();
  keepScroll();
  holdWhilePointedAt();
  markAll();
}
