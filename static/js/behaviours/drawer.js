// On a narrow desk the customer's details slide over the ticket.

const desk = document.querySelector("[data-desk]");

function show(open) {
  desk.toggleAttribute("data-drawer-open", open);
  desk.querySelector("[data-drawer]")?.setAttribute("aria-expanded", String(open));
}

function toggle(open) {
  show(open);
  desk.querySelector(open ? "[data-drawer-close]" : "[data-drawer]")?.focus();
}

desk?.addEventListener("click", ({ target }) => {
  if (target.closest("[data-drawer]")) toggle(!desk.hasAttribute("data-drawer-open"));
  else if (!target.closest("#customer")) show(false);
  if (target.closest("[data-drawer-close]")) toggle(false);
});
desk?.addEventListener("keydown", ({ key }) => {
  if (key === "Escape" && desk.hasAttribute("data-drawer-open")) toggle(false);
});
