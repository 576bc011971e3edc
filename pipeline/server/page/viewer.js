// One picture, large: with its recipe, why it looks so, its other takes, and what can be done to it.

import * as compare from "./compare.js";
import { by, el, fill, icon, sign } from "./dom.js";
import { facts, title } from "./facts.js";
import { one } from "./older.js";
import { give, giving, judge, redraw, restore } from "./orders.js";
import { on, store, whose } from "./store.js";
import { small } from "./tile.js";
import { showAgain, showWhy } from "./why.js";
import { folder, leaf } from "./words.js";

const MOST_TIMES = 4; // a picture is never shown larger than so many times its size

const KEYS = [["←", ""], ["→", "leaf"], ["a", "approve"], ["x", "reject"], ["u", "neither"],
  ["c", "compare"], ["f", "full size"], ["d", "download"], ["Esc", "close"]];

let shown = null; // id of the picture, null while none is shown
let ids = null; // what the arrows leaf through; null: all there are
let other = null; // id of the one beside it, if two are compared
let large = false; // whether each pixel of the picture is one of the page

export function start() {
  const dialog = by("viewer");
  dialog.addEventListener("keydown", key);
  dialog.addEventListener("close", closed);
  on("state", () => { if (shown) update(); });
}

/** Above all else; what is said goes with it, or nobody could click there. */
function raise() {
  const dialog = by("viewer");
  if (dialog.open) return;
  dialog.showModal();
  dialog.append(by("toasts"));
}

/** The keyboard goes on at the picture that was looked at last, where the view has it. */
function closed() {
  document.body.append(by("toasts"));
  document.querySelector(`.view:not([hidden]) .picture[data-id="${shown}"]`)?.focus();
  [shown, other, large] = [null, null, false];
}

/** An older picture has to be loaded first; one that is gone is not shown. */
export async function open(id, among = null) {
  if (!store.byId.has(id)) await one("picture", id);
  if (!store.byId.has(id)) return;
  [shown, ids, other] = [id, among, null];
  show();
}

export function openSheet(which) {
  [shown, ids, other] = [null, null, null];
  fill(by("viewer-body"), el("div", { class: "viewer plain" }, stage([frame(which.id, `The sheet of ${which.job.key}`)]),
    el("div", { class: "panel" }, head(`${leaf(which.job.key)}: sheet`, folder(which.job.key)),
      el("p", { class: "acts" }, download(which)))));
  raise();
}

export function compareWith(id, second) {
  open(id);
  other = second;
  show();
}

/** Approve, reject or take back by a letter; whether the letter was one of these. */
export function judgeByKey(letter, id) {
  const picture = store.byId.get(id);
  const verdict = { a: "approved", x: "rejected", u: null }[letter];
  if (verdict === undefined || !picture) return false;
  if ((picture.verdict ?? null) !== verdict) give(...judge(picture, verdict));
  return true;
}

// ---------------------------------------------------------------- what is shown

const order = () => (ids ?? store.pictures.map((picture) => picture.id))
  .filter((id) => store.byId.has(id));

function show() {
  const picture = store.byId.get(shown);
  if (!picture) { by("viewer").close(); return; }
  const second = other && store.byId.get(other);
  const dialog = by("viewer");
  const focus = document.activeElement?.dataset?.act;
  fill(by("viewer-body"), el("div", { class: second ? "viewer two" : "viewer" },
    second
      ? stage([picture, second].map((each) => frame(each.id, each.recipe.prompt,
        [el("span", {}, compare.name(each, picture, second)), verdicts(each, false)])))
      : stage([frame(shown, picture.recipe.prompt)], true),
    second ? compare.panel(picture, second, head("Two pictures"), single) : panel(picture)));
  update();
  raise();
  (dialog.querySelector(`[data-act="${focus}"]:not(:disabled)`)
    ?? dialog.querySelector("[data-act=close]")).focus({ preventScroll: true });
}

/** What may change while the picture is looked at: its verdict and its neighbours. */
function update() {
  const picture = store.byId.get(shown);
  if (!picture) { by("viewer").close(); return; }
  const all = order();
  const at = all.indexOf(shown);
  for (const [act, step] of [["newer", -1], ["older", 1]]) {
    const button = by("viewer").querySelector(`[data-act=${act}]`);
    if (button) button.disabled = at < 0 || !all[at + step];
  }
  const place = by("viewer").querySelector(".place");
  if (place) place.textContent = at < 0 ? "" : `${at + 1} of ${all.length}`;
  for (const button of by("viewer").querySelectorAll("[data-verdict]")) {
    const said = store.byId.get(button.dataset.of)?.verdict;
    button.setAttribute("aria-pressed", String(button.dataset.verdict === said));
  }
}

const single = () => { other = null; show(); };

function step(by_) {
  const all = order();
  const next = all[all.indexOf(shown) + by_];
  if (next) { shown = next; other = null; show(); }
}

function stage(frames, leafing = false) {
  return el("div", { class: large ? "stage large" : "stage" }, ...frames,
    leafing ? sign("left", "Newer picture", "newer", () => step(-1)) : null,
    leafing ? sign("right", "Older picture", "older", () => step(1)) : null);
}

function frame(id, alt, caption = null) {
  const image = el("img", { src: `/pictures/${id}`, alt, class: "shown" });
  image.addEventListener("error", () => {
    image.replaceWith(el("p", { class: "gone" }, "This picture cannot be shown; its file may be gone."));
  });
  image.addEventListener("load", () => {
    image.style.setProperty("--most", `${MOST_TIMES * Math.max(image.naturalWidth, image.naturalHeight)}px`);
  });
  image.addEventListener("dblclick", enlarge);
  return el("figure", {}, image, caption ? el("figcaption", {}, ...caption) : null);
}

function enlarge() {
  large = !large;
  by("viewer").querySelector(".stage").classList.toggle("large", large);
  by("viewer").querySelector("[data-act=full]")?.setAttribute("aria-pressed", String(large));
}

// ---------------------------------------------------------------- beside it

function head(text, where = "") {
  return el("header", {}, el("h2", { id: "viewer-title" }, text), el("span", { class: "place quiet" }),
    sign("cross", "Close", "close", () => by("viewer").close()),
    where ? el("p", { class: "quiet small" }, where) : null);
}

function panel(picture) {
  const { job, take } = picture;
  return el("div", { class: "panel" },
    head(title(picture), [...new Set([whose(job), folder(job.key)])].filter(Boolean).join(" · ")),
    verdicts(picture, true),
    el("p", { class: "acts" }, download(picture),
      el("button", { type: "button", "data-act": "compare", disabled: !compare.partner(picture),
        onclick: startCompare }, icon("compare"), "Compare"),
      el("button", { type: "button", "data-act": "full", "aria-pressed": String(large),
        onclick: enlarge }, icon("full"), "Full size"),
      job.status === "withdrawn" ? null : el("button", { type: "button", "data-act": "again",
        onclick: giving(...redraw(job.key, false)) }, icon("again"), "Draw again"),
      picture.current || job.status === "withdrawn" ? null : el("button",
        { type: "button", "data-act": "restore", onclick: giving(...restore(job.key, take.number)) },
        "Make it current")),
    takes(picture),
    el("dl", { id: "viewer-facts" }, ...facts(picture).flatMap(([word, text]) =>
      [el("dt", {}, word), el("dd", {}, text)])),
    more("Why it looks so", "why", (node) => showWhy(node, picture)),
    more("Draw it again elsewhere", "again", (node) => showAgain(node, picture)),
    el("p", { class: "keys quiet" }, "Keys: ", ...KEYS.flatMap(([key_, word]) =>
      [el("kbd", {}, key_), ` ${word} `])));
}

/** The two buttons of a verdict; `keys` is whether the letters mean this picture. */
function verdicts(picture, keys) {
  return el("div", { class: "verdicts", role: "group", "aria-label": `Verdict on ${title(picture)}` },
    verdict(picture, "approved", "check", "Approve", keys && "a"),
    verdict(picture, "rejected", "cross", "Reject", keys && "x"));
}

function verdict({ id, verdict: said }, word, sign_, text, letter) {
  const press = (event) => {
    const now = store.byId.get(id);
    if (now) giving(...judge(now, now.verdict === word ? null : word))(event);
  };
  return el("button", { type: "button", "data-act": `${word}-${id === other}`, "data-verdict": word,
    "data-of": id, class: word, "aria-pressed": String(said === word),
    "aria-keyshortcuts": letter || null, onclick: press }, icon(sign_), text,
    letter ? el("kbd", { "aria-hidden": "true" }, letter) : null);
}

const download = ({ id, file }) => el("a", { class: "button", href: `/pictures/${id}`,
  download: file.slice(file.lastIndexOf("/") + 1), "data-act": "download" }, icon("down"), "Download");

/** The job's other pictures and takes, to go to. */
function takes(picture) {
  const all = picture.job.takes.flatMap((take) =>
    take.images.map((image) => ({ id: image.id, name: `take ${take.number}, picture ${image.index}`,
      take: take.number })));
  if (all.length < 2) return null;
  const several = picture.job.takes.length > 1;
  return el("div", { class: "takes", role: "group", "aria-label": "Pictures of this job" },
    ...all.slice(0, 40).map(({ id, name, take }) => el("button", { type: "button",
      "aria-label": name, title: name, "data-act": `take-${id}`,
      "aria-current": id === shown ? "true" : null,
      onclick: () => { shown = id; other = null; show(); } },
      small(id, ""), several ? el("span", {}, String(take)) : null)));
}

/** A part that is asked for when it is opened; open ones stay open from picture to picture. */
const opened = new Set();

function more(text, name, load) {
  const body = el("div", { class: "body" });
  const node = el("details", { open: opened.has(name) }, el("summary", {}, text), body);
  let loaded = false;
  const once = () => { if (!loaded) { loaded = true; load(body); } };
  node.addEventListener("toggle", () => {
    if (node.open) { opened.add(name); once(); } else opened.delete(name);
  });
  return node;
}

function startCompare() {
  const second = compare.partner(store.byId.get(shown));
  if (!second) return;
  other = second.id;
  show();
}

function key(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || !shown) return;
  if (event.target.closest("input, select, textarea, pre")) return;
  const act = {
    ArrowLeft: () => step(-1), ArrowRight: () => step(1),
    c: () => (other ? single() : startCompare()), f: enlarge,
    d: () => by("viewer").querySelector("[data-act=download]")?.click(),
  }[event.key];
  if (act) act();
  else if (!judgeByKey(event.key, shown)) return;
  event.preventDefault();
}
