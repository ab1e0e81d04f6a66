import { isField } from "../lib/fields.js";

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

export const openMenu = (menu) => move(menu, "Home");

// A menu near the end of a page opens upwards, if there is room.
function turn(menu) {
  const main = menu.closest("main");
  menu.classList.remove("menu--up");
  if (!menu.open || !main) return;
  const { top, bottom, height } = menu.querySelector(".menu__panel").getBoundingClientRect();
  // The main part of the desk has no box of its own.
  const place = main.getClientRects()[0] ?? { top: 0, bottom: innerHeight };
  menu.classList.toggle("menu--up", bottom > Math.min(place.bottom, innerHeight) && top - height > place.top);
}

document.addEventListener("toggle", (event) => event.target.matches?.("details.menu") && turn(event.target), true);
document.addEventListener("click", (event) => closeAll(event.target.closest("details.menu")));
document.addEventListener("focusin", (event) => closeAll(event.target.closest("details.menu")));
document.addEventListener("keydown", (event) => {
  const open = document.querySelector("details.menu[open]");
  if (event.key === "Escape" && open) close(open);
  const menu = event.target.closest?.("details.menu");
  if (!menu || isField(event.target) || !["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
  event.preventDefault();
  move(menu, event.key);
});
