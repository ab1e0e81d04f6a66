// Shows a picture large over the page. Without this it opens in a tab of its own.

const dialog = document.querySelector("[data-lightbox]");

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-enlarge]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    const picture = dialog.querySelector("[data-lightbox-picture]");
    picture.src = link.href;
    picture.alt = link.querySelector("img").alt;
    dialog.showModal();
  } else if (event.target === dialog || event.target.matches("[data-lightbox-picture]")) {
    dialog.close();
  }
});
