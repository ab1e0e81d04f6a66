// Lets the other side see that somebody is typing here.
import { tell } from "../lib/http.js";
import { throttle } from "../lib/timing.js";

let path = "";
const say = throttle(() => path && tell(path), 3000);

document.addEventListener("input", (event) => {
  const form = event.target.closest?.("[data-text]")?.closest("form[data-typing]");
  if (!form || !event.target.value.trim()) return;
  path = form.dataset.typing;
  say();
});

// What is sent is typed no more: the call that is still due would arrive after the message.
document.addEventListener("submit", () => (path = ""), { capture: true });
