const ITEMS = "a[href], button:not(:disabled)";

function closeAll(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== except) menu.open = false;
  }
}

function close(menu) {
  closeAll();
  menu.querySelector("summary").focus();
}

function move(menu, key) {
  menu.open = true;
  const items = [...menu.querySelectorAll(ITEMS)].filter((item) => item.getClientRects().length);
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? -1 : at - 1, Home: 0, End: -1 }[key];
  items.at(to % items.length)?.focus();
}

document.addEventListener("click", (event) => closeAll(event.target.closest("details.menu")));
document.addEventListener("focusin", (event) => closeAll(event.target.closest("details.menu")));
document.addEventListener("keydown", (event) => {
  const open = document.querySelector("details.menu[open]");
  if (event.key === "Escape" && open) close(open);
  const menu = event.target.closest?.("details.menu");
  if (!menu || !["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
  event.preventDefault();
  move(menu, event.key);
});
