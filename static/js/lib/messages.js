import { isOurs } from "./http.js";
import { backoff, pause } from "./timing.js";

export const messageList = () => document.querySelector("[data-messages]");

export const openTicket = () => messageList()?.dataset.number ?? "";

// Null for a note, which has no seq.
export function seqOf(item) {
  return item.hasAttribute("data-note-no") ? null : Number(item.dataset.seq);
}

// The last seq before the first gap.
export function shownSeq(list) {
  let last = 0;
  for (const item of list.children) {
    const seq = seqOf(item);
    if (seq === null) continue;
    if (last && seq !== last + 1) return last;
    last = seq;
  }
  return last;
}

// After a failover the database may give a seq to another message: seq and time together identify it.
export function timeOf(list, seq) {
  return list.querySelector(`[data-seq="${seq}"]:not([data-note-no]) time[datetime]`)?.dateTime;
}

export function shownNote(list) {
  const numbers = new Set([...list.querySelectorAll("[data-note-no]")].map((note) => Number(note.dataset.noteNo)));
  let last = Number(list.dataset.note ?? 0);
  while (numbers.has(last + 1)) last += 1;
  return last;
}

const hasGap = (list) => shownSeq(list) < Math.max(0, ...[...list.children].map(seqOf));

export async function fillGap(list) {
  if (list.isFillingGap) return;
  list.isFillingGap = true;
  for (let tries = 1; list.isConnected && hasGap(list); tries++) {
    await fetchMissing(list);
    if (hasGap(list)) await pause(backoff(tries));
  }
  list.isFillingGap = false;
}

const fetching = new WeakMap();

// Resolves to whether the desk answered. One request at a time.
export function fetchMissing(list) {
  if (!fetching.has(list)) {
    const answered = fetchBatches(list).finally(() => fetching.delete(list));
    fetching.set(list, answered);
  }
  return fetching.get(list);
}

async function fetchBatches(list) {
  for (;;) {
    const before = shownSeq(list) + shownNote(list);
    const { isAnswered, hasMore } = await fetchBatch(list);
    if (!isAnswered || !hasMore || shownSeq(list) + shownNote(list) === before) return isAnswered;
  }
}

async function fetchBatch(list) {
  const batch = { isAnswered: false, hasMore: false };
  const query = `after=${shownSeq(list)}&after_note=${shownNote(list)}&epoch=${list.dataset.epoch}`;
  await htmx.ajax("GET", `${list.dataset.poll}?${query}`, {
    source: list,
    target: list,
    swap: "upsert key:data-seq",
    batch,
  });
  return batch;
}

document.addEventListener("htmx:after:request", (event) => {
  const { batch, response } = event.detail.ctx;
  if (!batch) return;
  batch.isAnswered = response.status === 200 && isOurs(response);
  batch.hasMore = response.headers.get("HX-Trigger")?.includes("live:more") ?? false;
  if (!batch.isAnswered && response.status !== 401) event.preventDefault(); // the bar says enough
});
