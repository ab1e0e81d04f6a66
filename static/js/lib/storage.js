// What this tab remembers over a reload, each under the name of who is logged in: a colleague who logs in at the same
// tab finds nothing of it. A browser without storage remembers nothing.

// Customers have no name here: their forms are named after their conversation.
const owner = document.querySelector("[data-agent]")?.dataset.agent ?? "";
const nameOf = (kind, key) => `${kind}:${owner}:${key}`;

export function recall(kind, key) {
  try {
    return sessionStorage.getItem(nameOf(kind, key));
  } catch {
    return null;
  }
}

// While somebody logs out nothing more is remembered: what the server has the browser clear would come back.
let isLeaving = false;
document.addEventListener("submit", ({ target }) => (isLeaving ||= target.matches("[data-logout]")));
window.addEventListener("pageshow", () => (isLeaving = false));

export function remember(kind, key, text) {
  if (text && isLeaving) return;
  try {
    if (text) sessionStorage.setItem(nameOf(kind, key), text);
    else sessionStorage.removeItem(nameOf(kind, key));
  } catch {
    // Full, or not allowed.
  }
}

// The keys under which something of a kind is remembered.
export function remembered(kind) {
  try {
    const start = nameOf(kind, "");
    return Object.keys(sessionStorage)
      .filter((name) => name.startsWith(start))
      .map((name) => name.slice(start.length));
  } catch {
    return [];
  }
}
