const dialog = document.querySelector("[data-lightbox]");
const view = dialog.querySelector("[data-lightbox-view]");
const picture = dialog.querySelector("[data-lightbox-picture]");
const button = dialog.querySelector("[data-lightbox-zoom]");
// Beyond these ratios a picture is scrolled instead of shown whole.
const TALL = 2.5;
const WIDE = 4;

const isClose = () => dialog.dataset.zoom === "close";

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-enlarge]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  open(link);
});

function open(link) {
  zoom(false);
  dialog.dataset.shape = "";
  picture.src = link.href;
  picture.alt = link.querySelector("img").alt;
  dialog.showModal();
  view.focus();
}

picture.addEventListener("load", () => {
  const { naturalWidth: width, naturalHeight: height } = picture;
  dialog.dataset.shape = height > TALL * width ? "tall" : width > WIDE * height ? "wide" : "";
  view.scrollTo(0, 0);
});

dialog.addEventListener("close", () => {
  if (dialog.open) return; // again: the event comes a moment later
  picture.removeAttribute("src");
  zoom(false);
});

// To at least twice its size: zooming must always do something.
function zoom(close, point = null) {
  const before = picture.getBoundingClientRect();
  dialog.dataset.zoom = close ? "close" : "fit";
  button.setAttribute("aria-pressed", String(close));
  picture.style.inlineSize = close ? `${Math.max(picture.naturalWidth, 2 * before.width)}px` : "";
  if (point && before.width && before.height) keepInPlace(point, before);
}

function keepInPlace(point, before) {
  const after = picture.getBoundingClientRect();
  const part = { x: (point.x - before.left) / before.width, y: (point.y - before.top) / before.height };
  view.scrollBy(after.left + part.x * after.width - point.x, after.top + part.y * after.height - point.y);
}

function middle() {
  const { left, top, width, height } = view.getBoundingClientRect();
  return { x: left + width / 2, y: top + height / 2 };
}

dialog.addEventListener("click", (event) => {
  if (event.target === picture) zoom(!isClose(), { x: event.clientX, y: event.clientY });
  else if (event.target.closest("[data-lightbox-zoom]")) zoom(!isClose(), middle());
  else if (!event.target.closest("form")) dialog.close();
});

dialog.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isToggle = event.target === view && ["Enter", " "].includes(event.key);
  if (isToggle) zoom(!isClose(), middle());
  else if (["+", "="].includes(event.key)) zoom(true, middle());
  else if (["-", "0"].includes(event.key)) zoom(false, middle());
  else return;
  event.preventDefault();
});

// Pinching on a touchpad arrives as a wheel event with ctrlKey.
dialog.addEventListener(
  "wheel",
  (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    if (event.deltaY < 0 !== isClose()) zoom(event.deltaY < 0, { x: event.clientX, y: event.clientY });
  },
  { passive: false },
);
