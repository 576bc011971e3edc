// The studio: what is on the easels, what comes next, what was just finished, what needs a person.

import { by, el, list, roving, say } from "./dom.js";
import { give, giving, release, retry, toast } from "./orders.js";
import * as queue from "./queue.js";
import * as rejected from "./rejected.js";
import { isShown, view } from "./router.js";
import { on, store } from "./store.js";
import { tile } from "./tile.js";
import { open } from "./viewer.js";
import { TONES, folder, leaf, plural, today } from "./words.js";
import * as workers from "./workers.js";

const LATEST = 18;
const NEEDS = 4; // so that the queue is seen too

let stop;

export function start() {
  view("studio", show);
  stop = roving(by("latest"), ".picture");
  workers.start();
  by("example-copy").addEventListener("click", copyExample);
  on("state", () => { if (isShown("studio")) show(); });
  on("live", () => { if (isShown("studio") && store.shown) workers.show(); });
}

function show() {
  workers.show();
  queue.show();
  rejected.show();
  showNeeds();
  showLatest();
  showEmpty();
}

function showEmpty() {
  const { shown } = store;
  const empty = !shown.jobs.length && !shown.rejected.length;
  by("empty").hidden = !empty;
  by("latest-section").hidden = empty;
  by("empty-inbox").textContent = shown.inbox;
}

async function copyExample() {
  const text = by("example").textContent;
  try {
    await navigator.clipboard.writeText(`${text}\n`);
    toast("Copied. Save it as first.yaml in the inbox.", "good", null);
  } catch {
    getSelection().selectAllChildren(by("example"));
    toast("Selected: copy it with your keyboard.", "wait", null);
  }
}

function showLatest() {
  const day = today();
  const pictures = store.pictures.filter((picture) => picture.current).slice(0, LATEST);
  const ids = pictures.map((picture) => picture.id);
  list(by("latest"), pictures.map((picture) => tile.item(picture, day)), (item) => item.id,
    (item) => tile.make(item, () => open(item.id, ids)));
  stop();
  by("latest-none").hidden = pictures.length > 0;
  by("latest-all").hidden = store.shown.tally.files <= pictures.length;
}

// ---------------------------------------------------------------- what needs a person

export const needs = (job) => ["waiting", "held", "failed", "quarantined"].includes(job.status);
const URGENT = { quarantined: 0, failed: 1, waiting: 2, held: 3 };

/** Why a job stands as it does, where that is not plain. */
export function reason(job) {
  const failed = Object.values(job.takes.at(-1)?.failed ?? {});
  return job.quarantined ?? job.waiting ?? (failed.length ? failed.join("; ") : null);
}

function showNeeds() {
  const jobs = store.shown.jobs.filter(needs).sort((a, b) => URGENT[a.status] - URGENT[b.status]);
  const { tally: { stale }, counted } = store.shown;
  const items = jobs.slice(0, NEEDS).map((job) =>
    ({ id: job.id, key: job.key, status: job.status, reason: reason(job) }));
  if (stale) items.push({ id: "stale", stale, counted });
  by("needs").hidden = !items.length;
  by("needs-count").textContent = jobs.length ? plural(jobs.length, "job") : "";
  by("needs-rest").hidden = jobs.length <= NEEDS;
  say(by("needs-rest").firstElementChild, `All ${jobs.length.toLocaleString()} of them`);
  list(by("needs-list"), items, (item) => item.id, (item) => (item.stale ? staleRow(item) : row(item)));
}

function row({ id, key, status, reason: why }) {
  const act = status === "held" ? ["Release", release(key)]
    : status === "waiting" ? null : ["Retry", retry(key)];
  return el("li", { class: TONES[status] },
    el("div", {},
      el("a", { href: `#/jobs/${id}`, title: key }, leaf(key)),
      el("span", { class: "word" }, status),
      el("p", { class: "quiet" }, why ?? folder(key))),
    act && el("button", { type: "button", "data-act": "do", "aria-label": `${act[0]} ${key}`,
      onclick: giving(...act[1]) }, act[0]));
}

function staleRow({ stale, counted }) {
  return el("li", { class: "wait" },
    el("div", {}, el("a", { href: "#/jobs?show=stale" }, plural(stale, "stale job")),
      el("p", { class: "quiet" }, "Would be drawn differently today.", counted ? null : " Still counting.")),
    el("button", { type: "button", "data-act": "do",
      onclick: () => give({ command: "render", stale: true }) }, "Draw again"));
}

