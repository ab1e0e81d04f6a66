// The other side hides it 3.5 s after it was last told.
import { tell } from "../lib/http.js";
import { messageList } from "../lib/messages.js";
import { isLive, say } from "./live.js";

const SAY_EVERY = 2000;
let saidAt = -SAY_EVERY;

document.addEventListener("input", (event) => {
  const form = event.target.closest?.("[data-text]")?.closest("form[data-typing]");
  const now = performance.now();
  if (!form || !event.target.value.trim() || now - saidAt < SAY_EVERY) return;
  saidAt = now;
  if (isLive()) say({ typing: messageList().dataset.epoch, mode: form.dataset.typingMode });
  else if (form.dataset.typing) tell(form.dataset.typing);
});
