// Deleting the chat's key, or erasing the chat, also deletes what the browser has stored of the chat.
import { allOutboxes } from "../lib/outbox.js";
import { remember, remembered } from "../lib/storage.js";
import { hearTabs, tellTabs } from "../lib/tabs.js";

export function forget() {
  for (const form of document.querySelectorAll("form[data-form]")) form.reset(); // or the drafts would be stored again
  for (const outbox of allOutboxes()) outbox.clear();
  for (const kind of ["draft", "unsent"]) for (const key of remembered(kind)) remember(kind, key, "");
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-forget]") || event.defaultPrevented) return;
  forget();
  window.addEventListener("pagehide", () => tellTabs("forgotten"));
});
if (document.querySelector("[data-forget]")) {
  document.addEventListener("live:erased", () => {
    forget();
    const address = new URL(window.location);
    address.searchParams.set("erased", "");
    window.location.replace(address);
  });
  hearTabs("forgotten", () => {
    forget();
    window.location.reload();
  });
}
