// Asks before something is done that cannot be undone, by a dialog of the page: in a frame that forbids it, a dialog of
// the browser is never shown, and counts as a no.

const dialog = document.querySelector("[data-confirm]");

function ask(question, answer) {
  dialog.querySelector("[data-confirm-question]").textContent = question;
  dialog.querySelector("[data-confirm-yes]").textContent = answer;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

// Of a form or a button.
const buttonOf = (element) => (element.matches("button") ? element : element.querySelector("button"));
const labelOf = (element) => element.dataset.confirmLabel ?? buttonOf(element)?.textContent.trim() ?? "Yes";

// Requests of htmx: hx-confirm has the question.
document.addEventListener("htmx:confirm", (event) => {
  event.preventDefault();
  const { ctx, issueRequest, dropRequest } = event.detail;
  ask(ctx.confirm, labelOf(ctx.sourceElement)).then((isYes) => (isYes ? issueRequest() : dropRequest?.()));
});

// Forms without htmx: data-ask has it.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.ask || form.isConfirmed) return;
  event.preventDefault();
  form.isConfirmed = await ask(form.dataset.ask, labelOf(form));
  if (form.isConfirmed) form.requestSubmit();
});
