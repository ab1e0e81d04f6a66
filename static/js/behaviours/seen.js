// A reply says which message of the customer its author had seen: what came later may change what they want to say.
import { fetchMissing, messageList, shownSeq } from "../lib/messages.js";

const SEEN_AFTER = 2000; // in view
const desk = document.querySelector("[data-desk]");
let list = null;
let seen = 0;
let isTold = false;

const isInView = () =>
  document.visibilityState === "visible" && list.closest("[data-timeline]").hasAttribute("data-at-end");

// A ticket that was just opened is read first.
function onShown() {
  if (messageList() === list) return;
  list = messageList();
  seen = list ? shownSeq(list) : 0;
  isTold = false;
}

function look(seq = shownSeq(list)) {
  if (list?.isConnected && isInView()) seen = Math.max(seen, seq);
}

function lookForAWhile() {
  if (!list) return;
  const [shown, seq] = [list, shownSeq(list)];
  setTimeout(() => shown === list && look(seq), SEEN_AFTER);
}

function onTyped({ target }) {
  if (target.id !== "reply-text" || !list) return;
  isTold = false;
  look();
}

function say({ target, formData }) {
  if (target.id !== "reply") return;
  formData.set("seen", isTold ? "" : seen);
}

function onRefused({ detail: code }) {
  if (code !== "messages_came") return;
  isTold = true;
  fetchMissing(list);
}

function showNewest({ target }) {
  if (!target.closest("[data-look]")) return;
  document.getElementById("reply-error").replaceChildren();
  const timeline = list.closest("[data-timeline]");
  timeline.scrollTop = timeline.scrollHeight;
  document.getElementById("reply-text").focus({ preventScroll: true });
}

if (desk) {
  onShown();
  desk.addEventListener("htmx:after:swap", onShown);
  desk.addEventListener("input", onTyped);
  desk.addEventListener("composer:refused", onRefused);
  desk.addEventListener("composer:sent", () => (isTold = false));
  desk.addEventListener("click", showNewest);
  document.addEventListener("formdata", say);
  for (const name of ["timeline:added", "visibilitychange"]) document.addEventListener(name, lookForAWhile);
  document.addEventListener("scroll", lookForAWhile, { capture: true, passive: true });
}
