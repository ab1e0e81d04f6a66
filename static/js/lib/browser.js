export const hasMouse = () => window.matchMedia("(pointer: fine)").matches;
export const hasTouchKeyboard = () => window.matchMedia("(pointer: coarse)").matches;

// Browsers of 2023 have no checkVisibility().
export const isShown = (element) => element.checkVisibility?.() ?? element.getClientRects().length > 0;

// Without https there is no crypto.randomUUID.
export function randomId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
