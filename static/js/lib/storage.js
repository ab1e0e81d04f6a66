// Survives a reload. Named after the agent: a colleague who logs in at the same tab must find nothing of it.
const owner = document.querySelector("[data-agent]")?.dataset.agent ?? "";
const nameOf = (kind, key) => `${kind}:${owner}:${key}`;

export function recall(kind, key) {
  try {
    return sessionStorage.getItem(nameOf(kind, key));
  } catch {
    return null;
  }
}

// Nothing is stored during a logout: it would come back after the server has had the browser clear everything.
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
