// What a proxy in between answers, or a hotel's login page, is not for the page to show: what is there stays. Whoever has
// asked for something is told that it has not been done, also when there was no answer at all.
import { isOurs } from "../lib/http.js";
import { isPassing, reasonOf } from "../lib/strangers.js";

const notice = document.getElementById("notice");

// What the page does by itself it tries again; a message says in its form how it stands.
function say(ctx, status = 0) {
  if (ctx.outgoing || !["click", "submit"].includes(ctx.sourceEvent?.type)) return;
  const code = status ? ` (${status})` : "";
  notice.textContent = isPassing(status, false)
    ? `The desk could not be reached${code}. Try again in a moment.`
    : reasonOf(status);
  notice.dataset.unreached = "";
}

// It stands there until the line is back: then it is not true any more.
document.addEventListener("live:caught_up", () => {
  if ("unreached" in notice.dataset) notice.replaceChildren();
  delete notice.dataset.unreached;
});
document.addEventListener("htmx:before:swap", ({ detail }) => {
  if (detail.tasks.some(({ target }) => target === notice)) delete notice.dataset.unreached;
});

document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = event.detail;
  if (isOurs(ctx.response)) return;
  event.preventDefault();
  say(ctx, ctx.response.ok ? 0 : ctx.response.status);
});
document.addEventListener("htmx:error", ({ detail }) => detail.ctx && !detail.ctx.response && say(detail.ctx));
