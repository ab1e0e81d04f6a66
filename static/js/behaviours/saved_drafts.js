// What an agent types is kept on the server as well, for their other pages. The last one to type has the last word; a box in
// which somebody is typing is left alone.
import { randomId } from "../lib/browser.js";
import { recallActs, rememberActs, showActs } from "../lib/acts.js";
import { formOf, textOf } from "../lib/forms.js";
import { ask, post } from "../lib/http.js";
import { state } from "../lib/queue_state.js";
import { recall, remember, remembered } from "../lib/storage.js";
import { debounce } from "../lib/timing.js";

const SAVE_AFTER = 1000;
const SAVE_EVERY = 3000;
const TRY_AGAIN_AFTER = 8000;
const TYPED_FOR = 4000;
const GIVES_UP = [403, 404, 409, 413, 422];
const REFUSED = "refused"; // it stays in this tab, and is newer than what the server has

const desk = document.querySelector("[data-desk]");
const page = randomId();
const typedAt = new Map();
let timer = null;

const partsOf = (key) => key.match(/^(reply|note)-(\d+)$/);
const textIn = (key) => recall("draft", key) ?? "";
const waiting = () => remembered("unsaved").filter((key) => recall("unsaved", key) !== REFUSED);
const isTyping = (key) => performance.now() - (typedAt.get(key) ?? -Infinity) < TYPED_FOR;

function onChanged({ detail: key }) {
  if (!partsOf(key)) return;
  remember("unsaved", key, "yes");
  typedAt.set(key, performance.now());
  timer ??= setTimeout(saveAll, SAVE_AFTER);
}

async function saveAll() {
  const saved = await Promise.all(waiting().map(save));
  timer = null;
  if (!waiting().length) return;
  timer = setTimeout(saveAll, saved.includes(false) ? TRY_AGAIN_AFTER : SAVE_EVERY);
}

async function save(key) {
  const text = textIn(key);
  const acts = recallActs(key);
  const response = await send(key, text, acts);
  if (response?.ok) remember("saved", key, String((await response.json()).saved_at));
  else if (!GIVES_UP.includes(response?.status)) return false;
  const isSame = textIn(key) === text && isDeepEqual(recallActs(key), acts);
  if (isSame) remember("unsaved", key, response.ok ? "" : REFUSED);
  return true;
}

// In parts: escaped for an address a long text is too large. Browsers outlive a page with 64 KB at most.
function send(key, text, acts) {
  const [, mode, number] = partsOf(key);
  const body = new FormData();
  for (const [name, value] of Object.entries({ mode, page, message: text })) body.set(name, value);
  for (const { name, value } of acts) body.set(name, value);
  const keepalive = document.visibilityState === "hidden";
  return post(`/tickets/${number}/drafts`, body, { keepalive }).catch(() => null);
}

// The page may be gone before the timer comes.
function saveNow() {
  if (document.visibilityState !== "hidden" || timer === null) return;
  clearTimeout(timer);
  saveAll();
}

function takeAll(drafts) {
  if (drafts.map(take).includes(true)) document.dispatchEvent(new CustomEvent("drafts:taken"));
}

const isDeepEqual = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function take({ number, mode, draft, acts, saved_at }) {
  const key = `${mode}-${number}`;
  if (recall("unsaved", key) || saved_at <= Number(recall("saved", key) ?? 0)) return false;
  if (isTyping(key)) {
    readLater();
    return false;
  }
  remember("saved", key, String(saved_at));
  remember("draft", key, draft);
  rememberActs(key, acts);
  const form = formOf(key);
  if (form) showActs(form, acts);
  if (form && textOf(form).value !== draft) {
    textOf(form).value = draft;
    form.dispatchEvent(new CustomEvent("composer:filled", { bubbles: true }));
  }
  return true;
}

const readSoon = debounce(read, 300);
const readLater = debounce(read, TYPED_FOR);

async function read() {
  try {
    takeAll((await (await ask("/tickets/drafts")).json()).drafts);
  } catch {
    // With the next queue.
  }
}

if (desk) {
  document.addEventListener("draft:changed", onChanged);
  document.addEventListener("visibilitychange", saveNow);
  document.addEventListener("live:drafts_changed", ({ detail }) => detail.page !== page && readSoon());
  document.addEventListener("queue:read", () => takeAll(state.drafts));
  takeAll(state.drafts);
  if (waiting().length) timer = setTimeout(saveAll, SAVE_AFTER);
}
