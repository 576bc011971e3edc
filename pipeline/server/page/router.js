// Which view is shown: the part of the address behind `#/`, so that a reload shows the same.

import { by } from "./dom.js";

const views = new Map();
let shown = null;
let first = true;

/**
 * `open(place)` is called when the view is shown; `place` has `rest` and `query`, and `within` is
 * true where the view was shown before. It returns true where it has put the keyboard somewhere;
 * else the view's heading gets it.
 */
export const view = (name, open) => views.set(name, open);

export function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  return { name: views.has(name) ? name : "studio", rest: rest.join("/"),
    query: new URLSearchParams(query) };
}

export const isShown = (name) => shown === name;

/** Puts the query of the view into the address, without a new entry in the history. */
export function keep(name, query) {
  const text = query.toString();
  history.replaceState(null, "", `#/${name}${text ? `?${text}` : ""}`);
}

export function follow() {
  if (location.hash === "#content") { by("content").focus(); return; }
  const there = place();
  const changed = shown !== there.name;
  shown = there.name;
  if (changed) for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  for (const name of views.keys()) by(`view-${name}`).hidden = name !== shown;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${shown}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const placed = views.get(shown)({ ...there, within: !changed && !first });
  if (changed && !first && !placed) {
    scrollTo(0, 0);
    by(`${shown}-title`).focus({ preventScroll: true });
  }
  first = false;
}
