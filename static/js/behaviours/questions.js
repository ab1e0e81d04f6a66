// Without scripts it is done without asking.

const dialog = document.querySelector("[data-question]");
let button = null;
let asked = "";
let answered = null; // the button that may be pressed now

function ask() {
  asked = button.dataset.ask;
  dialog.querySelector("[data-question-title]").textContent = asked;
  dialog.querySelector("[data-question-text]").textContent = button.dataset.askText;
  dialog.querySelector("[data-question-yes]").textContent = button.dataset.askYes;
  dialog.querySelector("[data-question-yes]").classList.toggle("button--danger", "askDanger" in button.dataset);
  dialog.returnValue = "";
  dialog.showModal();
}

function onClose() {
  if (dialog.returnValue !== "yes" || !button.isConnected) return;
  // The question may have changed meanwhile: another agent has the ticket.
  if (button.dataset.ask !== asked) {
    if (button.dataset.ask) ask();
    return;
  }
  answered = button;
  button.click();
}

if (dialog) {
  // Before htmx, which listens at the button itself.
  document.addEventListener(
    "click",
    (event) => {
      const pressed = event.target.closest("[data-ask]");
      if (!pressed) return;
      if (pressed === answered) {
        answered = null;
        return;
      }
      event.preventDefault();
      event.stopPropagation();
      button = pressed;
      ask();
    },
    true,
  );
  dialog.addEventListener("close", onClose);
}
