import { labelsOf } from "./keys.js";

export function showKeys(place, key) {
  place.replaceChildren(
    ...labelsOf(key).map((label) => {
      const cap = document.createElement("kbd");
      cap.textContent = label;
      return cap;
    }),
  );
}
