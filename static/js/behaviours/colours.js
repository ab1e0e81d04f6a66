// A field for a colour and the browser's own choice of one say the same. Browsers only know #rrggbb.
document.addEventListener("input", ({ target }) => {
  const chosen = target.dataset.colourFor;
  if (chosen) {
    const field = document.getElementById(chosen);
    field.value = target.value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  const swatch = document.querySelector(`[data-colour-for="${target.id}"]`);
  if (swatch && /^#[0-9a-f]{6}$/i.test(target.value)) swatch.value = target.value;
});
