// The list of keys: those of what the page offers now.
import { actionsWithKeys } from "../lib/actions.js";
import { showKeys } from "../lib/key_labels.js";
import { isOn } from "./keys.js";

const dialog = document.querySelector("[data-key-list]");

function rowOf({ dataset }) {
  const row = dialog.querySelector("[data-key-row]").content.firstElementChild.cloneNode(true);
  row.querySelector("[data-name]").textContent = dataset.actionName;
  showKeys(row.querySelector("[data-keys]"), dataset.key);
  return row;
}

function open() {
  const list = dialog.querySelector("[data-page-keys]");
  list.replaceChildren(
    ...actionsWithKeys()
      .filter(({ dataset }) => isOn(dataset.key))
      .map(rowOf),
  );
  dialog.showModal();
}

if (dialog) {
  for (const fixed of dialog.querySelectorAll("[data-fixed-keys]")) showKeys(fixed, fixed.dataset.fixedKeys);
  document.addEventListener("click", ({ target }) => target.closest("[data-open-keys]") && open());
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
}
