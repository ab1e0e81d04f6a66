// The chat in the widget of another site: what it says to the page around it, and what that page may tell it.
import { isFramed, isSeen, keepsCookies, setShut } from "../lib/embedding.js";
import { hasMouse } from "../lib/browser.js";
import { post } from "../lib/http.js";
import { messageList, seqOf } from "../lib/messages.js";
import { word } from "../lib/words.js";
import { identify, leave } from "./identity.js";
import { keepVisit } from "./visit.js";

const NO_WIDGET_AFTER = 3000; // a plain frame, as the site has written it into its page

let host = null; // the origin of the page around, which frame-ancestors has let in
let seenUpTo = Number(messageList()?.dataset.seen ?? 0);

const tell = (type, more) => host && window.parent.postMessage({ supportchat: type, ...more }, host);
const theirs = () => [...(messageList()?.querySelectorAll(".message--theirs") ?? [])].map(seqOf);
const unread = () => (isSeen() ? 0 : theirs().filter((seq) => seq > seenUpTo).length);

const heard = {
  __proto__: null,
  hello(said) {
    for (const field of document.querySelectorAll("[data-framed-on]")) field.value = host;
    for (const element of document.querySelectorAll("[data-embedded]")) element.hidden = false;
    setShut(!said.isOpen);
    if (said.isOpen) focusBox();
    keepVisit(said.visit);
    tellReady(said.token ? 0 : unread());
    if (said.token) tellWho(said);
  },
  open() {
    setShut(false);
    tell("unread", { unread: 0 });
    focusBox();
  },
  close() {
    seenUpTo = Math.max(seenUpTo, ...theirs());
    setShut(true);
  },
  page: (said) => keepVisit(said.visit),
  identify: tellWho,
  logout: leave,
};

function onMessage({ source, origin, data }) {
  if (source !== window.parent || origin !== (host ?? origin) || origin === "null") return;
  if (host === null && data?.supportchat !== "hello") return;
  const does = heard[data?.supportchat];
  if (!does) return;
  host = origin;
  does(data);
}

// On a touch screen the keyboard would cover the chat. A page that opens it anew keeps its focus.
function focusBox() {
  if (hasMouse() && document.hasFocus()) document.querySelector("[data-text]")?.focus({ preventScroll: true });
}

// `hasChat`: whether the page around has something to leave when its customer logs out.
function tellReady(count) {
  tell("ready", { canWork: keepsCookies(), hasChat: document.querySelector("[data-known]") !== null, unread: count });
}

async function tellWho({ token }) {
  const isIdentified = await identify(token);
  if (isIdentified) tellReady(unread());
  tell("identified", { isIdentified });
}

// Esc closes what is open inside first.
let isForInside = false;
function onEscape(event) {
  if (event.key === "Escape" && !event.isComposing && !event.defaultPrevented && !isForInside) tell("close");
}

// The window has to be opened during the click, and is sent on once the desk has made the link. It has cookies of its own.
async function openOwnWindow(event) {
  const link = event.target.closest("[data-own-window]");
  if (!link || host === null) return;
  event.preventDefault();
  const opened = window.open("about:blank", "_blank");
  if (!opened) {
    document.getElementById("notice").textContent = word("linkBlocked", { address: link.href });
    return;
  }
  opened.opener = null;
  const answer = await post(link.dataset.ownWindow).catch(() => null);
  opened.location.replace(answer?.ok ? new URL(await answer.text(), window.location) : link.href);
  tell("close");
}

if (isFramed) {
  window.addEventListener("message", onMessage);
  window.addEventListener("load", () => setTimeout(() => host ?? setShut(false), NO_WIDGET_AFTER));
  window.addEventListener(
    "keydown",
    (event) => {
      if (event.key === "Escape") isForInside = document.querySelector("dialog[open], details.menu[open]") !== null;
    },
    true,
  );
  window.addEventListener("keydown", onEscape);
  document.addEventListener("click", openOwnWindow);
  document.addEventListener("click", (event) => event.target.closest("[data-embedded-close]") && tell("close"));
  document.addEventListener("timeline:added", ({ detail }) => {
    if (detail.theirs) tell("message");
    tell("unread", { unread: unread() });
  });
}
