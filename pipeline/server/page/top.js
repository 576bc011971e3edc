// The top of the page: title, state of the program, pause, theme, banners, and the live region.

import { by, el, fill, icon, list, say } from "./dom.js";
import { remember } from "./memory.js";
import { giving } from "./orders.js";
import { counts, on, store } from "./store.js";
import { bytes, plural } from "./words.js";

const SPOKEN_MS = 3000; // between two words to a screen reader, at least
const ROOM_MS = 30_000;
const SCARCE = 0.03; // of the disk
const THEMES = { auto: "The system's theme", light: "Light", dark: "Dark" };
const SIGNS = { auto: "auto", light: "sun", dark: "moon" };

let room = null;
let version = null; // the program's, as this page began
let spokenAt = 0;
let speaking = 0;

export function start() {
  on("state", show);
  on("live", show);
  on("link", show);
  by("theme").addEventListener("click", nextTheme);
  showTheme();
  by("mend").addEventListener("click", () => setTimeout(toMend));
  by("state-panel").addEventListener("toggle", measure);
  setInterval(() => { if (!document.hidden) measure(); }, ROOM_MS);
  measure();
}

function show() {
  showBanners();
  if (!store.shown || !store.live) { showTitle(); return; }
  showTitle();
  showState();
  showPause();
  showMend();
  speak();
  say(by("foot"), `anime ${store.shown.version} · ${store.shown.inbox}`);
}

function showTitle() {
  const n = store.shown ? counts() : null;
  const busy = n && (n.drawing || n.queued) ? `${n.drawing} drawing, ${n.queued} queued` : "";
  const mend = n?.mend ? `${n.mend} to mend` : "";
  const words = [store.lost ? "connection lost" : "", store.shown?.paused ? "paused" : "",
    n?.needs ? needing(n.needs) : "", mend, busy, "anime"];
  document.title = words.filter(Boolean).join(" · ");
}

function showBanners() {
  const { live, shown } = store;
  const banners = [
    store.lost && ["Connection lost. Trying again; what you see may be out of date.", "bad"],
    live?.inbox_lost && [`The inbox is lost: ${live.inbox_lost}`, "bad"],
    live?.journal_failed && [`Nothing more can be recorded: ${live.journal_failed}`, "bad"],
    shown?.paused && (unloaded()
      ? [`The queue is paused, and the model is unloaded: ${shown.paused}`, "wait"]
      : [`The queue is paused: ${shown.paused}`, "wait", unloading()]),
    shown && (version ??= shown.version) !== shown.version
      && [`The program is ${shown.version} now; reload to have its page.`, "wait"],
    live?.draining && ["Stopping: what is being drawn is finished first.", "wait"],
  ].filter(Boolean);
  list(by("banners"), banners, ([text]) => text, ([text, tone, button]) =>
    el("p", { class: `banner ${tone}`, role: "alert" }, text, button));
}

function unloading() {
  const [now, back] = [{ command: "pause", unload: true }, { command: "pause" }];
  return el("button", { type: "button", title: "Give the memory of the GPU back until you resume",
    onclick: giving(now, back) }, "Unload the model");
}

// ---------------------------------------------------------------- the state of the program

const scarce = () => room?.total && room.free / room.total < SCARCE;

function worst() {
  const { live, shown } = store;
  if (store.lost) return ["Connection lost", "bad"];
  if (live.inbox_lost) return ["Inbox lost", "bad"];
  if (live.journal_failed) return ["Journal failed", "bad"];
  if (scarce()) return ["Disk nearly full", "wait"];
  if (live.draining) return ["Stopping", "wait"];
  if (unloaded()) return ["Unloaded", "wait"];
  if (shown.paused) return ["Paused", "wait"];
  if (!live.model_preloaded) return ["Warming up", "wait"];
  return ["All well", "good"];
}

/** The GPU was given back, because of a pause or because there was nothing to draw. */
function unloaded() {
  return store.workers.length > 0 && store.workers.every(({ phase }) => phase === "unloaded");
}

function showState() {
  const [word, tone] = worst();
  by("state").className = `state ${tone}`;
  say(by("state"), word);
  const { live, shown } = store;
  const model = shown.model ?? "the model";
  const warm = live.model_preloaded;
  const facts = [
    ["Program", store.lost ? "not reachable" : "running", store.lost ? "bad" : "good"],
    ["Model", models(model, warm), warm ? "good" : "wait"],
    ["Workers", workers(), warm ? "good" : "wait"],
    ["Journal", live.journal_failed ?? journal(), live.journal_failed ? "bad" : "good"],
    ["Disk", disk(), scarce() ? "wait" : "good"],
    ["Inbox", live.inbox_lost ?? shown.inbox, live.inbox_lost ? "bad" : "good"],
    ["Queue", shown.paused ? `paused: ${shown.paused}` : plural(shown.queue.length, "job"),
      shown.paused ? "wait" : "good"],
  ];
  list(by("state-facts"), facts, ([name]) => name, ([name, text, mood]) =>
    el("div", { class: mood }, el("dt", {}, name), el("dd", {}, text)));
}

/** The one model, or how each of several stands. */
function models(model, warm) {
  const { models: all, switches } = store.shown;
  if (!all.length) return warm ? `${model} is warm` : `${model} is warming up`;
  const told = all.map(({ name, state, why }) =>
    state === "unusable" ? `${name} cannot be used: ${why}` : `${name} is ${warm ? state : "warming up"}`);
  return [...told, ...(switches ? [`${switches} switched`] : [])].join(", ");
}

function workers() {
  const { workers: all } = store;
  const drawing = all.filter((worker) => worker.task !== null).length;
  return all.length ? `${plural(all.length, "worker")}, ${drawing} drawing` : "none yet";
}

function journal() {
  const size = room?.journal ? `, ${bytes(room.journal)}` : "";
  return `${plural(store.shown.seq, "fact")} on disk${size}`;
}

const disk = () => (room?.free ? `${bytes(room.free)} free of ${bytes(room.total)}` : "not known");

async function measure() {
  try {
    const answer = await fetch("/api/room");
    if (answer.ok) room = await answer.json();
    if (store.shown && store.live) showState();
  } catch { /* The stream says that the connection is lost. */ }
}

// ---------------------------------------------------------------- to mend, pause and theme

const needing = (n) => `${n.toLocaleString()} ${n === 1 ? "needs" : "need"} you`;

function toMend() {
  by("rejected").scrollIntoView({ block: "center" });
  by("rejected-title").focus({ preventScroll: true });
}

function showMend() {
  const { mend, needs } = counts();
  by("mend").hidden = !mend;
  say(by("mend"), `${mend} to mend`);
  by("needing").hidden = !needs;
  say(by("needing"), needing(needs));
}

function showPause() {
  const button = by("pause");
  const paused = store.shown.paused !== null;
  const word = paused ? "Resume" : "Pause";
  button.hidden = false;
  if (button.dataset.word === word) return;
  button.dataset.word = word;
  const [now, back] = [{ command: "pause" }, { command: "resume" }];
  button.onclick = paused ? giving(back, now) : giving(now, back);
  button.title = paused ? "Hand out pictures again" : "Finish what is on the easels, begin no more";
  fill(button, icon(paused ? "play" : "pause"), el("span", {}, word));
}

const theme = () => document.documentElement.dataset.theme ?? "auto";

function nextTheme() {
  const names = Object.keys(THEMES);
  const next = names[(names.indexOf(theme()) + 1) % names.length];
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  remember("theme", next === "auto" ? null : next);
  showTheme();
}

function showTheme() {
  const label = `Theme: ${THEMES[theme()]}`;
  by("theme").setAttribute("aria-label", label);
  by("theme").title = label;
  fill(by("theme"), icon(SIGNS[theme()]));
}

// ---------------------------------------------------------------- to a screen reader

function speak() {
  if (speaking) return;
  speaking = setTimeout(() => {
    speaking = 0;
    spokenAt = performance.now();
    const n = counts();
    const finished = `${plural(n.pictures, "picture")} finished`;
    const trouble = n.failed ? `, ${n.failed} failed` : "";
    say(by("said"), `${n.drawing} drawing, ${n.queued} queued, ${finished}${trouble}`);
  }, Math.max(0, spokenAt + SPOKEN_MS - performance.now()));
}
