// What is chosen counts at once: a picture, an entry of a list. Without scripts a button says so.
document.addEventListener("change", ({ target }) => {
  if (!target.matches("[data-submit-on-change]")) return;
  if (target.type !== "file" || target.files.length) target.form.requestSubmit();
});
