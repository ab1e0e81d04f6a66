// Ctrl+P prints the whole conversation: what the page has not shown yet is fetched first.

const link = () => document.getElementById("earlier-link");

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
