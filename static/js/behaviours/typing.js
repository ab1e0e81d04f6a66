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

document.addEventListener("composer:sent", () => {
  path = "";
});
