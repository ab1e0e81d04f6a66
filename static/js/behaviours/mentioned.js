// Notes that mention the agent: they stand out, and count as read once they have been in view.
import { messageList } from "../lib/messages.js";
import { tell } from "../lib/http.js";

const agent = document.querySelector("[data-desk]")?.dataset.agent;
const told = new WeakMap(); // by list: the number of the last note that was said to be read

const inView = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) target.toggleAttribute("data-in-view", isIntersecting);
  read();
});

function mark() {
  const list = messageList();
  if (!list) return;
  for (const name of list.querySelectorAll(`[data-mention~="${agent}"]:not(.mention--me)`)) {
    name.classList.add("mention--me");
    inView.observe(name.closest("[data-note-no]"));
  }
}

async function read() {
  const list = messageList();
  if (!list || document.hidden) return;
  const numbers = [...list.querySelectorAll("[data-in-view]")].map(({ dataset }) => Number(dataset.noteNo));
  const last = Math.max(0, ...numbers);
  const before = told.get(list) ?? 0;
  if (last <= before) return;
  told.set(list, last);
  if (!(await tell(list.dataset.mentions, { note: last }))) told.set(list, before);
}

if (agent) {
  for (const name of ["timeline:items", "htmx:after:swap"]) document.addEventListener(name, mark);
  document.addEventListener("visibilitychange", read);
  document.addEventListener("live:caught_up", read);
  mark();
}
