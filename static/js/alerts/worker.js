// Shows notifications while no page is open. It answers no request of any page, and keeps nothing.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("push", (event) => event.waitUntil(receive(event.data)));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data?.address ?? "/agent"));
});
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew(event)));

async function receive(data) {
  const message = data.json();
  if (message.kind === "end") return close(message.tag);
  const { title, navigate, ...shown } = message.notification;
  await self.registration.showNotification(title, { ...shown, data: { address: navigate } });
  await say("/alerts/arrived", { push: message.push });
  for (const page of await pages()) page.postMessage({ arrived: message.push });
}

async function close(tag) {
  for (const notification of await self.registration.getNotifications({ tag })) notification.close();
}

async function open(address) {
  const desk = (await pages()).find(({ url }) => new URL(url).pathname === "/agent");
  if (!desk) return self.clients.openWindow(address);
  await desk.focus();
  desk.postMessage({ open: address });
}

const pages = () => self.clients.matchAll({ type: "window", includeUncontrolled: true });

async function renew({ oldSubscription, newSubscription }) {
  const options = oldSubscription?.options;
  const subscription = newSubscription ?? (options && (await self.registration.pushManager.subscribe(options)));
  if (!subscription) return;
  const { endpoint, keys } = subscription.toJSON();
  await say("/alerts/devices", { endpoint, p256dh: keys.p256dh, auth: keys.auth });
}

const say = (path, values) => fetch(path, { method: "POST", body: new URLSearchParams(values) }).catch(() => null);
