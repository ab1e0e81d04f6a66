// The script for other sites: the desk's link on their page becomes a button that opens the chat in a frame.
// The desk fills SUPPORTCHAT_SITE in when it serves this.
import { keep } from "./storage.js";
import { add, draw, sheetOf } from "./view.js";
import { forgetVisit, seen } from "./visit.js";

const site = SUPPORTCHAT_SITE;
const script = document.currentScript;
const early = window.supportchat;

function start() {
  const SILENT_FOR = 1500; // after which a frame that has loaded is not the chat
  const NEVER_AFTER = 12_000;
  const MOVED_AFTER = 400; // single-page apps write the title after the address
  const PHONE = 480; // pixels, up to which the chat has the whole window: as in widget.css
  const OPEN = "open";
  const LEAVING = "0";

  const desk = new URL(script.src).origin;
  const isWay = (link) => link?.origin === desk && link.pathname === "/chat";
  const link = [script.previousElementSibling, ...document.links].find(isWay);
  const href = link?.href ?? `${desk}/chat`;
  const key = new URL(href).searchParams.get("site") ?? "main";
  const label = link?.textContent.trim() || desk;
  const { host, panel, way, button, ...view } = draw(site.color, href, label);
  const name = `supportchat:${key}`;
  const listeners = {};

  let frame = null;
  let isReady = false;
  let isTab = origin === "null"; // the chat cannot run in a frame here
  let isOpen = false;
  let token = null;
  let told = null;
  let unread = null;
  let moved = 0;

  // Whether this browser has a chat, or is known as somebody: "1", "0" while that is being left, or "".
  const known = (value) => keep("localStorage", name, value);
  let isLeaving = known() === LEAVING; // on an earlier page, which did not wait for it
  const emit = (type, detail) => listeners[type]?.forEach((listener) => listener(detail));
  const send = (type, more) => frame.contentWindow.postMessage({ supportchat: type, ...more }, desk);

  function makeFrame() {
    if (frame || isTab) return;
    frame = add(panel, "iframe", { title: label, src: href });
    frame.onload = () => {
      isReady = false;
      send("hello", { isOpen, token: (told = isLeaving ? null : token), visit: site.follow ? seen() : null });
      setTimeout(giveUp, SILENT_FOR);
    };
    setTimeout(giveUp, NEVER_AFTER);
  }

  function giveUp() {
    if (isReady) return;
    isTab = true;
    panel.classList.add("late");
    if (isOpen) way.focus();
  }

  function turn(to, keepsFocus) {
    if (to === isOpen) return;
    view.turn((isOpen = to));
    keep("sessionStorage", name, to ? OPEN : "close");
    if (to) makeFrame();
    if (!keepsFocus) (to ? frame : button)?.focus({ preventScroll: true });
    if (isReady) send(to ? OPEN : "close");
    emit(to ? OPEN : "close");
  }

  function count(now) {
    if (now === unread) return;
    view.count((unread = now));
    emit("unread", unread);
  }

  const heard = {
    __proto__: null,
    ready(said) {
      isReady = true;
      isTab = !said.canWork;
      panel.classList.remove("late");
      panel.classList.add("ready");
      isLeaving &&= said.hasChat || told;
      if (isLeaving) return send("logout");
      // What was said since its hello.
      if (isOpen) send(OPEN);
      if (token !== told) api.identify(token);
      known(said.hasChat ? "1" : "");
      count(said.unread);
    },
    unread: (said) => count(said.unread),
    message: () => emit("message"),
    identified: (said) => emit("identified", said.isIdentified),
    close: () => turn(false),
  };

  const api = {
    isLoaded: true,
    open() {
      if (!isTab) return turn(true);
      const tab = window.open(href);
      if (tab) tab.opener = null;
      else location.assign(href);
    },
    close: () => turn(false),
    toggle: () => (isOpen ? turn(false) : api.open()),
    show: () => (host.hidden = false),
    hide() {
      turn(false);
      host.hidden = true;
    },
    identify(signed) {
      token = signed;
      if (isReady && !isLeaving) send("identify", { token: (told = token) });
      else if (known()) makeFrame();
    },
    logout() {
      token = null;
      forgetVisit();
      count(0);
      if (frame || known()) {
        isLeaving = true;
        known(LEAVING); // until the frame says that it has left
        if (isReady) send("logout");
        else makeFrame();
      }
    },
    page() {
      if (!host.isConnected) document.documentElement.append(host);
      clearTimeout(moved);
      if (site.follow) moved = setTimeout(() => (isReady ? send("page", { visit: seen() }) : seen()), MOVED_AFTER);
    },
    on: (type, listener) => (listeners[type] ??= []).push(listener),
  };

  addEventListener("message", ({ source, origin, data }) => {
    if (source === frame?.contentWindow && origin === desk) heard[data.supportchat]?.(data);
  });
  button.onclick = api.toggle;
  button.onpointerenter = button.onfocus = makeFrame;
  panel.onkeydown = ({ key }) => key === "Escape" && turn(false);
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.shiftKey) return;
    if (!isWay(event.target.closest?.("a"))) return;
    event.preventDefault();
    api.open();
  });
  // A browser without the first has no way to hear of history.pushState: its site calls page().
  window.navigation?.addEventListener("currententrychange", api.page);
  addEventListener("popstate", api.page);
  visualViewport.addEventListener("resize", ({ target }) => panel.style.setProperty("--height", `${target.height}px`));

  // The link beside the script is the button now. A rule and not an attribute: the site may put the link in place again. Nothing
  // of the link is in it: one elsewhere on the page may be written by anybody.
  const rule = `a[href*="/chat"]:has(+script[src="${script.getAttribute("src")}"]){display:none}`;
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheetOf(rule)];
  view.turn(false);
  count(0);
  if (site.follow) seen();
  api.page();

  window.supportchat = api;
  const play = ([method, ...values]) => api[method](...values);
  const calls = early?.calls ?? [];
  calls.forEach(play);
  calls.push = play; // for who has kept the stub

  const before = isLeaving || keep("sessionStorage", name); // on another page of this visit
  if (before === OPEN && innerWidth > PHONE) turn(true, true);
  else if (known() && before) makeFrame();
  else if (known()) {
    fetch(`${desk}/chat/unread?site=${key}`, { credentials: "include" })
      .then((answer) => answer.json())
      .then((found) => found && (count(found), makeFrame()))
      .catch(() => {});
  }
}

if (early?.isLoaded === true) early.page();
else if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
