// The button and the panel, in a shadow root. Made by DOM calls only: the site may forbid inline styles and HTML strings.
import css from "../../css/widget.css";

export function sheetOf(text) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  return sheet;
}

export function add(parent, name, attributes, type = "1999/xhtml") {
  const element = document.createElementNS(`http://www.w3.org/${type}`, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  parent.append(element);
  return element;
}

export function draw(color, href, label) {
  const host = document.createElement("support-chat");
  const root = host.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [sheetOf(`${css}:host{--color:${color}}`)];
  const widget = add(root, "div", { class: "widget" });
  const panel = add(widget, "div", { class: "panel" });
  const way = add(panel, "a", { href, target: "_blank" });
  const button = add(widget, "button", { class: "launcher" });
  const path = add(add(button, "svg", { viewBox: "0 0 24 24" }, "2000/svg"), "path", {}, "2000/svg");
  const badge = add(button, "span", { class: "badge" });
  way.textContent = label;
  return {
    host,
    panel,
    way,
    button,
    turn(isOpen) {
      panel.classList.toggle("open", isOpen);
      // A page that declares nothing is light, whatever the browser prefers, and so is the chat in it.
      panel.style.colorScheme = getComputedStyle(host).colorScheme.replace("normal", "light");
      button.setAttribute("aria-expanded", isOpen);
      // From the Lucide set (ISC): chevron-down and message-circle.
      path.setAttribute("d", isOpen ? "m6 9 6 6 6-6" : "M7.9 20A9 9 0 1 0 4 16.1L2 22Z");
    },
    count(unread) {
      badge.textContent = unread > 99 ? "99+" : unread || "";
      button.ariaLabel = unread ? `${label} (${unread})` : label;
    },
  };
}
