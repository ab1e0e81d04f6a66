// A row of the queue opens its ticket beside it. Rows that came in a frame have no attributes for htmx.
const pane = document.getElementById("ticket");

function open(event) {
  const link = event.target.closest("[data-open]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const { row } = link.closest("[data-row]").dataset;
  htmx.ajax("GET", `/tickets/${row}`, { source: pane, target: pane, event, push: link.pathname + link.search });
}

document.getElementById("queue")?.addEventListener("click", open);
