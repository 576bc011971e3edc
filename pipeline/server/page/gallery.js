// The gallery: all pictures, filtered, for the keyboard too; and the verdicts that are given there.

import { by, el, fill, list, roving } from "./dom.js";
import { recall, remember } from "./memory.js";
import { hasMore, load } from "./older.js";
import { isShown, keep, view } from "./router.js";
import { on, store } from "./store.js";
import { tile } from "./tile.js";
import { compareWith, judgeByKey, open } from "./viewer.js";
import { plural, today } from "./words.js";

const STEP = 60;
const SHOWS = { all: "All", open: "To judge", approved: "Approved", rejected: "Rejected", stale: "Stale" };
const KEEPS = {
  all: () => true,
  open: (picture) => !picture.verdict && picture.current,
  approved: (picture) => picture.verdict === "approved",
  rejected: (picture) => picture.verdict === "rejected",
  stale: (picture) => picture.job.stale && picture.current,
};

let visible = STEP;
let filter = { show: "all", of: "", words: "", older: false };
let marked = null; // the picture that is to be compared with another
let stop;

export function start() {
  view("gallery", opened);
  on("state", () => { if (isShown("gallery")) show(); });
  for (const [value, text] of Object.entries(SHOWS)) {
    by("gallery-show").append(el("label", {},
      el("input", { type: "radio", name: "show", value }), el("span", {}, text)));
  }
  by("gallery-filters").addEventListener("input", changed);
  by("more").addEventListener("click", () => { visible += STEP; show(); fillUp(); });
  by("gallery").addEventListener("keydown", key);
  stop = roving(by("gallery"), ".picture");
  const size = recall("size", "240");
  by("gallery-size").value = size;
  by("gallery").style.setProperty("--tile", `${Number(size)}px`);
}

function opened({ query }) {
  filter = { show: query.get("show") in SHOWS ? query.get("show") : "all",
    of: query.get("of") ?? "", words: query.get("words") ?? "", older: query.has("older") };
  visible = STEP;
  by("gallery-show").querySelector(`[value="${filter.show}"]`).checked = true;
  by("gallery-words").value = filter.words;
  by("gallery-older").checked = filter.older;
  show();
  fillUp();
}

function changed(event) {
  if (event.target === by("gallery-size")) {
    by("gallery").style.setProperty("--tile", `${Number(event.target.value)}px`);
    remember("size", event.target.value);
    return;
  }
  filter = { show: by("gallery-show").querySelector(":checked").value, of: by("gallery-of").value,
    words: by("gallery-words").value.trim(), older: by("gallery-older").checked };
  const query = new URLSearchParams();
  if (filter.show !== "all") query.set("show", filter.show);
  if (filter.of) query.set("of", filter.of);
  if (filter.words) query.set("words", filter.words);
  if (filter.older) query.set("older", "");
  keep("gallery", query);
  visible = STEP;
  show();
  fillUp();
}

/** Older pictures are loaded until as many are there as fit. */
const question = () => ({ show: filter.show === "all" ? "" : filter.show, of: filter.of, words: filter.words });
const fillUp = () => load(question(), () => store.pictures.filter(fits).length >= visible);

function show() {
  showWhom();
  const pictures = store.pictures.filter(fits);
  const day = today();
  const items = pictures.slice(0, visible).map((picture) =>
    ({ ...tile.item(picture, day), marked: picture.id === marked }));
  list(by("gallery"), items, (item) => item.id, (item) => {
    const node = tile.make(item, () => open(item.id, among()));
    if (item.marked) node.classList.add("marked");
    return node;
  });
  stop();
  by("gallery-count").textContent = pictures.length ? howMany(pictures.length) : "";
  by("more").hidden = pictures.length <= visible && !hasMore(question());
  by("gallery-keys").hidden = !pictures.length;
  by("gallery-none").hidden = pictures.length > 0;
  fill(by("gallery-none"), nothing());
}

/** The pictures that the filter lets through now: what the large view leafs through. */
const among = () => store.pictures.filter(fits).map((picture) => picture.id);

function fits(picture) {
  const { job, recipe, file } = picture;
  if (!KEEPS[filter.show](picture)) return false;
  if (!filter.older && !picture.current && filter.show !== "rejected") return false;
  if (filter.of && job.project !== filter.of && !job.cast.includes(filter.of)) return false;
  if (!filter.words) return true;
  const text = `${job.key} ${file} ${recipe.prompt} ${job.characters.join(" ")}`.toLowerCase();
  return filter.words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** All there are, also where not all are loaded. */
function howMany(n) {
  if (!hasMore(question())) return n.toLocaleString();
  const { projects, characters, tally } = store.shown;
  const of = filter.of ? [...projects, ...characters].find(({ key }) => key === filter.of)?.tally : tally;
  const known = filter.show === "all" && !filter.words && !filter.older;
  return known && of ? of.pictures.toLocaleString() : `${n.toLocaleString()} or more`;
}

function nothing() {
  if (hasMore(question())) return "None of the newest is like that; older ones may be.";
  if (!store.pictures.length) return "Finished pictures appear here, the newest first.";
  if (filter.show === "open" && !store.pictures.some(KEEPS.open)) {
    return "Every picture has been judged. Well done.";
  }
  return `None of the ${plural(store.shown.tally.files, "picture")} is like that. Loosen the filter.`;
}

function showWhom() {
  const { projects, characters } = store.shown;
  const print = JSON.stringify([projects.map(({ key, name }) => [key, name]),
    characters.map(({ key, name }) => [key, name]), filter.of]);
  const select = by("gallery-of");
  if (select.print === print) return;
  select.print = print;
  const options = (items) => items.map(({ key, name }) => el("option", { value: key }, name));
  fill(select, el("option", { value: "" }, "Everyone"),
    projects.length ? el("optgroup", { label: "Projects" }, ...options(projects)) : null,
    characters.length ? el("optgroup", { label: "Characters" }, ...options(characters)) : null);
  select.value = filter.of;
}

function key(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const id = event.target.closest(".picture")?.dataset.id;
  if (!id) return;
  if (event.key === "c") {
    if (marked && marked !== id && store.byId.has(marked)) {
      compareWith(marked, id);
      marked = null;
    } else {
      marked = marked === id ? null : id;
    }
    show();
  } else if (judgeByKey(event.key, id)) {
    event.preventDefault();
  }
}
