// Which state of a ticket is the newer one: each change of it counts its version up.

const shownVersion = (number) =>
  Number(document.querySelector(`[data-version][data-ticket="${number}"]`)?.dataset.version ?? 0);

// An answer that was overtaken, by that to a claim for one, would take the reply box away. Its lines are as good as any.
document.addEventListener("htmx:before:swap", ({ detail: { tasks } }) => {
  const head = tasks.map(({ fragment }) => fragment?.querySelector("[data-version]")).find(Boolean);
  if (!head || Number(head.dataset.version) >= shownVersion(head.dataset.ticket)) return;
  const stale = ["ticket-header", "ticket-composer", "customer"].map((name) => `${name}-${head.dataset.ticket}`);
  tasks.splice(0, tasks.length, ...tasks.filter(({ target }) => !stale.includes(target?.id)));
});

// Without a socket, the desk learns from the answers to its questions that a ticket has changed.

document.addEventListener("live:ticket_version", ({ detail }) => {
  const shown = shownVersion(detail.number);
  if (shown && shown !== detail.version) {
    document.dispatchEvent(new CustomEvent("live:ticket_changed", { detail }));
  }
});
