// The link to earlier messages; Ctrl+P fetches them all first.

const UNSPOKEN_FOR = 1000;
const link = () => document.getElementById("earlier-link");

// Screen readers must not read them all out. The last ones remove the link, which had the focus.
document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
  if (ctx.sourceElement?.id !== "earlier-link") return;
  ctx.timeline = ctx.sourceElement.closest("[data-timeline]");
  const log = ctx.timeline.querySelector("[role=log]");
  log.ariaLive = "off";
  setTimeout(() => (log.ariaLive = "polite"), UNSPOKEN_FOR);
});
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (document.activeElement === document.body) ctx.timeline?.focus({ preventScroll: true });
});

async function printAll() {
  for (let before = null; link() && link().href !== before;) {
    before = link().href;
    await htmx.ajax("GET", link().getAttribute("hx-get"), {
      source: link(),
      target: "[data-messages]",
      swap: "upsert key:data-seq",
    });
  }
  window.print();
}

document.addEventListener("keydown", (event) => {
  if (event.key?.toLowerCase() !== "p" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
  if (!link()) return;
  event.preventDefault();
  printAll();
});
