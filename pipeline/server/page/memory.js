// What this browser remembers of how its person likes the page. Nothing of the production.

export function recall(name, otherwise) {
  try {
    return localStorage.getItem(name) ?? otherwise;
  } catch {
    return otherwise; // Storage may be forbidden.
  }
}

export function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch { /* Then it is forgotten with the page. */ }
}
