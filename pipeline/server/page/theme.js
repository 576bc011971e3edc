// The theme that was chosen, before anything is painted; without one the system's own holds.
(() => {
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch { /* Storage may be forbidden; then the system's theme it is. */ }
})();
