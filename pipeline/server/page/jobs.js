// All jobs: how each stands and why, its pictures, and what can be done to it.

import { by, chip, el, fill, list } from "./dom.js";
import { hasMore, load, one } from "./older.js";
import { cancel, giving, hold, redraw, release, retry, toast } from "./orders.js";
import { isShown, keep, view } from "./router.js";
import { loaded, on, projectName, store } from "./store.js";
import { needs, reason } from "./studio.js";
import { small } from "./tile.js";
import { open } from "./viewer.js";
import { TONES, folder, leaf } from "./words.js";

const STEP = 100;
const THUMBS = 5;
const SHOWS = {
  all: ["All", () => true],
  needs: ["Needs you", needs],
  going: ["Going on", (job) => job.status === "queued" || job.status === "rendering"],
  stale: ["Stale", (job) => job.stale],
  done: ["Done", (job) => job.status === "done"],
  over: ["Cancelled or withdrawn", (job) => job.status === "cancelled" || job.status === "withdrawn"],
};

let visible = STEP;
let which = "all";
let target = null; // id or key of the job that a link led to

export function start() {
  view("jobs", opened);
  on("state", () => { if (isShown("jobs")) show(); });
  fill(by("jobs-show"), ...Object.entries(SHOWS).map(([value, [text]]) => el("option", { value }, text)));
  by("jobs-show").addEventListener("change", changed);
  by("more-jobs").addEventListener("click", () => { visible += STEP; show(); fillUp(); });
}

function opened({ rest, query }) {
  which = query.get("show") in SHOWS ? query.get("show") : "all";
  by("jobs-show").value = which;
  target = rest ? decodeURIComponent(rest) : null;
  visible = STEP;
  if (target && !found()) load_(target);
  return goTo();
}

const found = () => loaded().find((job) => job.id === target || job.key === target);

/** An older job that a link leads to has to come first. */
async function load_(name) {
  const there = await one("job", name);
  if (target !== name || !isShown("jobs")) return;
  if (there) goTo();
  else toast(`There is no job ${name} (any more).`, "wait", null);
}

/** Shows the list, with the keyboard at the job that a link led to. */
function goTo() {
  const job = target && found();
  if (job && loaded().indexOf(job) >= STEP) visible = Infinity;
  show();
  if (!target) fillUp();
  const row = job && by(`job-${job.id}`);
  if (row) {
    row.scrollIntoView({ block: "center" });
    row.querySelector(".name").focus({ preventScroll: true });
  }
  return Boolean(row);
}

/** What goes on or needs somebody is all there; of the others the older ones are loaded. */
const question = () => ({ show: ["stale", "done", "over"].includes(which) ? which : "" });
const more = () => !["needs", "going"].includes(which) && hasMore(question());
const fillUp = () => (more() ? load(question(), () => loaded().filter(SHOWS[which][1]).length >= visible) : null);

function changed() {
  which = by("jobs-show").value;
  target = null;
  visible = STEP;
  keep("jobs", new URLSearchParams(which === "all" ? {} : { show: which }));
  show();
  fillUp();
}

function show() {
  const jobs = loaded().filter(SHOWS[which][1]);
  const groups = new Map();
  for (const job of jobs) {
    const name = job.project ?? "";
    if (!groups.has(name)) groups.set(name, { name, title: name ? projectName(name) : "No project", jobs: [] });
    groups.get(name).jobs.push(job);
  }
  const sorted = [...groups.values()].sort((a, b) => a.title.localeCompare(b.title));
  let room = visible;
  for (const group of sorted) {
    group.jobs = group.jobs.slice(0, room);
    room -= group.jobs.length;
  }
  const some = sorted.filter((group) => group.jobs.length);
  list(by("jobs"), some.map(({ name, title }) => ({ name, title })), (group) => group.name,
    ({ title }) => el("section", { class: "group" }, el("h3", {}, title), el("ul", {})));
  some.forEach((group, at) =>
    list(by("jobs").children[at].querySelector("ul"), group.jobs.map(item), (job) => job.id, row));
  by("jobs-count").textContent = jobs.length ? howMany(jobs.length) : "";
  by("more-jobs").hidden = jobs.length <= visible && !more();
  by("jobs-none").hidden = jobs.length > 0;
  by("jobs-none").textContent = store.shown.jobs.length ? (more() ? "None of the newest is like that." : "No job is like that.")
    : `No job yet. Drop a YAML file of kind: job into ${store.shown.inbox}.`;
}

/** All there are, also where not all are loaded. */
function howMany(n) {
  if (!more()) return n.toLocaleString();
  const all = { all: store.shown.tally.jobs, stale: store.shown.tally.stale }[which];
  return all ? all.toLocaleString() : `${n.toLocaleString()} or more`;
}

function item(job) {
  const take = job.takes.at(-1);
  const images = take?.images ?? [];
  return {
    id: job.id, key: job.key, file: job.file, status: job.status, stale: job.stale, prompt: job.prompt,
    reason: reason(job), priority: job.priority, model: job.model, take: take?.number ?? 0, at: job.id === target || job.key === target,
    of: job.characters.join(" & ") || leaf(folder(job.key)),
    thumbs: images.slice(0, THUMBS).map(({ id, index }) => ({ id, index })),
    done: take ? `${images.length} of ${take.count}` : "",
  };
}

function row(job) {
  const tone = job.status === "waiting" ? "wait" : "bad";
  const told = job.reason;
  return el("li", { class: job.at ? "job at" : "job", id: `job-${job.id}` },
    el("div", { class: "name", tabindex: "-1", title: job.file }, leaf(job.key),
      job.of ? el("span", {}, job.of) : null),
    el("div", { class: "chips" }, chip(job.status, TONES[job.status]),
      job.stale ? chip("stale", "wait", "It would be drawn differently today") : null,
      job.priority ? chip(`priority ${job.priority}`, "rest plain") : null,
      job.model ? chip(job.model, "rest plain", "The model that draws it") : null,
      job.take > 1 ? chip(`take ${job.take}`, "rest plain") : null),
    el("p", { class: told ? `text told ${tone}` : "text", title: told ?? job.prompt }, told ?? job.prompt),
    el("div", { class: "thumbs" }, ...job.thumbs.map(({ id, index }) =>
      el("button", { type: "button", "aria-label": `Picture ${index} of ${job.key}`,
        "data-act": `picture-${id}`, onclick: () => open(id, job.thumbs.map((each) => each.id)) }, small(id, ""))),
      el("span", {}, job.done)),
    el("div", { class: "acts" }, ...acts(job)));
}

function acts({ key, status, stale }) {
  const button = (text, order) => el("button", { type: "button", "data-act": text,
    "aria-label": `${text}: ${key}`, onclick: giving(...order) }, text);
  switch (status) {
    case "queued": case "rendering": case "waiting":
      return [button("Hold", hold(key)), button("Cancel", cancel(key))];
    case "held": return [button("Release", release(key)), button("Cancel", cancel(key))];
    case "failed": case "cancelled": case "quarantined": return [button("Retry", retry(key))];
    case "done": return [button("Draw again", redraw(key, stale))];
    default: return [];
  }
}

