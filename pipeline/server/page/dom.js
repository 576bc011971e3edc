// Building the document: elements, icons, and lists that keep what is in them.
// Everything that is said goes in as text; no string ever becomes markup.

export const by = (id) => document.getElementById(id);

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  up: "M8 13V3.5M3.5 8 8 3.5 12.5 8",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  pause: "M5.5 3v10M10.5 3v10",
  play: "M5 3l8 5-8 5z",
  cross: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  check: "M2.8 8.6l3.4 3.6 7-8",
  again: "M13 8a5 5 0 1 1-1.5-3.6M13 2v3h-3",
  left: "M10 3 5 8l5 5",
  right: "M6 3l5 5-5 5",
  down: "M8 3v9.5M3.5 8 8 12.5 12.5 8M3 14.5h10",
  compare: "M2 3h5v10H2zM9 3h5v10H9z",
  full: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13 9.5A5.5 5.5 0 1 1 6.5 3a4.5 4.5 0 0 0 6.5 6.5z",
  auto: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2v12",
};

/** An element. A value that is no string is a property where the element has one. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const icon = (name) =>
  svg("svg", { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true" },
    svg("path", { d: ICONS[name] }));

/** A button that shows a sign only; `act` is by what a list finds it again. */
export function sign(name, label, act, click, more = {}) {
  return el("button", { type: "button", class: "sign", "aria-label": label, title: label,
    "data-act": act, onclick: click, ...more }, icon(name));
}

export const chip = (text, tone, title) =>
  el("span", { class: `chip ${tone}`, title: title ?? null }, text);

export const fill = (node, ...children) =>
  node.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));

/** Sets the text only where it is another: a screen reader is told of changes. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Makes the parent's children those of the items, in order. A child is made anew only when its
 * item has changed, so pictures do not flicker; the keyboard's place is kept, also when its child
 * is made anew, moves or goes.
 */
export function list(parent, items, key, make) {
  const place = focusedIn(parent);
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let next = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    const print = JSON.stringify(item);
    let node = old.get(name);
    old.delete(name);
    if (!node || node.print !== print) {
      const fresh = make(item);
      fresh.dataset.key = name;
      fresh.print = print;
      if (node) {
        if (next === node) next = node.nextElementSibling;
        node.remove();
      }
      node = fresh;
    }
    if (node === next) next = next.nextElementSibling;
    else parent.insertBefore(node, next);
  }
  for (const node of old.values()) node.remove();
  if (place) refocus(parent, place);
}

function focusedIn(parent) {
  const node = document.activeElement;
  if (!node || node === parent || !parent.contains(node)) return null;
  const children = [...parent.children];
  const at = children.findIndex((child) => child.contains(node));
  return { node, at, key: children[at].dataset.key, act: node.dataset.act };
}

function refocus(parent, { node, at, key, act }) {
  if (document.activeElement === node) return;
  if (node.isConnected) { node.focus({ preventScroll: true }); return; }
  const children = [...parent.children];
  const row = children.find((child) => child.dataset.key === key)
    ?? children[Math.min(at, children.length - 1)];
  const same = act && row?.querySelector(`[data-act="${act}"]`);
  const target = same || row?.querySelector("button, a, [tabindex]")
    || parent.closest("section, dialog")?.querySelector("[tabindex='-1']");
  target?.focus({ preventScroll: true });
}

/** Arrows move through what `selector` finds in the parent; one of them is a stop of the Tab key. */
export function roving(parent, selector, { vertical = false } = {}) {
  const all = () => [...parent.querySelectorAll(selector)];
  const stop = (node) => all().forEach((each) => { each.tabIndex = each === node ? 0 : -1; });
  parent.addEventListener("focusin", (event) => {
    const node = event.target.closest(selector);
    if (node && parent.contains(node)) stop(node);
  });
  parent.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const nodes = all();
    const at = nodes.indexOf(event.target.closest(selector));
    if (at < 0) return;
    const row = vertical ? 1 : columns(nodes);
    const by_ = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row,
      Home: -at, End: nodes.length - 1 - at }[event.key];
    if (by_ === undefined) return;
    event.preventDefault();
    nodes[Math.max(0, Math.min(nodes.length - 1, at + by_))]?.focus();
  });
  return () => {
    const nodes = all();
    if (nodes.length && !nodes.some((node) => node.tabIndex === 0)) nodes[0].tabIndex = 0;
  };
}

function columns(nodes) {
  const top = nodes[0].getBoundingClientRect().top;
  const other = nodes.findIndex((node) => node.getBoundingClientRect().top > top + 4);
  return other < 0 ? nodes.length : other;
}
