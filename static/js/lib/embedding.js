// The chat in a frame of another site.
export const isFramed = window.parent !== window;

// Nobody sees a frame in a closed widget, which browsers call visible. The page around it says when it is opened.
let isShut = isFramed;
export const isSeen = () => !isShut;

export function setShut(to) {
  if (isShut === to) return;
  isShut = to;
  document.dispatchEvent(new CustomEvent(to ? "embedded:closed" : "embedded:opened"));
}

// Whether the browser keeps our cookie here: tried with others that have the same attributes. Without an origin it keeps none.
export function keepsCookies() {
  if (window.origin === "null") return false;
  const isSecure = window.location.protocol === "https:";
  const kinds = isSecure ? ["; Secure; SameSite=None; Partitioned", "; Secure; SameSite=Lax"] : ["; SameSite=Lax"];
  return kinds.some((kind) => isKept(`${isSecure ? "__Host-" : ""}t`, `; Path=/${kind}`));
}

function isKept(name, attributes) {
  document.cookie = `${name}=1${attributes}; Max-Age=60`;
  const isThere = document.cookie.includes(`${name}=1`);
  document.cookie = `${name}=${attributes}; Max-Age=0`;
  return isThere;
}
