// What the program says, as it last said it. Keeps no truth of its own: a reload has the same.

export const store = {
  shown: null, // the last snapshot
  live: null,
  workers: [], // what they draw; newer than the snapshot's
  jobs: new Map(), // by key: those of the snapshot, and older ones that were loaded
  pictures: [], // every finished one, the newest first
  sheets: [], // every sheet of a current take
  byId: new Map(), // pictures by id
  lost: false, // whether the stream is away
};

const listeners = { state: new Set(), live: new Set(), tick: new Set(), link: new Set() };

/** Calls `act` after each change of that kind. */
export const on = (kind, act) => listeners[kind].add(act);
const tell = (kind) => { for (const act of listeners[kind]) act(); };

let spokenOf = new Map(); // by key of a job: seq of the last fact about it
let declared = 0; // seq of the last fact that may make any picture stale
const DECLARES = /^(project|character|styles|wildcard|adapter|picture)_|^runner_started$|^model_failed$/;

/** A fact: what is loaded of its job may be out of date, also where no snapshot has it. */
export function takeFact({ seq, type, job, key }) {
  if (DECLARES.test(type)) declared = seq;
  const about = job ?? (type.startsWith("job_") ? key : null);
  if (about) spokenOf.set(about, seq);
}

/**
 * The jobs of the snapshot, and those loaded before: jobs at rest slide out of it as others are
 * finished. Returns the ids of those that are to be asked for again.
 */
export function takeSnapshot(snapshot, anew = false) {
  const before = anew ? new Map() : store.jobs;
  store.shown = snapshot;
  store.jobs = new Map(snapshot.jobs.map((job) => [job.key, job]));
  const doubted = [];
  for (const [key, job] of before) {
    if (store.jobs.has(key)) continue;
    store.jobs.set(key, job);
    if (spokenOf.has(key) || declared) doubted.push(job.id);
  }
  spokenOf = new Map([...spokenOf].filter(([, seq]) => seq > snapshot.seq));
  if (declared <= snapshot.seq) declared = 0;
  collect();
  tell("state");
  return doubted;
}

/** Older jobs were loaded, and some are no longer there. */
export function addJobs(jobs, gone = []) {
  const there = new Set(store.shown.jobs.map((job) => job.key));
  for (const job of jobs) if (!there.has(job.key)) store.jobs.set(job.key, job);
  for (const [key, job] of store.jobs) if (gone.includes(job.id) && !there.has(key)) store.jobs.delete(key);
  collect();
  tell("state");
}

export function dropOlder() {
  store.jobs = new Map(store.shown.jobs.map((job) => [job.key, job]));
  collect();
}

/** All that are loaded: in the order of the snapshot, and with older ones the newest first. */
export function loaded() {
  const jobs = [...store.jobs.values()];
  return store.shown.older.count ? jobs.sort((a, b) => b.order - a.order) : jobs;
}

export function takeLive(live) {
  const before = new Map(store.workers.map((worker) => [worker.task, worker.preview]));
  store.live = live;
  store.workers = live.workers.map((worker) => ({
    ...worker,
    began: performance.now() - worker.seconds * 1000,
    preview: worker.preview ?? before.get(worker.task) ?? null,
  }));
  tell("live");
}

export function takeTick(tick) {
  const worker = store.workers.find(({ name, task }) => name === tick.worker && task === tick.task);
  if (!worker) return;
  Object.assign(worker, { step: tick.step, steps: tick.steps, seconds: tick.seconds });
  if (tick.preview) worker.preview = tick.preview;
  tell("tick");
}

export function setLost(lost) {
  if (store.lost === lost) return;
  store.lost = lost;
  tell("link");
}

function collect() {
  const pictures = [];
  const sheets = [];
  for (const job of store.jobs.values()) {
    for (const take of job.takes) {
      const current = take === job.takes.at(-1);
      for (const image of take.images) {
        const recipe = image.recipe ?? take.recipe;
        pictures.push({ ...image, recipe, job, take, current, place: pictures.length });
      }
      if (take.sheet && current) sheets.push({ ...take.sheet, job, take });
    }
  }
  pictures.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : b.job.order - a.job.order || b.place - a.place));
  store.pictures = pictures;
  store.sheets = sheets;
  store.byId = new Map(pictures.map((picture) => [picture.id, picture]));
}

/** How many of each there are, for the title and those who listen. */
export function counts() {
  const jobs = store.shown.jobs;
  const of = (...words) => jobs.filter((job) => words.includes(job.status)).length;
  return {
    drawing: store.workers.filter((worker) => worker.task !== null).length,
    queued: store.shown.queue.length,
    failed: of("failed", "quarantined"),
    needs: of("failed", "quarantined", "waiting"),
    mend: store.shown.rejected.length,
    pictures: store.shown.tally.files,
  };
}

export const projectName = (key) =>
  store.shown.projects.find((project) => project.key === key)?.name ?? key;

/** Whose picture it is, in a word: the characters, else the project, else the folder. */
export function whose(job) {
  const above = job.key.slice(0, Math.max(0, job.key.lastIndexOf("/")));
  return job.characters.join(" & ") || (job.project && projectName(job.project)) || above;
}
