// Whether a reply or a note is written, for styles of browsers that cannot ask the buttons by themselves.

document.addEventListener("change", ({ target }) => {
  const modes = target.closest("[data-modes]");
  if (modes) modes.parentElement.dataset.writes = target.value;
});
