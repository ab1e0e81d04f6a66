import { fillGap, messageList, seqOf } from "../lib/messages.js";
import { countWord } from "../lib/words.js";
import { decorate, writeReceipts } from "./items.js";

const NEAR = 100; // pixels from the end

class Timeline {
  constructor(list) {
    this.list = list;
    this.element = list.closest("[data-timeline]");
    this.typing = this.element.querySelector("[data-typing-line]");
    this.jump = document.querySelector("[data-jump]");
    this.unseen = 0;
    this.first = firstSeq(list);
  }

  mount() {
    this.announce("items", [...this.list.children]);
    decorate(this.list);
    fillGap(this.list);
    // Of a line that was searched for, the address has the name.
    const found = this.list.querySelector(":target");
    if (found) found.scrollIntoView({ block: "center" });
    else this.toEnd();
    this.measure();
    this.watch();
  }

  watch() {
    this.element.addEventListener("scroll", () => this.measure(), { passive: true });
    this.element.addEventListener("pending:added", () => {
      this.toEnd();
      this.measure();
    });
    this.jump.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the focus
    this.jump.addEventListener("click", () => this.jumpToEnd());
    onChildren(this.list, (nodes) => this.onAdded(nodes.filter((node) => node.nodeType === Node.ELEMENT_NODE)));
    this.stayAtEnd();
  }

  // Pending messages and the typing indicator push the end down.
  stayAtEnd() {
    const stay = () => this.isAtEnd && this.toEnd();
    const resized = new ResizeObserver(stay);
    resized.observe(this.element);
    for (const list of this.element.querySelectorAll("[data-pending], [data-held-list]")) resized.observe(list);
    onChildren(this.typing, stay);
  }

  announce(what, detail) {
    this.element.dispatchEvent(new CustomEvent(`timeline:${what}`, { bubbles: true, detail }));
  }

  toEnd() {
    this.element.scrollTop = this.element.scrollHeight;
  }

  // The button will be hidden: the focus must not be lost with it.
  jumpToEnd() {
    if (document.activeElement === this.jump) this.element.focus({ preventScroll: true });
    this.toEnd();
  }

  measure() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    this.fromEnd = scrollHeight - scrollTop;
    this.isAtEnd = this.fromEnd - clientHeight < NEAR;
    this.element.toggleAttribute("data-at-end", this.isAtEnd);
    if (this.isAtEnd) this.setUnseen(0);
  }

  onAdded(items) {
    if (!items.length) return;
    this.announce("items", items); // removes pending messages that have arrived, before anything is measured
    decorate(this.list, items);
    const isEarlier = firstSeq(this.list) < this.first;
    this.first = firstSeq(this.list);
    const theirs = isEarlier ? [] : items.filter((item) => item.matches(".message--theirs"));
    for (const item of theirs) item.dataset.new = "";
    this.scroll(isEarlier, theirs.length);
    if (theirs.length) this.typing.replaceChildren();
    this.measure();
    this.announce("added", { theirs: theirs.length });
    fillGap(this.list);
  }

  scroll(isEarlier, theirs) {
    if (isEarlier) this.element.scrollTop = this.element.scrollHeight - this.fromEnd;
    else if (this.isAtEnd) this.toEnd();
    else this.setUnseen(this.unseen + theirs);
  }

  setUnseen(count) {
    this.unseen = count;
    this.jump.hidden = count === 0;
    if (count === 0) return;
    this.jump.querySelector("[data-jump-text]").textContent = countWord("newMessages", count);
  }
}

const firstSeq = (list) => [...list.children].map(seqOf).find((seq) => seq !== null) ?? 0;

function onChildren(element, callback) {
  const observer = new MutationObserver((changes) => callback(changes.flatMap((change) => [...change.addedNodes])));
  observer.observe(element, { childList: true });
}

function mountNew() {
  const list = messageList();
  if (!list || list.isMounted) return;
  list.isMounted = true;
  new Timeline(list).mount();
}

// An item arrives more than once: as a frame, in an answer, after a gap. It must be counted and read out only once.
function dropShown({ detail }) {
  for (const { swapSpec, fragment } of detail.tasks) {
    if (swapSpec.style !== "upsert") continue;
    for (const item of [...fragment.children]) {
      if (item.id && document.getElementById(item.id)) item.remove();
    }
  }
}

mountNew();
document.addEventListener("htmx:before:swap", dropShown);
document.addEventListener("htmx:after:swap", mountNew);
document.addEventListener("live:receipts", ({ detail }) => {
  const list = messageList();
  if (list?.dataset.number !== String(detail.number)) return;
  list.dataset.delivered = detail.delivered;
  list.dataset.read = detail.read;
  writeReceipts(list);
});
