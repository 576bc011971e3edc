// Finished jobs that the snapshot leaves out: asked for a page at a time, or one by its name, and
// asked for again when a fact speaks of them.

import { addJobs, dropOlder, store } from "./store.js";

const PAGE = 200;
const LOOKS = 10; // pages that one wish may take: a rare picture is far back
const AT_ONCE = 100; // jobs that are asked for again in one question
const MOST = 2000; // jobs that were pushed out of the snapshot and stay, while nobody goes back
const AGAIN_MS = 1000; // from a fact to the question, so that many facts make one

const ends = new Map(); // by question: where its next page begins; null at the end
const doubted = new Set(); // ids of jobs that may stand otherwise by now
const asking = new Set(); // questions on their way
let later = 0;

const named = (question) => new URLSearchParams(Object.entries(question).filter(([, said]) => said)).toString();

function end(question) {
  const name = named(question);
  return ends.has(name) ? ends.get(name) : store.shown?.older.before ?? null;
}

/** Whether there may be more that answers a question: `of`, `show` and `words`. */
export const hasMore = (question) => end(question) !== null;

/** Loads pages until there is enough, or nothing more, or a person should be asked first. */
export async function load(question, enough, looks = LOOKS) {
  const name = named(question);
  if (asking.has(name)) return;
  asking.add(name);
  try {
    for (let look = 0; look < looks && hasMore(question) && !enough(); look += 1) {
      const page = await get(named({ ...question, before: end(question), limit: PAGE }));
      if (!page) return;
      ends.set(name, page.before);
      addJobs(page.jobs);
    }
  } finally {
    asking.delete(name);
  }
}

/** The one job of that key or id, or of that picture's id; loaded if it is not there yet. */
export async function one(kind, name) {
  const page = await get(named({ [kind]: name }));
  if (page) addJobs(page.jobs);
  return page?.jobs[0] ?? null;
}

/** A page that is open for weeks does not keep all that was drawn meanwhile. */
export function tidy() {
  if (!ends.size && store.jobs.size > store.shown.jobs.length + MOST) dropOlder();
}

export function forget() {
  ends.clear();
  doubted.clear();
}

/** Jobs of the snapshot before that are in none now, of which something was said. */
export function doubt(ids) {
  for (const id of ids) doubted.add(id);
  if (doubted.size && !later) later = setTimeout(again, AGAIN_MS);
}

async function again() {
  const ids = [...doubted].slice(0, AT_ONCE);
  for (const id of ids) doubted.delete(id);
  const page = await get(ids.map((id) => `job=${encodeURIComponent(id)}`).join("&"));
  if (page) {
    const there = new Set(page.jobs.map((job) => job.id));
    addJobs(page.jobs, ids.filter((id) => !there.has(id)));
  }
  later = doubted.size ? setTimeout(again, page ? 0 : AGAIN_MS) : 0;
}

async function get(query) {
  try {
    const answer = await fetch(`/api/jobs?${query}`);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null; // The stream says that the connection is lost.
  }
}
