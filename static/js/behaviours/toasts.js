// A toast goes when its time has run out; the style lets that stand still while somebody points at it, or has come to it by
// keyboard.

document.addEventListener("animationend", (event) => {
  if (event.target.matches("[data-toast]")) event.target.remove();
});
