// Whoever has just started or ended a chat goes on in its box: the form or button that had the focus is gone.

const form = document.querySelector("[data-after-start]");
const cameFrom = document.referrer && new URL(document.referrer).pathname;

// On a touch screen a keyboard would slide over the conversation.
function focusBox() {
  if (window.matchMedia("(pointer: fine)").matches) document.querySelector("[data-after-start] [data-text]").focus();
}

if (form && cameFrom === window.location.pathname) focusBox();
if (form) {
  document.addEventListener("live:chat_state", () => {
    if (!document.activeElement.checkVisibility()) focusBox();
  });
}
