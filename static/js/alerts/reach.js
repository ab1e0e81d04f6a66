// "Does it reach me?": what keeps notifications from this browser, and the button that turns them on.
import { post } from "../lib/http.js";
import { hashOf, isAble, said, subscribe, subscriptionHere } from "./registration.js";
import { play } from "./sound.js";

const part = () => document.querySelector("[data-reach]");
let isNew = false;
const rows = () => [...document.querySelectorAll("[data-device]")];

async function stateHere() {
  if (!window.isSecureContext) return "insecure";
  if (navigator.standalone === false) return "home"; // iOS alone has it
  if (!isAble()) return "unsupported";
  if (Notification.permission === "denied") return "denied";
  return (await ownRow()) ? "on" : "off";
}

async function ownRow() {
  const subscription = await subscriptionHere();
  if (!subscription || Notification.permission !== "granted") return null;
  const hash = await hashOf(subscription);
  return rows().find(({ dataset }) => dataset.device === hash) ?? null;
}

async function show(state = null) {
  if (!part()) return;
  const now = state ?? (await stateHere());
  for (const line of part().querySelectorAll("[data-reach-state]")) line.hidden = line.dataset.reachState !== now;
  part().querySelector("[data-reach-on]").hidden = !["off", "failed", "refused"].includes(now);
  part().querySelector("[data-sound-part]").hidden = !window.AudioContext;
  const own = await ownRow();
  for (const row of rows()) row.querySelector("[data-this-device]").hidden = row !== own;
}

async function turnOn(button) {
  button.disabled = true;
  if ((await Notification.requestPermission()) === "granted") await add();
  else await show();
  button.disabled = false;
}

async function add() {
  let subscription;
  try {
    subscription = await subscribe(part().dataset.publicKey);
  } catch {
    return show("failed");
  }
  const answer = await post(part().dataset.devices, said(subscription)).catch(() => null);
  if (!answer?.ok) return show("refused");
  isNew = true;
  refresh();
}

const refresh = () => htmx.trigger(document.getElementById("devices"), "refresh");

// It is not on before something has come.
async function test() {
  const row = isNew && (await ownRow());
  if (!row) return;
  isNew = false;
  row.querySelector("form").requestSubmit();
}

async function forget(row) {
  if (row === (await ownRow())) await (await subscriptionHere())?.unsubscribe();
}

if (part()) {
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-reach-on]");
    if (button) turnOn(button);
    if (target.closest("[data-sound-test]")) play();
  });
  document.addEventListener("submit", ({ target }) => {
    if (target.matches("[data-forget-device]")) forget(target.closest("[data-device]"));
  });
  document.addEventListener("htmx:after:swap", () => {
    show();
    test();
  });
  document.addEventListener("visibilitychange", () => document.hidden || show());
  navigator.serviceWorker?.addEventListener("message", ({ data }) => data?.arrived && refresh());
  navigator.serviceWorker?.startMessages();
  show();
}
