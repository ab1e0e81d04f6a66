// What the site's own storage keeps under a name: given back, or set. A sandbox without an origin has none.
export function keep(store, name, value) {
  try {
    if (value !== undefined) window[store].setItem(name, value);
    return window[store].getItem(name);
  } catch {
    return null;
  }
}
