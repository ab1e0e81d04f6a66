// Whoever has the server forget this browser's chat leaves nothing of it in the browser either.
import { dropPicture } from "../lib/pictures.js";
import { remember, remembered } from "../lib/storage.js";
import { hearTabs, tellTabs } from "../lib/tabs.js";
import { allLines } from "../lib/outbox.js";

function forgetAll() {
  for (const line of allLines()) for (const { id } of line.messages) dropPicture(id);
  for (const kind of ["draft", "unsent"]) for (const key of remembered(kind)) remember(kind, key, "");
}

// The boxes are emptied as well: nothing keeps what is in them once more.
function forget() {
  for (const form of document.querySelectorAll("form[data-form]")) form.reset();
  forgetAll();
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-forget]") || event.defaultPrevented) return;
  forget();
  window.addEventListener("pagehide", () => tellTabs("forgotten"));
});
if (document.querySelector("[data-forget]")) {
  hearTabs("forgotten", () => {
    forget();
    window.location.reload();
  });
}
