// A row of the queue: whose it is, where it stands, and what is unread in it.
import { countWord, formatNumber, word } from "./words.js";

const agent = document.querySelector("[data-agent]")?.dataset.agent;

export const mentionsMe = ({ dataset }) => dataset.mentioned.split(" ").includes(agent);
export const isMine = ({ dataset }) => dataset.status !== "closed" && dataset.owner === agent;
export const unreadOf = ({ dataset }) => Math.max(0, Number(dataset.lines) - Number(dataset.read));

const isOthers = (row) => row.dataset.status === "open" && !isMine(row);

// A frame says the same to every agent.
export function makeOwn(row) {
  row.id = `row-${row.dataset.row}`;
  row.dataset.read = JSON.parse(row.dataset.marks)[agent] ?? 0;
  const writer = row.querySelector("[data-writer]");
  if (writer?.dataset.writer === agent) writer.textContent = word("you");
  if (isMine(row)) row.querySelector("[data-chip]")?.remove();
  row.querySelector("[data-mention-mark]").hidden = !mentionsMe(row);
  markUnread(row);
}

export function markUnread(row) {
  const mark = row.querySelector("[data-unread-mark]");
  if (!mark) return; // closed
  const unread = unreadOf(row);
  const count = unread < 100 ? formatNumber(unread) : "99+";
  mark.hidden = !unread || isOthers(row);
  mark.textContent = mark.hidden ? "" : countWord("new", unread, { count });
  row.classList.toggle("row--unread", unread > 0 && isMine(row));
}

// Null in a view that does not show the row.
export function groupOf(row, view) {
  const { status, owner, awaiting, woke, snoozed } = row.dataset;
  const isOpenAndMine = status === "open" && owner === agent && !snoozed;
  if (view === "mine" && mentionsMe(row) && !isOpenAndMine) return "mentioned";
  if (Boolean(snoozed) !== (view === "snoozed")) return null;
  if (snoozed) return "snoozed";
  if (view === "mine" && owner !== agent) return null;
  if (view === "unassigned" && status !== "waiting") return null;
  if (status === "closed") return "closed";
  return awaiting || woke ? "reply" : "customer";
}

const by = (name) => (one, other) => Number(one.dataset[name]) - Number(other.dataset[name]);
const latestFirst = (name) => (one, other) => by(name)(other, one);
const inOrder =
  (...orders) =>
  (one, other) =>
    orders.map((order) => order(one, other)).find(Boolean) ?? 0;

// What has come back from snooze is on top, the first one first.
const wokenFirst = (one, other) =>
  Number(!one.dataset.woke) - Number(!other.dataset.woke) || Number(one.dataset.woke) - Number(other.dataset.woke);
const urgentFirst = (one, other) => Number(one.dataset.priority > 1) - Number(other.dataset.priority > 1);

// As `tickets_in_view` and `tickets_closed_last` in sql/functions/queue.sql.
const ORDERS = {
  longest: { reply: [urgentFirst, by("awaiting")], customer: [] },
  newest: { reply: [latestFirst("awaiting")], customer: [] },
  priority: { reply: [by("priority"), by("awaiting")], customer: [by("priority")] },
};

export function orderOf(group, order, view) {
  if (group === "mentioned") return inOrder(latestFirst("updated"), by("row"));
  if (group === "closed") return inOrder(latestFirst("closed"), latestFirst("row"));
  if (group === "snoozed") return inOrder(by("snoozed"), by("row"));
  const { reply, customer } = ORDERS[order];
  if (group === "reply") return inOrder(wokenFirst, ...reply, by("row"));
  return view === "unassigned"
    ? inOrder(...customer, by("row"))
    : inOrder(...customer, latestFirst("updated"), by("row"));
}

// In place, so that neither the focus nor what is pointed at goes with it.
export function renew(row, newer) {
  for (const { name, value } of newer.attributes) row.setAttribute(name, value);
  row.querySelector("a").replaceChildren(...newer.querySelector("a").childNodes);
}
