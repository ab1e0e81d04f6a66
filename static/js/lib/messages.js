// What the list of messages on this page shows.
import { isOurs } from "./http.js";

export function messageList() {
  return document.querySelector("[data-messages]");
}

// The seq of a line; null for a note, which stands between two.
export function seqOf(line) {
  return line.hasAttribute("data-note-no") ? null : Number(line.dataset.seq);
}

// The last seq before the first hole: what comes after it has to be fetched.
export function shownSeq(list) {
  let last = 0;
  for (const line of list.children) {
    const seq = seqOf(line);
    if (seq === null) continue;
    if (last && seq !== last + 1) return last;
    last = seq;
  }
  return last;
}

// When the line with a seq was written: together they say which line it is.
export function timeOf(list, seq) {
  return list.querySelector(`[data-seq="${seq}"]:not([data-note-no]) time[datetime]`)?.dateTime;
}

// The last note before the first that is missing.
export function shownNote(list) {
  const numbers = new Set([...list.querySelectorAll("[data-note-no]")].map((note) => Number(note.dataset.noteNo)));
  let last = Number(list.dataset.note ?? 0);
  while (numbers.has(last + 1)) last += 1;
  return last;
}

export const hasGap = (list) => shownSeq(list) < Math.max(0, ...[...list.children].map(seqOf));

const fetching = new WeakMap();

// Gets what the list does not show, over HTTP; one request at a time. Resolves to whether it was answered.
export function fetchMissing(list) {
  if (!fetching.has(list))
    fetching.set(
      list,
      askForAll(list).finally(() => fetching.delete(list)),
    );
  return fetching.get(list);
}

// An answer that would be too long has the first part of it, and says so.
async function askForAll(list) {
  let hasMore;
  const goOn = () => (hasMore = true);
  document.addEventListener("live:more", goOn);
  try {
    for (;;) {
      const before = shownSeq(list) + shownNote(list);
      hasMore = false;
      const isAnswered = await ask(list);
      if (!isAnswered || !hasMore || shownSeq(list) + shownNote(list) === before) return isAnswered;
    }
  } finally {
    document.removeEventListener("live:more", goOn);
  }
}

async function ask(list) {
  let isAnswered = false;
  const look = (event) => {
    if (event.detail.ctx?.asker !== look) return;
    isAnswered = event.detail.ctx.response.status === 200 && isOurs(event.detail.ctx.response);
    if (!isAnswered && event.detail.ctx.response.status !== 401) event.preventDefault(); // the bar says enough
  };
  document.addEventListener("htmx:after:request", look);
  try {
    const query = `after=${shownSeq(list)}&after_note=${shownNote(list)}&epoch=${list.dataset.epoch}`;
    await htmx.ajax("GET", `${list.dataset.poll}?${query}`, {
      source: list,
      target: list,
      swap: "upsert key:data-seq",
      asker: look,
    });
  } finally {
    document.removeEventListener("htmx:after:request", look);
  }
  return isAnswered;
}
