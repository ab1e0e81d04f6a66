// The list of messages: days, states, holes, and where it is scrolled to.
import { dayName, isSameDay } from "../lib/format.js";
import { fetchMissing, hasGap, messageList, seqOf } from "../lib/messages.js";
import { backoff, pause } from "../lib/timing.js";
import { writeTimes } from "./times.js";

const UNSPOKEN_FOR = 1000;
const NEAR = 100; // pixels from the end that count as being at the end

function mount(list) {
  const timeline = list.closest("[data-timeline]");
  const jump = document.querySelector("[data-jump]");
  let isAtEnd = true;
  let fromEnd = 0;
  let unseen = 0;
  let first = firstSeq(list);

  const toEnd = () => {
    timeline.scrollTop = timeline.scrollHeight;
  };
  // The button goes, and the focus would go with it: a mouse leaves it where it is, keys take it to the messages.
  const jumpToEnd = () => {
    if (document.activeElement === jump) timeline.focus({ preventScroll: true });
    toEnd();
  };
  const look = () => {
    fromEnd = timeline.scrollHeight - timeline.scrollTop;
    isAtEnd = fromEnd - timeline.clientHeight < NEAR;
    timeline.toggleAttribute("data-at-end", isAtEnd);
    if (isAtEnd) {
      unseen = 0;
      jump.hidden = true;
    }
  };
  const onAdded = (lines) => {
    // Before anything is measured: what was on its way to here goes from behind the lines.
    timeline.dispatchEvent(new CustomEvent("timeline:lines", { bubbles: true, detail: lines }));
    const isEarlier = firstSeq(list) < first;
    first = firstSeq(list);
    writeDays(list);
    writeStates(list);
    for (const line of lines) writeTimes(line);
    const theirs = isEarlier ? [] : lines.filter((line) => line.matches(".message--theirs"));
    for (const line of theirs) line.dataset.new = "";
    if (isEarlier) {
      timeline.scrollTop = timeline.scrollHeight - fromEnd;
    } else if (isAtEnd || lines.some((line) => line.matches(".message--mine"))) {
      toEnd();
    } else {
      unseen += theirs.length;
      jump.querySelector("[data-jump-text]").textContent = unseen === 1 ? "1 new message" : `${unseen} new messages`;
      jump.hidden = unseen === 0;
    }
    if (theirs.length) timeline.querySelector("[data-typing-line]").replaceChildren();
    look();
    timeline.dispatchEvent(new CustomEvent("timeline:added", { bubbles: true, detail: { theirs: theirs.length } }));
    fillGap(list);
  };

  timeline.dispatchEvent(new CustomEvent("timeline:lines", { bubbles: true, detail: [...list.children] }));
  writeDays(list);
  writeStates(list);
  fillGap(list);
  toEnd();
  look();
  timeline.addEventListener("scroll", look, { passive: true });
  jump.addEventListener("mousedown", (event) => event.preventDefault());
  jump.addEventListener("click", jumpToEnd);
  const resized = new ResizeObserver(() => isAtEnd && toEnd());
  resized.observe(timeline);
  // What is said of a message on its way, and its picture, push the end down; so does the line that somebody types.
  resized.observe(timeline.querySelector("[data-pending]"));
  new MutationObserver((changes) => {
    const lines = changes.flatMap((change) => [...change.addedNodes]).filter((node) => node.nodeType === 1);
    if (lines.length) onAdded(lines);
  }).observe(list, { childList: true });
  new MutationObserver(() => isAtEnd && toEnd()).observe(timeline.querySelector("[data-typing-line]"), {
    childList: true,
  });
  timeline.addEventListener("pending:added", toEnd);
}

const firstSeq = (list) => [...list.children].map(seqOf).find((seq) => seq !== null) ?? 0;

// Asks for what is missing between two lines: at once, then ever more slowly while the gap stays.
async function fillGap(list) {
  if (list.isFillingGap) return;
  list.isFillingGap = true;
  for (let tries = 1; list.isConnected && hasGap(list); tries++) {
    await fetchMissing(list);
    if (hasGap(list)) await pause(backoff(tries));
  }
  list.isFillingGap = false;
}

// A line above the first message of each day, as days fall where the reader is.
function writeDays(list) {
  let before = null;
  for (const line of list.querySelectorAll("[data-seq]")) {
    const date = new Date(line.querySelector("time").dateTime);
    const mark = line.querySelector("[data-day]");
    mark.hidden = before !== null && isSameDay(before, date);
    if (!mark.hidden) mark.textContent = dayName(date);
    before = date;
  }
}

// How far one's own messages have come: stored, on the other side's page, read there.
export function writeStates(list) {
  const delivered = Number(list.dataset.delivered);
  const read = Number(list.dataset.read);
  for (const state of list.querySelectorAll("[data-state]")) {
    const seq = Number(state.closest("[data-seq]").dataset.seq);
    const text = seq <= read ? "Read" : seq <= delivered ? "Delivered" : "Sent";
    if (state.textContent !== text) state.textContent = text;
  }
}

function mountNew() {
  const list = messageList();
  if (list && !list.isMounted) {
    list.isMounted = true;
    mount(list);
  }
}

// A line comes more than once: as a frame, as the answer of the form, in what is asked for after a gap. The first one
// stays where it is: it would be counted, and read out, again.
function dropShown(event) {
  for (const { swapSpec, fragment } of event.detail.tasks) {
    if (swapSpec.style !== "upsert") continue;
    for (const line of [...fragment.children]) {
      if (line.id && document.getElementById(line.id)) line.remove();
    }
  }
}

// Earlier lines have been asked for: nobody wants all of them read out. The link to them goes when there are no more, and
// the focus would go with it.
function beforeEarlier({ detail: { ctx } }) {
  if (ctx.sourceElement?.id !== "earlier-link") return;
  ctx.timeline = ctx.sourceElement.closest("[data-timeline]");
  const log = ctx.timeline.querySelector("[role=log]");
  log.ariaLive = "off";
  setTimeout(() => (log.ariaLive = "polite"), UNSPOKEN_FOR);
}

function afterEarlier({ detail: { ctx } }) {
  if (document.activeElement === document.body) ctx.timeline?.focus({ preventScroll: true });
}

mountNew();
document.addEventListener("htmx:before:swap", dropShown);
document.addEventListener("htmx:before:swap", beforeEarlier);
document.addEventListener("htmx:after:swap", afterEarlier);
document.addEventListener("htmx:after:swap", mountNew);
document.addEventListener("live:receipts", ({ detail }) => {
  const list = messageList();
  if (list?.dataset.number !== String(detail.number)) return;
  list.dataset.delivered = detail.delivered;
  list.dataset.read = detail.read;
  writeStates(list);
});
