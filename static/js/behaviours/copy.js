import { word } from "../lib/words.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const label = button.querySelector("[data-copy-label]");
  label.dataset.text ??= label.textContent;
  label.role = "status"; // read out when it changes
  label.textContent = word((await copy(textOf(button))) ? "copied" : "notCopied");
  setTimeout(() => {
    label.textContent = label.dataset.text;
  }, 2000);
});

// Links are relative: only the browser knows the desk's public address.
function textOf({ dataset }) {
  return "copyLink" in dataset ? new URL(dataset.copy, window.location).href : dataset.copy;
}

// The same for one that is shown, to be copied by hand.
function showLinks() {
  for (const box of document.querySelectorAll("input[data-link]"))
    box.value = new URL(box.dataset.link, window.location).href;
}

document.addEventListener("htmx:after:swap", showLinks);
showLinks();

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyByHand(text); // without https there is no clipboard
  }
}

function copyByHand(text) {
  const { activeElement } = document;
  const box = document.createElement("textarea");
  box.value = text;
  document.body.append(box);
  box.select();
  const isCopied = document.execCommand("copy");
  box.remove();
  activeElement.focus();
  return isCopied;
}
