// What the list of messages on this page shows.

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

export function shownNote(list) {
  const numbers = [...list.querySelectorAll("[data-note-no]")].map((note) => Number(note.dataset.noteNo));
  return Math.max(Number(list.dataset.note ?? 0), ...numbers);
}

// Gets what the list does not show, over HTTP. Resolves to whether it was answered.
export async function fetchMissing(list) {
  const before = list.isConnected;
  let answered = false;
  const note = (event) => {
    if (event.detail.ctx?.sourceElement === list && event.detail.ctx.response?.status === 200) answered = true;
  };
  document.addEventListener("htmx:after:request", note);
  try {
    const query = `after=${shownSeq(list)}&after_note=${shownNote(list)}`;
    await htmx.ajax("GET", `${list.dataset.poll}?${query}`, {
      source: list,
      target: list,
      swap: "upsert key:data-seq",
    });
  } finally {
    document.removeEventListener("htmx:after:request", note);
  }
  return before && answered;
}

// Sends a small note to the server whose answer changes nothing on the page.
export function post(path, values = {}) {
  const list = messageList();
  if (list) return htmx.ajax("POST", path, { source: list, target: list, swap: "none", values });
}
