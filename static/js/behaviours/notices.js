// The corner of the page for what went wrong, and the desk's toasts.
import { isOurs, isPassing, reasonOf } from "../lib/http.js";

const notice = document.getElementById("notice");

// What a proxy answers, or a hotel's login page, is not shown: the page stays as it is, and whoever asked for something is
// told that it has not been done.
document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = event.detail;
  if (isOurs(ctx.response)) return;
  event.preventDefault();
  showUnreached(ctx, ctx.response.ok ? 0 : ctx.response.status);
});
document.addEventListener("htmx:error", ({ detail }) => {
  if (detail.ctx && !detail.ctx.response) showUnreached(detail.ctx);
});

// The page tries its own requests again; a message says in its form how it stands.
function showUnreached(ctx, status = 0) {
  if (ctx.outgoing || !["click", "submit"].includes(ctx.sourceEvent?.type)) return;
  const code = status ? ` (${status})` : "";
  notice.textContent = isPassing(status, false)
    ? `The desk could not be reached${code}. Try again in a moment.`
    : reasonOf(status);
  notice.dataset.unreached = "";
}

document.addEventListener("live:caught_up", () => {
  if ("unreached" in notice.dataset) notice.replaceChildren();
  delete notice.dataset.unreached;
});
document.addEventListener("htmx:before:swap", ({ detail }) => {
  if (detail.tasks.some(({ target }) => target === notice)) delete notice.dataset.unreached;
});

// At the desk a notice answers what somebody did, and stays until they do the next thing. Requests that the page makes by
// itself leave it.
const desk = document.querySelector("[data-desk]");
desk?.addEventListener("submit", () => notice.replaceChildren(), { capture: true });
desk?.addEventListener("htmx:before:request", ({ detail }) => {
  if (detail.ctx.sourceEvent?.type === "click") notice.replaceChildren();
});

// The style stops the animation while somebody points at a toast or has the focus in it.
document.addEventListener("animationend", ({ target }) => {
  if (target.matches("[data-toast]")) target.remove();
});
