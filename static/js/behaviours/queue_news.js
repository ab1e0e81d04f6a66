// What has changed in the queue comes in frames: rows and counts, which find their places here.
import { closedRows, countAnew, noteRead, noteUnread, openRows, readState, state } from "../lib/queue_state.js";
import { showLookers } from "../lib/lookers.js";
import { groupOf, makeOwn, markUnread, orderOf, renew } from "../lib/rows.js";
import { dropTasks } from "../lib/swaps.js";
import { word } from "../lib/words.js";
import { noteArrival } from "./queue_jump.js";
import { writeTimes } from "./times.js";

const queue = document.getElementById("queue");
const find = (name) => queue.querySelector(`[data-${name}]`);
let reading = null; // the request of a whole queue
let meanwhile = []; // what has come since it began: its answer may be older
let waiting = [];

// Has news wait as long as `isHeld` says so. Returns a function that shows what has waited.
export function showNews(desk, isHeld, onShown) {
  const show = () => {
    if (!waiting.length || isHeld()) return;
    const news = waiting;
    waiting = [];
    if (reading) meanwhile.push(...news.map(copyOf));
    showAll(news);
  };
  const showAll = (news) => {
    for (const change of news) take(change);
    settle();
    onShown();
  };
  const hear = (...news) => {
    waiting.push(...news);
    show();
  };

  desk.addEventListener("htmx:before:swap", ({ detail: { tasks } }) => {
    const task = tasks.find(({ target }) => target?.id === "queue-tray");
    if (!task) return;
    dropTasks(tasks, (other) => other === task);
    hear(...task.fragment.children);
  });
  document.addEventListener("live:queue_marks", ({ detail: { marks } }) => hear(...Object.entries(marks)));
  desk.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (ctx.target !== queue) return;
    reading = ctx;
    meanwhile = [];
  });
  desk.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (ctx.target !== queue) return;
    readState(queue);
    document.dispatchEvent(new CustomEvent("queue:read"));
    showAll(meanwhile.splice(0));
  });
  desk.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (ctx === reading) reading = null;
  });
  readState(queue);
  return show;
}

const copyOf = (change) => (change instanceof Element ? change.cloneNode(true) : change);

function take(change) {
  if (!(change instanceof Element)) markRead(change);
  else if (change.matches("[data-row]")) place(change);
  else takeCounts(change);
}

function markRead([session, lines]) {
  noteRead(session, lines);
  for (const row of queue.querySelectorAll(`[data-session="${session}"]`)) {
    row.dataset.read = Math.max(lines, Number(row.dataset.read));
    markUnread(row);
  }
}

function takeCounts(element) {
  countAnew(JSON.parse(element.dataset.queueCounts));
  const reason = find("queue-reason");
  reason.textContent = state.view === "mine" ? "" : element.textContent.trim();
  reason.hidden = !reason.textContent;
}

function place(arrived) {
  makeOwn(arrived);
  noteUnread(arrived);
  const shown = document.getElementById(arrived.id);
  const group = groupOf(arrived, state.view);
  if (!group) {
    if (shown) remove(shown);
    return;
  }
  if (shown) renew(shown, arrived);
  const row = shown ?? arrived;
  showLookers(row);
  aim(row);
  writeTimes(row);
  insert(row, queue.querySelector(`[data-group="${group}"] ul`), orderOf(group, state.order, state.view));
  if (!shown && row.isConnected) noteArrival(row);
}

// For a click that opens a tab.
function aim(row) {
  const values = new URLSearchParams(state.view === "mine" ? {} : { view: state.view });
  values.set("ticket", row.dataset.row);
  row.querySelector("a").setAttribute("href", `/agent?${values}`);
}

function insert(row, list, order) {
  const others = [...list.children].filter((other) => other !== row);
  const next = others.find((other) => order(row, other) < 0) ?? null;
  if (row.parentElement === list && row.nextElementSibling === next) return;
  const { activeElement } = document;
  const hasFocus = row.contains(activeElement);
  list.closest("[data-group]").hidden = false; // or it could not have the focus
  list.insertBefore(row, next);
  if (hasFocus) activeElement.focus({ preventScroll: true });
  // Between it and what is shown may be others, which are not.
  if (state.isCut && openRows(queue).at(-1) === row) remove(row);
}

function remove(row) {
  const heir = row.contains(document.activeElement) && (row.nextElementSibling ?? row.previousElementSibling);
  row.remove();
  if (heir) heir.querySelector("a").focus({ preventScroll: true });
}

function settle() {
  trim(openRows(queue), state.limit, () => (state.isCut = true));
  trim(closedRows(queue), state.closedLimit);
  const open = openRows(queue).length;
  showCounts();
  for (const group of queue.querySelectorAll("[data-group]")) group.hidden = !group.querySelector("[data-row]");
  find("queue-order").hidden = queue.querySelectorAll("[data-group='reply'] [data-row]").length < 2;
  find("queue-empty").hidden = open > 0;
  showRest(open);
  // What was not shown would never come by itself.
  if (state.isCut && open <= state.limit / 2) document.dispatchEvent(new CustomEvent("live:queue_changed"));
}

function trim(rows, limit, onCut = () => {}) {
  if (rows.length <= limit) return;
  for (const row of rows.slice(limit)) remove(row);
  onCut();
}

function showCounts() {
  const { counts } = state;
  for (const count of queue.querySelectorAll("[data-count]")) count.textContent = counts[count.dataset.count];
  find("some-unassigned").hidden = !counts.unassigned;
  find("none-unassigned").hidden = counts.unassigned > 0;
  const link = find("show-unassigned");
  if (!link) return; // not in this view
  link.hidden = !counts.unassigned;
  link.textContent = word("showUnassigned", { count: counts.unassigned });
}

function showRest(shown) {
  const { view, counts, closedLimit, isCut } = state;
  const closed = closedRows(queue).length;
  find("queue-more").hidden = !(isCut && shown < counts[view]) && !(view === "all" && closed === closedLimit);
  find("queue-shown").textContent = word(closed ? "shownOpenClosed" : "shownOpen", {
    shown,
    open: counts[view],
    closed,
  });
}
