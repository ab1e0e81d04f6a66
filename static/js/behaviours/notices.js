import { isOurs, isPassing, reasonOf } from "../lib/http.js";
import { word } from "../lib/words.js";

const notice = document.getElementById("notice");

// The page of a proxy, or a hotel's login page, is never shown in ours.
document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = event.detail;
  if (isOurs(ctx.response)) return;
  event.preventDefault();
  showUnreached(ctx, ctx.response.ok ? 0 : ctx.response.status);
});
document.addEventListener("htmx:error", ({ detail }) => {
  if (detail.ctx && !detail.ctx.response) showUnreached(detail.ctx);
});

// The page repeats its own requests; a message shows its own state.
function showUnreached(ctx, status = 0) {
  if (ctx.outgoing || !["click", "submit"].includes(ctx.sourceEvent?.type)) return;
  const unreached = word(status ? "unreachedStatus" : "unreached", { status });
  notice.textContent = isPassing(status, false) ? unreached : reasonOf(status);
  notice.dataset.unreached = "";
}

document.addEventListener("live:caught_up", () => {
  if ("unreached" in notice.dataset) notice.replaceChildren();
  delete notice.dataset.unreached;
});
document.addEventListener("htmx:before:swap", ({ detail }) => {
  if (detail.tasks.some(({ target }) => target === notice)) delete notice.dataset.unreached;
});

// At the desk a notice stays until the agent does the next thing; requests of the page itself leave it.
const desk = document.querySelector("[data-desk]");
desk?.addEventListener("submit", () => notice.replaceChildren(), { capture: true });
desk?.addEventListener("htmx:before:request", ({ detail }) => {
  if (detail.ctx.sourceEvent?.type === "click") notice.replaceChildren();
});

// What a page brings along is read out only when it comes into a place that is there already. It is said once.
const brought = document.querySelector("[data-brought]");
if (brought) {
  const place = brought.parentElement;
  brought.remove();
  setTimeout(() => place.childElementCount || place.append(brought), 300);
  const address = new URL(window.location);
  address.searchParams.delete("saved");
  history.replaceState(history.state, "", address);
}

// CSS pauses the animation while a toast is pointed at or has the focus.
document.addEventListener("animationend", ({ target }) => {
  if (target.matches("[data-toast]")) target.remove();
});

// That of a held reply stays until it is sent, whoever points at it.
document.addEventListener("htmx:after:swap", () => {
  for (const toast of document.querySelectorAll("[data-toast-seconds]")) {
    toast.style.animationDuration = `${toast.dataset.toastSeconds}s`;
    toast.style.animationPlayState = "running";
    delete toast.dataset.toastSeconds;
  }
});
