// The queue in its order, and what can be done to each job in it.

import { by, el, list, sign } from "./dom.js";
import { cancel, giving, hold, prioritise } from "./orders.js";
import { store, whose } from "./store.js";
import { about, leaf, plural } from "./words.js";

const SHOWN = 30;

export function show() {
  const { jobs, shown } = store;
  const queue = shown.queue.map((key) => jobs.get(key)).filter(Boolean);
  const highest = Math.max(...queue.map((job) => job.priority), 0);
  const items = queue.slice(0, SHOWN).map((job, at) => {
    const { id, key, left, priority, status } = job;
    return { id, key, left, priority, status, of: whose(job), first: at === 0, top: at ? highest + 1 : priority };
  });
  list(by("queue"), items, (job) => job.id, row);
  const owed = queue.reduce((sum, job) => sum + job.left, 0);
  const guess = shown.seconds >= 5 && !shown.paused ? ` · ${about(shown.seconds)}` : "";
  by("queue-count").textContent = queue.length
    ? `${plural(queue.length, "job")} · ${plural(owed, "picture")}${guess}` : "";
  by("queue-none").hidden = queue.length > 0;
  by("queue-rest").hidden = queue.length <= SHOWN;
  by("queue-rest").textContent = `and ${plural(queue.length - SHOWN, "more job")}`;
}

function row({ id, key, left, priority, status, of, first, top }) {
  const name = leaf(key);
  const step = (by_) => giving(...prioritise(key, priority + by_, priority));
  return el("li", {},
    el("div", { class: "job-name" },
      el("a", { href: `#/jobs/${id}`, title: key, "data-act": "link" }, name),
      el("span", { class: "quiet where" }, of ? `${of} · ` : "", plural(left, "picture"),
        status === "rendering" ? ", begun" : "")),
    el("div", { class: "acts" },
      el("span", { class: "stepper", role: "group", "aria-label": `Priority of ${name}` },
        sign("minus", `Lower the priority of ${name}`, "lower", step(-1)),
        el("output", { title: "Priority", "aria-label": "Priority" }, String(priority)),
        sign("plus", `Raise the priority of ${name}`, "raise", step(1))),
      sign("up", first ? `${name} is next` : `Draw ${name} next`, "next",
        first ? () => {} : giving(...prioritise(key, top, priority)),
        first ? { "aria-disabled": "true" } : {}),
      sign("pause", `Hold ${name}`, "hold", giving(...hold(key))),
      sign("cross", `Cancel ${name}`, "cancel", giving(...cancel(key)))));
}
