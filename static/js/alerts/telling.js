// Tells an agent who looks elsewhere that somebody writes: by a sound, and by a notification.
import { post } from "../lib/http.js";
import { recall, remember } from "../lib/storage.js";
import { hearTabs, tellTabs } from "../lib/tabs.js";
import { pause } from "../lib/timing.js";
import { closeNotifications, isAllowed, notify, said, subscriptionHere } from "./registration.js";
import { play } from "./sound.js";

const SEEN_WITHIN = 200; // another tab of the desk may be looked at
const QUIET_FOR = 1500;

const desk = document.querySelector("[data-desk]");
const isLookedAt = () => !document.hidden && document.hasFocus();
const seen = new Set();

async function tell({ sound, desktop, ...shown }) {
  if (isLookedAt()) return tellTabs("alert seen", shown.tag);
  seen.delete(shown.tag);
  await pause(SEEN_WITHIN);
  if (seen.has(shown.tag)) return;
  if (sound) soundOnce();
  // All tabs show the same one, which replaces itself.
  if (desktop) notify({ ...shown, silent: sound });
}

// Of all tabs of this browser one is heard, and not more often than that.
function soundOnce() {
  if (!navigator.locks) return play();
  return navigator.locks.request("supportchat alert", { ifAvailable: true }, async (lock) => {
    if (lock && (await play())) await pause(QUIET_FOR);
  });
}

function look() {
  if (isLookedAt()) closeNotifications();
}

// The login session may be another one than the one that had this browser notified.
async function announce() {
  if (!isAllowed() || recall("alerts", "announced")) return;
  const subscription = await subscriptionHere();
  if (!subscription) return;
  const values = said(subscription);
  values.set("known", "y");
  const answer = await post("/alerts/devices", values).catch(() => null);
  if (answer?.ok) remember("alerts", "announced", "yes");
}

// A notification was clicked.
function open({ data }) {
  if (!data?.open) return;
  const address = new URL(data.open, window.location);
  const number = address.searchParams.get("ticket");
  const link = number && desk.querySelector(`[data-row="${CSS.escape(number)}"] a`);
  if (link) link.click();
  else window.location.assign(address.pathname + address.search);
}

if (desk) {
  document.addEventListener("live:alert", ({ detail }) => tell(detail));
  document.addEventListener("live:alert_ended", ({ detail: { tag } }) => closeNotifications({ tag }));
  hearTabs("alert seen", (tag) => seen.add(tag));
  document.addEventListener("visibilitychange", look);
  window.addEventListener("focus", look);
  navigator.serviceWorker?.addEventListener("message", open);
  navigator.serviceWorker?.startMessages();
  look();
  announce();
}
