// Whoever has just started a chat goes on writing: the focus moves from the form that is gone into the box of the chat.

const form = document.querySelector("[data-after-start]");
const cameFrom = document.referrer && new URL(document.referrer).pathname;
// On a touch screen a keyboard would slide over the conversation.
if (form && cameFrom === window.location.pathname && window.matchMedia("(pointer: fine)").matches) {
  form.querySelector("[data-text]").focus();
}
