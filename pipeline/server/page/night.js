// The timeline of the night: what ran when on which worker, and what went wrong.

import { by, el, fill, list, svg } from "./dom.js";
import { recall, remember } from "./memory.js";
import { isShown, view } from "./router.js";
import { on, store } from "./store.js";
import { open } from "./viewer.js";
import { duration, leaf, plural } from "./words.js";

const HOURS = [1, 3, 12, 24, 72];
const AGAIN_MS = 2000; // between two questions, at least
const WIDE = 1000; // units of the drawing from left to right
const LANE = 34;
const LEAST_MS = 120_000; // that the drawing spans
const MARK = { fine: 88, coarse: 66 }; // pixels of a mark, with its seconds and without
const MARKS = 8; // at most
const ROWS = 100; // pictures that are listed at first, the last ones
const TICKS = [15, 30, 60, 120, 300, 600, 1800, 3600, 10_800, 21_600, 43_200]; // seconds between two marks
const ENDS = { drawn: "drawn", drawing: "being drawn", failed: "failed", lost: "lost", stopped: "stopped" };

let hours = 12;
let asking = false;
let again = false;
let rows = ROWS;

export function start() {
  view("night", ask);
  hours = HOURS.find((each) => String(each) === recall("hours", "12")) ?? 12;
  for (const each of HOURS) {
    by("night-hours").append(el("label", {}, el("input", { type: "radio", name: "hours",
      value: String(each), checked: each === hours }), el("span", {}, `${each} h`)));
  }
  by("night-hours").addEventListener("input", (event) => {
    hours = Number(event.target.value);
    remember("hours", String(hours));
    ask();
  });
  on("state", () => { if (isShown("night")) ask(); });
}

async function ask() {
  if (asking) { again = true; return; }
  asking = true;
  again = false;
  try {
    const answer = await fetch(`/api/night?hours=${hours}`);
    if (answer.ok) show(await answer.json());
  } catch { /* The stream says that the connection is lost. */ }
  setTimeout(() => { asking = false; if (again && isShown("night")) ask(); }, AGAIN_MS);
}

const ms = (at) => new Date(at).getTime();

/** Where the drawing begins: a little before the first thing in it, so that a short night fills it. */
function begin({ since, now, spans, troubles: all }) {
  const first = Math.min(...spans.map(({ began }) => ms(began)), ...all.map(({ at }) => ms(at)));
  const from = Math.max(ms(since), Math.min(first, ms(now) - LEAST_MS) - 0.01 * (ms(now) - first));
  return new Date(from).toISOString();
}

const when = (at) => new Date(at).toLocaleString([],
  { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });

function show(story) {
  const lanes = new Map();
  for (const { name } of store.workers) lanes.set(name, []);
  for (const span of story.spans) {
    if (!lanes.has(span.worker)) lanes.set(span.worker, []);
    lanes.get(span.worker).push(span);
  }
  if (!story.spans.length && !story.troubles.length) {
    const last = story.last ? ` The last picture ended ${new Date(story.last).toLocaleString()}.` : "";
    fill(by("night"), el("p", { class: "quiet" }, `Nothing ran in the last ${plural(hours, "hour")}.${last}`));
    return;
  }
  story.since = begin(story);
  // What the keyboard can be in is made anew only where it has changed.
  const parts = [["totals", story.now, () => totals(story)], ["lanes", story.now, () => drawn(lanes, story)],
    ["troubles", [story.troubles, story.starts], () => troubles(story)], ["table", "", frame]];
  for (const node of by("night").querySelectorAll(":scope > :not([data-key])")) node.remove();
  const make = new Map(parts.map(([name, , made]) => [name, made]));
  list(by("night"), parts.map(([name, print]) => ({ name, print })), (part) => part.name,
    (part) => make.get(part.name)());
  tables(lanes, story);
}

const drawn = (lanes, story) => el("div", {}, el("div", { class: "timeline" },
  ...[...lanes].map(([name, spans]) => lane(name, spans, story)), axis(story)), legend(story.spans));

// ---------------------------------------------------------------- in numbers

function totals({ spans, troubles: all, since, now }) {
  const of = (how) => spans.filter((span) => span.how === how);
  const drawn = of("drawn");
  const seconds = drawn.map(({ began, ended }) => (ms(ended) - ms(began)) / 1000).sort((a, b) => a - b);
  const middle = seconds.length ? seconds[Math.floor(seconds.length / 2)] : 0;
  const whole = (Math.min(ms(now), Date.now()) - ms(since)) / 3_600_000;
  const facts = [
    [drawn.length.toLocaleString(), drawn.length === 1 ? "picture" : "pictures"],
    [seconds.length ? duration(middle) : "–", "each, by the median"],
    [(drawn.length / whole).toFixed(1), "pictures an hour"],
    [String(of("failed").length + of("lost").length), "failed or lost"],
    [String(all.length), all.length === 1 ? "trouble" : "troubles"],
  ];
  return el("dl", { class: "totals" }, ...facts.map(([number, word]) =>
    el("div", {}, el("dt", {}, word), el("dd", {}, number))));
}

const share = (spans, from, to) => spans.reduce((sum, span) =>
  sum + Math.max(0, Math.min(to, span.ended ? ms(span.ended) : to) - Math.max(from, ms(span.began))), 0) / (to - from);

// ---------------------------------------------------------------- in lanes

function lane(name, spans, { since, now }) {
  const [from, to] = [ms(since), ms(now)];
  const busy = Math.round(100 * share(spans, from, to));
  const x = (at) => Math.max(0, ((at - from) / (to - from)) * WIDE);
  const drawing = svg("svg", { viewBox: `0 0 ${WIDE} ${LANE}`, preserveAspectRatio: "none", class: "lane",
    role: "img", "aria-label": `${name}: ${plural(spans.length, "picture")}, busy ${busy} percent of the time` });
  for (const bar of bars(spans, x, to)) {
    const rect = svg("rect", { x: bar.x, y: 3, width: Math.max(bar.width, 0.8), height: LANE - 6, class: bar.how });
    rect.append(svg("title", {}, bar.title));
    if (bar.picture) rect.addEventListener("click", () => open(bar.picture));
    drawing.append(rect);
  }
  return el("div", { class: "track" }, el("span", { class: "name" }, name), drawing,
    el("span", { class: "quiet share" }, `${busy} %`));
}

/** Spans as bars; neighbours too near to be told apart are one, unless one went wrong. */
function bars(spans, x, to) {
  const made = [];
  for (const span of [...spans].sort((a, b) => (a.began < b.began ? -1 : 1))) {
    const left = x(ms(span.began));
    const right = x(span.ended ? ms(span.ended) : to);
    const before = made.at(-1);
    const title = `${leaf(span.job)} · ${span.index}: ${ENDS[span.how]}, `
      + `${new Date(span.began).toLocaleTimeString()} to ${span.ended ? new Date(span.ended).toLocaleTimeString() : "now"}`;
    if (before && before.how === span.how && left - (before.x + before.width) < 0.4 && right - left < 1.2) {
      before.width = Math.max(before.width, right - before.x);
      before.count += 1;
      before.title = plural(before.count, "picture");
      before.picture = null;
    } else {
      made.push({ x: left, width: Math.max(0, right - left - 0.3), how: span.how, title, count: 1,
        picture: span.how === "drawn" ? span.picture : null });
    }
  }
  return made;
}

function axis({ since, now }) {
  const [from, to] = [ms(since), ms(now)];
  const wide = by("night").clientWidth;
  const mark = (seconds) => (seconds < 60 ? MARK.fine : MARK.coarse); // or two would say the same
  const fits_ = (each) => (to - from) / 1000 / each <= Math.min(MARKS, wide / mark(each));
  const seconds = TICKS.find(fits_) ?? TICKS.at(-1);
  const step = 1000 * seconds;
  const zone = new Date(from).getTimezoneOffset() * 60_000;
  const node = el("div", { class: "axis", "aria-hidden": "true" });
  const last = to - (mark(seconds) / wide) * (to - from); // where the words of a mark still find room
  const fine = seconds < 60 ? { second: "2-digit" } : {};
  for (let at = Math.ceil((from - zone) / step) * step + zone; at < last; at += step) {
    const mark = el("span", {}, new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", ...fine }));
    mark.style.setProperty("--at", `${((at - from) / (to - from)) * 100}%`);
    node.append(mark);
  }
  return node;
}

const legend = (spans) => el("ul", { class: "legend" }, ...Object.entries(ENDS)
  .filter(([how]) => spans.some((span) => span.how === how))
  .map(([how, word]) => el("li", { class: how }, word)));

// ---------------------------------------------------------------- what went wrong

function troubles({ troubles: all, starts }) {
  const items = [...all.map((each) => ({ ...each, kind: "trouble" })),
    ...starts.map((at) => ({ at, kind: "start", text: "The program was started.", worker: null, job: null }))]
    .sort((a, b) => (a.at < b.at ? 1 : -1)).slice(0, 200);
  if (!items.length) return el("p", { class: "quiet" }, "Nothing went wrong.");
  return el("section", { "aria-label": "What else happened" }, el("h3", {}, "What else happened"),
    el("ol", { class: "troubles" }, ...items.map((each) => el("li", { class: each.kind === "trouble" ? "bad" : "rest" },
      el("time", { datetime: each.at }, when(each.at)),
      el("div", {}, el("span", { class: "quiet" }, [each.worker].filter(Boolean).join(" · ")),
        each.job ? [" ", jobLink(each.job)] : null,
        el("p", {}, each.text))))));
}

const jobLink = (key, text = key) =>
  el("a", { href: `#/jobs/${encodeURIComponent(key)}`, title: key, "data-act": `job-${key}` }, text);

// ---------------------------------------------------------------- in words

/** The lanes in words, for who cannot see them or wants to read them. */
function frame() {
  const head = (...words) => el("thead", {}, el("tr", {}, ...words.map((word) => el("th", { scope: "col" }, word))));
  return el("details", { id: "night-table" }, el("summary", {}, "The same as a table"),
    el("table", { class: "plain" }, el("caption", {}, "Workers"),
      head("Worker", "Busy", "Drawn", "Failed", "Lost", "Stopped"), el("tbody", {})),
    el("table", { class: "plain pictures" }, el("caption", {}, "Pictures, the last ones first"),
      head("Begun", "Worker", "Picture", "Took", "What became of it"), el("tbody", {})),
    el("button", { type: "button", class: "more", hidden: true, onclick: () => { rows += ROWS; ask(); } }, "Show more"));
}

function tables(lanes, { spans, since, now }) {
  const [workers, pictures] = by("night-table").querySelectorAll("tbody");
  const count = (all, how) => String(all.filter((span) => span.how === how).length);
  list(workers, [...lanes].map(([name, all]) => ({ name, cells: [`${Math.round(100 * share(all, ms(since), ms(now)))} %`,
    ...["drawn", "failed", "lost", "stopped"].map((how) => count(all, how))] })), ({ name }) => name,
    ({ name, cells }) => el("tr", {}, el("th", { scope: "row" }, name), ...cells.map((text) => el("td", {}, text))));
  const sorted = [...spans].sort((a, b) => (a.began < b.began ? 1 : -1));
  list(pictures, sorted.slice(0, rows), ({ began, picture }) => `${began} ${picture}`, row);
  by("night-table").querySelector(".more").hidden = sorted.length <= rows;
}

function row({ worker, job, picture, take, index, began, ended, how, why }) {
  const name = `${leaf(job)} · ${index}${take > 1 ? `, take ${take}` : ""}`;
  return el("tr", { class: how },
    el("td", {}, el("time", { datetime: began }, when(began))), el("td", {}, worker),
    el("th", { scope: "row" }, how === "drawn" ? el("button", { type: "button", class: "link", title: job,
      "data-act": "open", onclick: () => open(picture) }, name) : jobLink(job, name)),
    el("td", {}, ended ? duration((ms(ended) - ms(began)) / 1000) : "–"),
    el("td", { class: "became" }, why ? `${ENDS[how]}: ${why}` : ENDS[how]));
}
