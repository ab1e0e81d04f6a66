// Faces of the colleagues who look at a ticket or write there: in its head and in its row.
import { forgetLookers, noteLookers, showLookers } from "../lib/lookers.js";

const desk = document.querySelector("[data-desk]");

// They come with news of the queue, but move nothing: so they need not wait for the pointer.
function takeLookers({ detail: { tasks } }) {
  const tray = tasks.find(({ target }) => target?.id === "queue-tray");
  const told = tray ? [...tray.fragment.children].filter((element) => element.matches("[data-lookers]")) : [];
  for (const element of told) {
    noteLookers(element);
    element.remove();
  }
  if (told.length) showLookers();
}

if (desk) {
  desk.addEventListener("htmx:before:swap", takeLookers);
  desk.addEventListener("htmx:after:swap", () => showLookers());
  // Whoever has left meanwhile is not told any more.
  desk.addEventListener("htmx:ws:after:connection", forgetLookers);
}
