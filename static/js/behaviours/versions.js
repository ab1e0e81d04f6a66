// Without a socket, the desk learns from the answers to its questions that a ticket has changed.

document.addEventListener("live:ticket_version", ({ detail }) => {
  const shown = document.querySelector(`[data-version][data-ticket="${detail.number}"]`);
  if (shown && shown.dataset.version !== String(detail.version)) {
    document.dispatchEvent(new CustomEvent("live:ticket_changed", { detail }));
  }
});
