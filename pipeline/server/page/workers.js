// The workers: each with the picture as it emerges, its step, and the time left.

import { by, chip, el, list, say } from "./dom.js";
import { on, store } from "./store.js";
import { small } from "./tile.js";
import { open } from "./viewer.js";
import { about, duration, leaf } from "./words.js";

const BEAT_MS = 250;

export function start() {
  on("tick", progress);
  setInterval(progress, BEAT_MS);
}

export function show() {
  const { workers } = store;
  list(by("workers"), workers.map(card), (worker) => worker.name, make);
  if (!workers.length && !by("workers").children.length) {
    by("workers").append(el("li", { class: "worker none" }, "No worker has been started yet."));
  }
  const drawing = workers.filter((worker) => worker.task !== null).length;
  by("workers-count").textContent = workers.length ? `${drawing} of ${workers.length} drawing` : "";
  progress();
}

/** What a card is made of; what changes with each step is not in it. */
function card({ name, phase, task, job, job_id: id, index, prompt }) {
  const job_ = task && store.jobs.get(job);
  const count = job_?.takes.at(-1)?.count ?? 1;
  const recipe = job_?.takes.at(-1)?.recipe;
  const shape = recipe ? recipe.width / recipe.height : 1;
  return { name, phase, task, job, id, index, count, prompt, shape, last: task ? null : last(name) };
}

function last(worker) {
  const picture = store.pictures.find((each) => each.worker === worker);
  return picture ? { id: picture.id, key: picture.job.key } : null;
}

function make(worker) {
  return worker.task === null ? idle(worker) : drawing(worker);
}

function drawing({ name, job, id, index, count, prompt, shape }) {
  const easel = el("div", { class: "easel blank" },
    el("img", { class: "preview", alt: `${job}, as it emerges`, hidden: true }));
  easel.style.setProperty("--shape", Math.min(1.6, Math.max(0.6, shape)));
  return el("li", { class: "worker drawing" }, easel,
    el("div", { class: "caption" },
      el("p", { class: "what" }, el("a", { href: `#/jobs/${id}`, title: job }, leaf(job)),
        count > 1 ? el("span", { class: "quiet" }, ` ${index} of ${count}`) : null),
      el("p", { class: "prompt", title: prompt }, prompt),
      el("progress", { max: 1, value: 0, "aria-label": `${job}, steps` }),
      el("p", { class: "pace" }, el("span", { class: "steps" }), el("span", { class: "time" })),
      el("p", { class: "who" }, name, chip("drawing", "work"))));
}

const READINESS = { idle: "Ready for the next picture", switching: "Taking another model",
  starting: "Warming up", unloaded: "Unloaded until there is something to draw" };

function idle({ name, phase, last: shown }) {
  const warm = phase === "idle";
  const easel = el("div", { class: "easel" });
  if (shown) {
    easel.append(el("button", { type: "button", class: "last", "data-act": "last",
      "aria-label": `The last picture of ${name}: ${shown.key}`, onclick: () => open(shown.id) },
      small(shown.id, "")));
  }
  return el("li", { class: "worker idle" }, easel,
    el("div", { class: "caption" },
      el("p", { class: "what" }, READINESS[phase] ?? phase),
      el("p", { class: "prompt" }, shown ? `Last: ${leaf(shown.key)}` : "Nothing drawn yet"),
      el("p", { class: "who" }, name, chip(phase, warm ? "good" : "wait"))));
}

/** Steps, seconds and previews: they change often, so nothing is made anew for them. */
function progress() {
  for (const worker of store.workers) {
    if (worker.task === null) continue;
    const node = [...by("workers").children].find((each) => each.dataset.key === worker.name);
    const bar = node?.querySelector("progress");
    if (!bar) continue;
    const seconds = Math.max(0, (performance.now() - worker.began) / 1000);
    const pace = worker.step > 1 ? worker.seconds / worker.step : 0;
    const left = pace * (worker.steps - worker.step);
    bar.max = worker.steps || 1;
    bar.value = worker.step;
    say(node.querySelector(".steps"), `step ${worker.step} of ${worker.steps}`);
    say(node.querySelector(".time"), duration(seconds) + (left >= 1 ? ` · ${about(left)} left` : ""));
    preview(node.querySelector(".easel"), worker);
  }
}

let turns = 0;

/**
 * The picture as it is by now: decoded first, so that the one before it stays until then. One that
 * is decoded late does not take the place of a newer one.
 */
function preview(easel, { preview: url }) {
  if (!url || easel.dataset.wanted === url) return;
  easel.dataset.wanted = url;
  const turn = ++turns;
  const before = easel.querySelector(".preview");
  const next = el("img", { class: before.hidden ? "preview first" : "preview", alt: before.alt, src: url });
  next.decode().then(() => {
    if (turn < Number(easel.dataset.turn ?? 0)) return;
    easel.dataset.turn = turn;
    easel.querySelector(".preview").replaceWith(next);
    easel.classList.remove("blank");
  }).catch(() => { /* The picture was finished meanwhile. */ });
}
