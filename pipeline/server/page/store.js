// What the program says, as it last said it. Keeps no truth of its own: a reload has the same.

export const store = {
  shown: null, // the last snapshot
  live: null,
  workers: [], // what they draw; newer than the snapshot's
  jobs: new Map(), // by key
  pictures: [], // every finished one, the newest first
  sheets: [], // every sheet of a current take
  byId: new Map(), // pictures by id
  lost: false, // whether the stream is away
};

const listeners = { state: new Set(), live: new Set(), tick: new Set(), link: new Set() };

/** Calls `act` after each change of that kind. */
export const on = (kind, act) => listeners[kind].add(act);
const tell = (kind) => { for (const act of listeners[kind]) act(); };

export function takeSnapshot(snapshot) {
  store.shown = snapshot;
  store.jobs = new Map(snapshot.jobs.map((job) => [job.key, job]));
  collect();
  tell("state");
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
  for (const job of store.shown.jobs) {
    for (const take of job.takes) {
      const current = take === job.takes.at(-1);
      for (const image of take.images) {
        const recipe = image.recipe ?? take.recipe;
        pictures.push({ ...image, recipe, job, take, current, place: pictures.length });
      }
      if (take.sheet && current) sheets.push({ ...take.sheet, job, take });
    }
  }
  pictures.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : b.place - a.place));
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
    waiting: of("waiting", "held"),
    failed: of("failed", "quarantined"),
    mend: store.shown.rejected.length,
    pictures: store.pictures.length,
  };
}

/** Seconds that a picture takes, by those drawn last; 0 where none was drawn. */
export function pace() {
  const drawn = store.pictures.filter((picture) => picture.worker).slice(0, 20);
  return drawn.length ? drawn.reduce((sum, { seconds }) => sum + seconds, 0) / drawn.length : 0;
}

export const projectName = (key) =>
  store.shown.projects.find((project) => project.key === key)?.name ?? key;

/** Whose picture it is, in a word: the characters, else the project, else the folder. */
export function whose(job) {
  const above = job.key.slice(0, Math.max(0, job.key.lastIndexOf("/")));
  return job.characters.join(" & ") || (job.project && projectName(job.project)) || above;
}
