// While the desk has yet to say whose browser this is, nothing of the page is shown: the chat may be somebody else's.
const root = document.documentElement;
const COVERED = "data-identifying";

let lift = null;
let lifted = null;

export function cover(isCovered) {
  if (isCovered) lifted ??= new Promise((resolve) => (lift = resolve));
  root.toggleAttribute(COVERED, isCovered);
  if (isCovered) return;
  lift?.();
  lifted = null;
}

// Null for a page that is shown. Never resolves on one that is left.
export const uncovered = () => lifted;
