// The page: shows what /api/state says, and asks again when a fact arrives on /events.
// It keeps no truth of its own. Text of a manifest reaches the document as text only.

const PAUSE_MS = 150; // between two questions for the state, at least
const AGAIN_MS = 2000; // before the state is asked for again where no answer came
const SPOKEN_MS = 3000; // between two words to a screen reader, at least
const LOST_MS = 1200; // a stream away for longer than that is worth a banner
const GALLERY_STEP = 48;
const JOBS_STEP = 100;
const QUEUE_SHOWN = 30;
const THUMBS = 4;

const TONES = {
  waiting: "wait", held: "rest", queued: "rest", rendering: "work", done: "good",
  failed: "bad", cancelled: "rest", quarantined: "bad", withdrawn: "rest",
};
const by = (id) => document.getElementById(id);
const plural = (n, one, many = `${one}s`) => `${n.toLocaleString()} ${n === 1 ? one : many}`;

let shown = null; // the last snapshot
let workers = []; // what they draw; newer than the snapshot's
let live = null;
let pictures = []; // every finished one, the newest first
let visible = GALLERY_STEP;
let jobsVisible = JOBS_STEP;
let viewed = null; // id of the picture in the dialog
let lost = false;

// ---------------------------------------------------------------- building the document

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") node.className = value;
    else if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

// Makes the parent's children those of the items, in order. A child is made anew only when its
// item has changed, so that pictures do not flicker and the keyboard's place is kept.
function list(parent, items, key, make) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let place = parent.firstElementChild;
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
        const focused = node.contains(document.activeElement);
        if (place === node) place = node.nextElementSibling;
        node.remove();
        if (focused) queueMicrotask(() => fresh.querySelector("a, button, [tabindex]")?.focus());
      }
      node = fresh;
    }
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const node of old.values()) node.remove();
}

const chip = (text, tone, title = "") => el("span", { class: `chip ${tone}`, title }, text);
const leaf = (key) => key.slice(key.lastIndexOf("/") + 1);
const folder = (key) => key.slice(0, Math.max(0, key.lastIndexOf("/")));
const projectNames = () => new Map(shown.projects.map(({ key, name }) => [key, name]));
const today = () => new Date().toDateString();
const clock = (at) => {
  const day = new Date(at).toDateString() === today() ? {} : { day: "numeric", month: "short" };
  return el("time", { datetime: at, title: new Date(at).toLocaleString() },
    new Date(at).toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit" }));
};
const duration = (s) =>
  s < 60 ? `${s.toFixed(1)} s` : `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;

// A small picture. If its file is gone, a word stands in its place; where there is no answer at
// all, the file may well be there.
function small(id, alt) {
  const image = el("img", { src: `/pictures/${id}?small`, loading: "lazy", alt });
  image.addEventListener("error", async () => {
    const answer = await fetch(image.src, { method: "HEAD" }).catch(() => null);
    if (answer?.status !== 404) return;
    const gone = el("span", { class: "gone" }, "file is gone");
    gone.style.setProperty("--shape", image.style.getPropertyValue("--shape") || "1");
    image.replaceWith(gone);
  });
  return image;
}

// ---------------------------------------------------------------- the parts of the page

function counts() {
  const jobs = shown.jobs;
  const of = (...words) => jobs.filter((job) => words.includes(job.status)).length;
  return {
    drawing: workers.filter((worker) => worker.task !== null).length,
    queued: shown.queue.length,
    waiting: of("waiting", "held"),
    failed: of("failed", "quarantined"),
    pictures: pictures.length,
  };
}

function showTop() {
  const n = counts();
  const items = [
    ["drawing", n.drawing], ["queued", n.queued],
    ...(n.waiting ? [["waiting or held", n.waiting]] : []),
    ...(n.failed ? [["failed", n.failed]] : []),
    [n.pictures === 1 ? "picture" : "pictures", n.pictures],
  ];
  list(by("counters"), items, ([word]) => word, ([word, count]) =>
    el("li", {}, el("b", {}, count.toLocaleString()), ` ${word}`));
  const busy = n.drawing || n.queued ? `${n.drawing} drawing, ${n.queued} queued` : "";
  document.title = [lost ? "connection lost" : "", busy, "anime"].filter(Boolean).join(" · ");
  const model = shown.model ?? "model";
  const pills = [
    live?.model_preloaded ? [`${model} is warm`, "good"] : [`${model} is warming up`, "wait"],
    live?.journal_failed ? ["journal failed", "bad"]
      : [`journal at ${shown.seq.toLocaleString()}`, "good"],
    live?.inbox_lost ? ["inbox lost", "bad"] : ["inbox watched", "good"],
  ];
  list(by("pills"), pills, ([text]) => text, ([text, tone]) => el("li", {}, chip(text, tone)));
}

function showBanners() {
  const banners = [
    lost && ["Connection lost. Trying again; what you see may be out of date.", "bad"],
    live?.inbox_lost && [`The inbox is lost: ${live.inbox_lost}`, "bad"],
    live?.journal_failed && [`Nothing more can be recorded: ${live.journal_failed}`, "bad"],
    shown?.paused && [`The queue is paused: ${shown.paused}`, "wait"],
    live?.draining && ["Stopping: what is being drawn is finished first.", "wait"],
  ].filter(Boolean);
  list(by("banners"), banners, ([text]) => text, ([text, tone]) =>
    el("p", { class: `banner ${tone}`, role: "alert" }, text));
}

function showWorkers() {
  list(by("workers"), workers.map(({ step, steps, began, seconds, ...same }) => same),
    (worker) => worker.name, workerCard);
  if (!workers.length && !by("workers").children.length) {
    by("workers").append(el("li", { class: "quiet" }, "No worker has been started yet."));
  }
  showProgress();
}

function workerCard(worker) {
  const drawing = worker.task !== null;
  const phase = drawing ? "drawing" : worker.phase;
  const tone = drawing ? "work" : phase === "idle" ? "good" : "wait";
  const idle = phase === "idle" ? "Ready for the next picture." : "Warming up.";
  return el("li", { class: "worker" },
    el("header", {}, el("span", {}, worker.name), chip(phase, tone)),
    drawing ? el("p", { class: "what" },
      el("a", { href: `#job-${worker.job_id}` }, worker.job), ` · ${worker.index}`) : null,
    el("p", { class: "prompt", title: worker.prompt ?? "" }, drawing ? worker.prompt : idle),
    drawing ? el("footer", {},
      el("progress", { max: 1, value: 0, "aria-label": `${worker.job}, steps` }),
      el("span", { class: "steps" }), el("span", { class: "time" })) : null);
}

function showProgress() {
  for (const worker of workers) {
    if (worker.task === null) continue;
    const card = [...by("workers").children].find((node) => node.dataset.key === worker.name);
    const bar = card?.querySelector("progress");
    if (!bar) continue;
    const seconds = Math.max(0, (performance.now() - worker.began) / 1000);
    const pace = worker.step > 1 ? worker.seconds / worker.step : 0;
    const left = pace * (worker.steps - worker.step);
    bar.max = worker.steps || 1;
    bar.value = worker.step;
    card.querySelector(".steps").textContent = `step ${worker.step} of ${worker.steps}`;
    card.querySelector(".time").textContent =
      duration(seconds) + (left >= 1 ? ` · about ${Math.ceil(left)} s left` : "");
  }
}

function showQueue() {
  const jobs = new Map(shown.jobs.map((job) => [job.key, job]));
  const queue = shown.queue.map((key) => jobs.get(key)).filter(Boolean);
  const items = queue.slice(0, QUEUE_SHOWN)
    .map(({ id, key, left, priority }) => ({ id, key, left, priority }));
  list(by("queue"), items, (job) => job.id, (job) =>
    el("li", {}, el("span", {}, el("a", { href: `#job-${job.id}`, title: job.key }, leaf(job.key)),
      el("span", { class: "quiet where" }, folder(job.key))), el("span", { class: "quiet" },
      (job.priority ? `priority ${job.priority} · ` : "") + plural(job.left, "picture"))));
  by("queue-count").textContent = queue.length ? plural(queue.length, "job") : "";
  by("queue-none").hidden = queue.length > 0;
  by("queue-rest").hidden = queue.length <= QUEUE_SHOWN;
  by("queue-rest").textContent = `and ${plural(queue.length - QUEUE_SHOWN, "more job")}`;
}

function collect() {
  pictures = shown.jobs.flatMap((job) => job.takes.flatMap((take) =>
    take.images.map((image) => ({ ...image, recipe: image.recipe ?? take.recipe, job, take }))))
    .map((picture, place) => ({ ...picture, place }));
  pictures.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : b.place - a.place));
}

function showGallery() {
  const names = projectNames();
  const day = today();
  const items = pictures.slice(0, visible).map(({ id, index, at, job, take, label, recipe }) => ({
    id, index, at, day, key: job.key, several: take.count > 1, label, prompt: recipe.prompt,
    mark: take !== job.takes.at(-1) ? "older take" : job.stale ? "stale" : "",
    of: job.characters.join(" & ") || names.get(job.project) || folder(job.key),
    shape: recipe.width / recipe.height,
  }));
  list(by("gallery"), items, (item) => item.id, (item) => {
    const image = small(item.id, item.prompt);
    image.style.setProperty("--shape", Math.max(item.shape, 0.65));
    const button = el("button", { type: "button", class: "picture", title: item.key }, image,
      item.mark ? el("span", { class: "chip wait mark" }, item.mark) : null,
      el("span", { class: "under" },
        el("b", {}, leaf(item.key) + (item.several ? ` · ${item.index}` : "")),
        el("i", {}, clock(item.at), item.of ? ` · ${item.of}` : "")));
    button.addEventListener("click", () => view(item.id));
    return el("li", {}, button);
  });
  by("gallery-count").textContent = pictures.length ? pictures.length.toLocaleString() : "";
  by("gallery-none").hidden = pictures.length > 0;
  by("more").hidden = pictures.length <= visible;
}

function showRejected() {
  by("rejected").hidden = !shown.rejected.length;
  by("rejected-count").textContent = plural(shown.rejected.length, "file");
  list(by("rejected-list"), shown.rejected, (item) => item.file, (item) =>
    el("li", {}, el("b", {}, item.file), ` has ${plural(item.problems, "problem")}`,
      el("pre", { tabindex: "0", "aria-label": `Problems of ${item.file}` }, item.text)));
}

function showJobs() {
  const names = projectNames();
  const groups = new Map();
  for (const job of shown.jobs) {
    const project = names.get(job.project) ?? job.project ?? "No project";
    const cast = job.characters.join(" & ");
    const name = JSON.stringify([project, cast]);
    if (!groups.has(name)) groups.set(name, { name, project, cast, jobs: [] });
    groups.get(name).jobs.push(job);
  }
  const sorted = [...groups.values()].sort((a, b) =>
    a.project.localeCompare(b.project) || a.cast.localeCompare(b.cast));
  let room = jobsVisible;
  for (const group of sorted) {
    group.jobs = group.jobs.slice(0, room);
    room -= group.jobs.length;
  }
  const some = sorted.filter((group) => group.jobs.length);
  const heads = some.map(({ name, project, cast }) => ({ name, project, cast }));
  list(by("jobs"), heads, (group) => group.name, (group) =>
    el("div", { class: "group" },
      el("h3", {}, group.project, group.cast ? el("span", {}, ` · ${group.cast}`) : null),
      el("ul", {})));
  some.forEach((group, place) =>
    list(by("jobs").children[place].querySelector("ul"), group.jobs, (job) => job.id, jobRow));
  by("jobs-count").textContent = shown.jobs.length.toLocaleString();
  by("jobs-section").hidden = !shown.jobs.length;
  by("more-jobs").hidden = shown.jobs.length <= jobsVisible;
}

// A link to a job that is not among the shown ones shows them all.
function followLink() {
  const id = location.hash.slice(1);
  if (!id || by(id) || !shown?.jobs.some((job) => `job-${job.id}` === id)) return;
  jobsVisible = Infinity;
  showJobs();
  location.replace(location.hash); // again, now that its target is there
}

function jobRow(job) {
  const take = job.takes.at(-1);
  const failed = Object.values(take?.failed ?? {});
  const told = job.quarantined ?? job.waiting ?? (failed.length ? failed.join("; ") : null);
  const tone = job.quarantined || !job.waiting ? "bad" : "wait";
  const images = take?.images ?? [];
  const done = take ? `${images.length} of ${take.count}` : "";
  return el("li", { class: "job", id: `job-${job.id}` },
    el("div", { class: "name", title: job.file }, leaf(job.key)),
    el("div", { class: "chips" }, chip(job.status, TONES[job.status]),
      job.stale ? chip("stale", "wait", "It would be drawn differently today") : null,
      take && take.number > 1 ? chip(`take ${take.number}`, "rest") : null),
    el("p", { class: told ? `text told ${tone}` : "text", title: told ?? job.prompt },
      told ?? job.prompt),
    el("div", { class: "thumbs" },
      ...images.slice(0, THUMBS).map((image) => {
        const label = `Picture ${image.index} of ${job.key}`;
        const button = el("button", { type: "button", "aria-label": label },
          small(image.id, ""));
        button.addEventListener("click", () => view(image.id));
        return button;
      }), el("span", {}, done)));
}

function showEmpty() {
  const empty = !shown.jobs.length && !shown.rejected.length;
  by("empty").hidden = !empty;
  by("columns").hidden = empty;
  by("empty-inbox").textContent = shown.inbox;
  by("foot").textContent = `anime ${shown.version} · ${shown.inbox}`;
}

// ---------------------------------------------------------------- one picture, large

function view(id) {
  const place = pictures.findIndex((picture) => picture.id === id);
  if (place < 0) return;
  const { job, take, ...image } = pictures[place];
  const recipe = image.recipe;
  viewed = id;
  by("viewer-image").src = `/pictures/${id}`;
  by("viewer-image").alt = recipe.prompt;
  by("viewer-title").textContent = job.key + (take.count > 1 ? ` · ${image.label || image.index}` : "");
  const facts = {
    Prompt: recipe.prompt, Negative: recipe.negative, Seed: String(image.seed),
    Steps: String(recipe.steps), Sampler: `${recipe.sampler}, ${recipe.schedule}`,
    Guidance: String(recipe.guidance), Size: `${recipe.width} × ${recipe.height}`,
    Take: take.number > 1 ? String(take.number) : "",
    Drawn: new Date(image.at).toLocaleString() + (image.worker
      ? `, in ${duration(image.seconds)} by ${image.worker}` : ""),
    "Reused from": image.source ?? "", File: image.file, Manifest: job.file,
  };
  by("viewer-facts").replaceChildren(...Object.entries(facts).filter(([, text]) => text)
    .flatMap(([word, text]) => [el("dt", {}, word), el("dd", {}, text)]));
  showSteps();
  if (!by("viewer").open) by("viewer").showModal();
}

const viewedPlace = () => pictures.findIndex((picture) => picture.id === viewed);

function showSteps() {
  const place = viewedPlace();
  by("newer").disabled = place <= 0;
  by("older").disabled = place < 0 || place === pictures.length - 1;
}

function step(by_) {
  const place = viewedPlace();
  if (pictures[place + by_]) view(pictures[place + by_].id);
}

by("viewer-image").addEventListener("error", () => {
  by("viewer-image").alt = "This picture cannot be shown; its file may be gone.";
});
by("newer").addEventListener("click", () => step(-1));
by("older").addEventListener("click", () => step(1));
by("close").addEventListener("click", () => by("viewer").close());
by("viewer").addEventListener("click", (event) => {
  if (event.target === by("viewer")) by("viewer").close(); // the backdrop
});
by("viewer").addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});
by("more").addEventListener("click", () => { visible += GALLERY_STEP; showGallery(); });
by("more-jobs").addEventListener("click", () => { jobsVisible += JOBS_STEP; showJobs(); });
addEventListener("hashchange", followLink);

// ---------------------------------------------------------------- what arrives

function show() {
  collect();
  showTop(); showBanners(); showWorkers(); showQueue(); showGallery(); showRejected(); showJobs();
  showEmpty(); showSteps();
  say();
}

function take(snapshot) { shown = snapshot; }

function takeLive(said) {
  live = said;
  workers = said.workers.map((worker) =>
    ({ ...worker, began: performance.now() - worker.seconds * 1000 }));
}

let asking = false;
let asked = false;

// A fact makes the snapshot old: ask for it again, but not more often than the pause, and the
// more seldom the longer an answer takes to get and to show.
async function ask() {
  if (asking) { asked = true; return; }
  asking = true;
  asked = false;
  const begun = performance.now();
  let answered = false;
  try {
    const answer = await fetch("/api/state");
    if (answer.ok) { take(await answer.json()); answered = true; show(); }
  } catch { /* The stream's own error says that the connection is lost. */ }
  asked ||= !answered;
  const pause = answered ? Math.max(PAUSE_MS, 3 * (performance.now() - begun)) : AGAIN_MS;
  setTimeout(() => { asking = false; if (asked) ask(); }, pause);
}

let spokenAt = 0;
let speaking = 0;

function say() {
  if (speaking) return;
  speaking = setTimeout(() => {
    speaking = 0;
    spokenAt = performance.now();
    const n = counts();
    const finished = `${plural(n.pictures, "picture")} finished`;
    const text = `${n.drawing} drawing, ${n.queued} queued, ${finished}`;
    if (by("said").textContent !== text) by("said").textContent = text;
  }, Math.max(0, spokenAt + SPOKEN_MS - performance.now()));
}

let missing = 0;

function setLost(now) {
  clearTimeout(missing);
  missing = 0;
  if (lost === now) return;
  lost = now;
  showBanners();
  if (shown) showTop();
}

// The browser itself comes back and names the last fact it has (Last-Event-ID = journal seq).
function listen() {
  const stream = new EventSource("/events");
  const on = (name, act) =>
    stream.addEventListener(name, (event) => { setLost(false); act(JSON.parse(event.data)); });
  let before = false;
  stream.onopen = () => { setLost(false); if (before) ask(); before = true; };
  stream.onerror = () => {
    if (!missing && !lost) missing = setTimeout(() => setLost(true), LOST_MS);
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  };
  on("snapshot", (snapshot) => { take(snapshot); takeLive(snapshot.live); show(); });
  on("fact", ask);
  on("live", (said) => {
    takeLive(said);
    if (shown) { showWorkers(); showTop(); showBanners(); say(); }
  });
  on("tick", (tick) => {
    const worker = workers.find(({ name, task }) => name === tick.worker && task === tick.task);
    if (!worker) return;
    Object.assign(worker, { step: tick.step, steps: tick.steps, seconds: tick.seconds });
    showProgress();
  });
}

setInterval(showProgress, 250);
listen();
