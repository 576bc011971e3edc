// Hears what happens: the stream /events, and the state that is asked for again when a fact comes.

import { doubt, forget, tidy } from "./older.js";
import { setLost, store, takeFact, takeLive, takeSnapshot, takeTick } from "./store.js";

const PAUSE_MS = 150; // between two questions for the state, at least
const AGAIN_MS = 2000; // before the state is asked for again where no answer came
const LOST_MS = 1200; // a stream away for longer than that is worth a banner

let asking = false;
let asked = false;
let missing = 0;

/**
 * A fact makes the snapshot old: ask for it again, but not more often than the pause, and the more
 * seldom the longer an answer takes to get and to show.
 */
export async function ask() {
  if (asking) { asked = true; return; }
  asking = true;
  asked = false;
  const begun = performance.now();
  let answered = false;
  try {
    const answer = await fetch("/api/state");
    if (answer.ok) {
      const snapshot = await answer.json();
      if (!store.shown || snapshot.seq >= store.shown.seq) { doubt(takeSnapshot(snapshot)); tidy(); }
      else if (restarted(snapshot)) begin(snapshot);
      answered = true;
    }
  } catch { /* The stream's own error says that the connection is lost. */ }
  asked ||= !answered;
  const pause = answered ? Math.max(PAUSE_MS, 3 * (performance.now() - begun)) : AGAIN_MS;
  setTimeout(() => { asking = false; if (asked) ask(); }, pause);
}

// Another journal counts from the beginning.
const restarted = (snapshot) => snapshot.at > store.shown.at || snapshot.inbox !== store.shown.inbox;

function begin(snapshot) {
  forget();
  takeSnapshot(snapshot, true);
}

function link(lost) {
  clearTimeout(missing);
  missing = 0;
  setLost(lost);
}

/** The browser itself comes back and names the last fact it has (Last-Event-ID = journal seq). */
export function listen() {
  const stream = new EventSource("/events");
  const on = (name, act) =>
    stream.addEventListener(name, (event) => { link(false); act(JSON.parse(event.data)); });
  let before = false;
  stream.onopen = () => { link(false); if (before) ask(); before = true; };
  stream.onerror = () => {
    if (!missing && !store.lost) missing = setTimeout(() => link(true), LOST_MS);
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_MS);
  };
  on("snapshot", (snapshot) => { begin(snapshot); takeLive(snapshot.live); });
  on("fact", (fact) => { takeFact(fact); ask(); });
  on("counted", ask);
  on("live", takeLive);
  on("tick", takeTick);
}
