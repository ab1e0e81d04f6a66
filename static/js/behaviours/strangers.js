// What a proxy in between answers, or a hotel's login page, is not for the page to show: what is there stays.
import { isOurs } from "../lib/http.js";

const notice = document.getElementById("notice");

document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = event.detail;
  if (isOurs(ctx.response)) return;
  event.preventDefault();
  // What the page does by itself it tries again; a message says in its form how it stands.
  if (ctx.sourceEvent?.type === "click" || ctx.sourceEvent?.type === "submit") {
    notice.textContent = `The desk could not be reached (${ctx.response.status}). Try again in a moment.`;
  }
});
