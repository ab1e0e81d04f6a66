// What the page knows of the queue besides its rows: the view, the counts, what is unread in the agent's own tickets, and which
// tickets mention them.
import { isMine, mentionsMe, unreadOf } from "./rows.js";

const agent = document.querySelector("[data-agent]")?.dataset.agent;
const unread = new Map(); // by the number of the ticket
const mentions = new Set(); // numbers of tickets

export const state = { view: "mine", order: "longest", limit: 0, closedLimit: 0, counts: {}, isCut: false };

// The server says it with each whole queue.
export function readState(queue) {
  const {
    unread: own,
    mentions: numbers,
    ...said
  } = JSON.parse(queue.querySelector("[data-queue-state]").dataset.queueState);
  Object.assign(state, said, { isCut: openRows(queue).length >= said.limit });
  unread.clear();
  mentions.clear();
  for (const number of numbers) mentions.add(number);
  for (const { number, session_id, customer_lines, read_lines } of own) {
    unread.set(number, { session: session_id, lines: customer_lines, read: read_lines });
  }
}

// Those that only mention the agent stand above the view, and are none of it.
const rowsIn = (queue, which) => [...queue.querySelectorAll(`[data-group]:not([data-group="mentioned"]) ${which}`)];
export const openRows = (queue) => rowsIn(queue, "[data-row]:not([data-status='closed'])");
export const closedRows = (queue) => rowsIn(queue, "[data-row][data-status='closed']");

export function countAnew({ unassigned, all, snoozed, agents }) {
  Object.assign(state.counts, { unassigned, all, snoozed });
  if (agent in agents) state.counts.mine = agents[agent];
}

export function noteUnread(row) {
  const { row: number, session, lines, read } = row.dataset;
  if (isMine(row) && unreadOf(row)) unread.set(Number(number), { session, lines: Number(lines), read: Number(read) });
  else unread.delete(Number(number));
  if (mentionsMe(row)) mentions.add(Number(number));
  else mentions.delete(Number(number));
}

export function noteRead(session, lines) {
  for (const own of unread.values()) {
    if (own.session === session) own.read = Math.max(own.read, lines);
  }
}

export const allUnread = () =>
  [...unread.values()].reduce((sum, { lines, read }) => sum + Math.max(0, lines - read), 0);

export const allMentions = () => mentions.size;
