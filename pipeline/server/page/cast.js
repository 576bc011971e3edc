// Projects and characters: who there is, the bible of each, and the pictures of them.

import { by, chip, el, fill, list } from "./dom.js";
import { load } from "./older.js";
import { give } from "./orders.js";
import { isShown, view } from "./router.js";
import { on, store } from "./store.js";
import { small, tile } from "./tile.js";
import { open, openSheet } from "./viewer.js";
import { plural, today } from "./words.js";

const BEST = 24;

let shown = null; // id of the character whose bible is open
let bible = null; // what the program says of it
let asked = 0;

export function start() {
  view("cast", opened);
  on("state", () => { if (isShown("cast")) { show(); if (shown) ask(); } });
}

function opened({ rest, within }) {
  const before = shown;
  if (shown !== rest) bible = null;
  shown = rest || null;
  show();
  if (shown) ask();
  if (within && shown !== before) place(before);
}

/** The keyboard goes along to a bible and back: what it was on is hidden now. */
function place(before) {
  if (shown) {
    const name = by("bible").querySelector("[data-act=name]");
    scrollTo(0, 0);
    (name ?? by("bible").querySelector("a")).focus({ preventScroll: true });
  } else {
    by("cast").querySelector(`[data-act="${CSS.escape(before)}"]`)?.focus();
  }
}

function show() {
  by("cast").hidden = shown !== null;
  by("bible").hidden = shown === null;
  by("cast-title").className = shown === null ? "" : "unseen";
  by("cast-none").hidden = true;
  if (shown) showBible();
  else showAll();
}

// ---------------------------------------------------------------- everybody

function groups() {
  const { projects, characters } = store.shown;
  const alone = characters.filter((character) => !projects.some(({ key }) => key === character.project));
  const all = projects.map((project) =>
    ({ ...project, cast: characters.filter((character) => character.project === project.key) }));
  return alone.length ? [...all, { key: "", name: "No project", description: "", style: null, cast: alone,
    tally: store.shown.loose }] : all;
}

function showAll() {
  const items = groups().map(({ key, name, description, style, cast, tally }) =>
    ({ key, name, description, style, ...tally, cast: cast.map(portrait) }));
  by("cast-none").hidden = items.length > 0;
  fill(by("cast-none"), "Nobody yet. A manifest of ", el("code", {}, "kind: project"), " or ",
    el("code", {}, "kind: character"), ` in ${store.shown.inbox} brings them here; `,
    el("code", {}, "anime new character NAME"), " writes one to begin with.");
  list(by("cast"), items, (item) => item.key, project);
}

/** A character as its card shows it: with the newest approved picture, else the newest. */
function portrait({ id, key, name, appearance, tally: { pictures, stale } }) {
  const all = store.pictures.filter((picture) => picture.job.cast.includes(key) && picture.current);
  const alone = all.filter((picture) => picture.job.cast.length === 1);
  const best = alone.find((picture) => picture.verdict === "approved")
    ?? alone.find((picture) => picture.verdict !== "rejected") ?? all[0];
  if (!best && pictures) sit(key);
  return { id, key, name, tags: appearance.join(", "), picture: best?.id ?? null, pictures, stale };
}

const sat = new Set(); // who was asked for older pictures, as none of the newest is of them
let sitting = Promise.resolve();

function sit(key) {
  if (sat.has(key)) return;
  sat.add(key);
  sitting = sitting.then(() => load({ of: key }, () => false, 1));
}

function project({ key, name, description, style, jobs, pictures, stale, cast }) {
  const again = () => give({ command: "render", target: `project:${key}`, stale: true });
  return el("section", { class: "project" },
    el("header", {}, el("h3", {}, name), style ? chip(style, "rest plain", "Style") : null,
      stale ? chip(plural(stale, "stale job"), "wait") : null,
      stale && key ? el("button", { type: "button", "data-act": "again", onclick: again }, "Draw again") : null),
    description ? el("p", { class: "prose" }, description) : null,
    el("p", { class: "quiet" }, `${plural(cast.length, "character")} · ${plural(jobs, "job")} · `,
      key ? el("a", { href: `#/gallery?of=${encodeURIComponent(key)}`, "data-act": "pictures" },
        plural(pictures, "picture")) : plural(pictures, "picture")),
    el("ul", { class: "cast" }, ...cast.map(person)));
}

function person({ id, name, tags, picture, pictures, stale }) {
  return el("li", {}, el("a", { class: "person", href: `#/cast/${id}`, "data-act": id },
    el("span", { class: "face" }, picture ? small(picture, "") : el("span", { class: "initial", "aria-hidden": "true" }, [...name][0])),
    el("b", {}, name),
    el("span", { class: "quiet" }, plural(pictures, "picture"), stale ? ` · ${stale.toLocaleString()} stale` : ""),
    el("span", { class: "quiet tags" }, tags)));
}

// ---------------------------------------------------------------- one of them

async function ask() {
  const turn = ++asked;
  try {
    const answer = await fetch(`/api/characters/${encodeURIComponent(shown)}`);
    if (turn !== asked) return;
    bible = answer.ok ? await answer.json() : null;
    if (isShown("cast") && shown) showBible();
  } catch { /* The stream says that the connection is lost. */ }
}

function showBible() {
  const character = store.shown.characters.find(({ id }) => id === shown);
  const day = today();
  const key = character?.key;
  const pictures = store.pictures.filter((picture) => picture.job.cast.includes(key) && picture.current);
  const items = pictures.slice(0, BEST).map((picture) => tile.item(picture, day));
  const sheets = store.sheets.filter((sheet) => sheet.job.cast.includes(key));
  const { stale, pictures: count } = character?.tally ?? { stale: 0, pictures: 0 };
  if (pictures.length < Math.min(count, BEST)) sit(key);
  const whole = { character, spec: bible, stale, items, count,
    sheets: sheets.map(({ id, job }) => ({ id, key: job.key })) };
  list(by("bible"), [whole], () => shown, (item) => (item.character ? page(item, sheets) : nobody()));
}

const back = () => el("p", { class: "onward" }, el("a", { href: "#/cast", "data-act": "back" }, "← All of the cast"));

const nobody = () => el("div", {}, back(),
  el("p", { class: "quiet" }, "There is no such character (any more): its manifest may be gone."));

function page({ character, spec, stale, items, count }, sheets) {
  const ids = items.map((item) => item.id);
  const again = () => give({ command: "render", target: `character:${character.key}`, stale: true });
  return el("div", {}, back(),
    el("div", { class: "bible" },
      el("article", {},
        el("h3", { tabindex: "-1", "data-act": "name" }, character.name),
        el("p", { class: "quiet" }, character.file),
        stale ? el("p", { class: "note wait" }, `${plural(stale, "job")} would be drawn differently today. `,
          el("button", { type: "button", "data-act": "again", onclick: again }, "Draw again")) : null,
        character.description ? el("p", { class: "prose" }, character.description) : null,
        el("dl", { class: "spec" }, ...tags("Appearance", character.appearance), ...tags("Outfit", character.outfit),
          ...(spec ? more(spec) : []))),
      el("div", {},
        sheets.length ? el("section", { "aria-label": "Sheets" }, el("h4", {}, "Sheets"),
          el("ul", { class: "sheets" }, ...sheets.map(sheet))) : null,
        el("h4", {}, "Pictures ", el("span", { class: "count" }, count.toLocaleString())),
        count ? null : el("p", { class: "quiet" }, "No picture of them yet. A job with ",
          el("code", {}, `characters: [${character.name}]`), " draws one."),
        el("ul", { class: "gallery" }, ...items.map((item) => {
          const node = tile.make(item, () => open(item.id, ids));
          node.firstElementChild.tabIndex = 0;
          return node;
        })),
        count > items.length ? el("p", { class: "onward" },
          el("a", { href: `#/gallery?of=${encodeURIComponent(character.key)}` }, `All ${count.toLocaleString()}`)) : null)));
}

function sheet(which) {
  return el("li", {}, el("button", { type: "button", class: "picture", "data-act": `sheet-${which.id}`,
    "aria-label": `The sheet of ${which.job.key}`, onclick: () => openSheet(which) },
    small(which.id, ""), el("span", { class: "under" }, el("b", {}, which.job.key.split("/").at(-1)))));
}

function tags(word, all) {
  if (!all.length) return [];
  return [el("dt", {}, word), el("dd", { class: "tags" }, ...all.map((tag) => el("span", { class: "tag" }, tag)))];
}

const text = (word, said) => (said ? [el("dt", {}, word), el("dd", { class: "prose" }, said)] : []);

function more({ spec, expression, negative, trigger, outfits, expressions }) {
  const named = (word, all) => Object.entries(all).flatMap(([name, list_]) => tags(`${word} “${name}”`, list_));
  return [
    ...tags("Expression", expression), ...named("Outfit", outfits), ...named("Expression", expressions),
    ...tags("Never", negative), ...tags("Trigger", trigger), ...text("Seed", spec.seed?.toString()),
    ...text("Personality", spec.personality), ...text("Backstory", spec.backstory),
    ...Object.entries(spec.relationships ?? {}).flatMap(([name, said]) => text(`To ${name}`, said)),
    ...text("Prompts that went well", (spec.reference_prompts ?? []).join("\n")),
  ];
}
