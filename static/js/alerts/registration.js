// The worker that shows notifications, and this browser's subscription to them.
const SCOPE = "/alerts/";

export const isAble = () =>
  window.isSecureContext && "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

export const isAllowed = () => isAble() && Notification.permission === "granted";

// The only address that the policy of this name makes.
const policy = window.trustedTypes?.createPolicy("worker", { createScriptURL: () => `${SCOPE}worker.js` });

export function register() {
  return navigator.serviceWorker.register(policy?.createScriptURL("") ?? `${SCOPE}worker.js`, { scope: SCOPE });
}

const known = async () => (isAble() ? navigator.serviceWorker.getRegistration(SCOPE) : null);

export const subscriptionHere = async () => (await known())?.pushManager.getSubscription() ?? null;

export async function subscribe(applicationServerKey) {
  const registration = await register();
  await isActive(registration);
  const options = { userVisibleOnly: true, applicationServerKey };
  try {
    return await registration.pushManager.subscribe(options);
  } catch (error) {
    if (error.name !== "InvalidStateError") throw error;
    await (await registration.pushManager.getSubscription())?.unsubscribe(); // of another key
    return registration.pushManager.subscribe(options);
  }
}

async function isActive({ installing, waiting, active }) {
  if (active) return;
  const worker = installing ?? waiting;
  await new Promise((resolve) => {
    worker.addEventListener("statechange", () => worker.state === "activated" && resolve());
  });
}

// As the desk takes it.
export function said(subscription) {
  const { endpoint, keys } = subscription.toJSON();
  return new URLSearchParams({ endpoint, p256dh: keys.p256dh, auth: keys.auth });
}

export async function hashOf({ endpoint }) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(endpoint)));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function notify({ title, number, ...shown }) {
  if (!isAllowed()) return;
  const registration = await register();
  await isActive(registration);
  const address = `/agent?ticket=${number}`;
  await registration.showNotification(title, { ...shown, data: { address } });
}

export async function closeNotifications(filter = undefined) {
  const shown = (await (await known())?.getNotifications(filter)) ?? [];
  for (const notification of shown) notification.close();
}
