// How numbers, times and names are said.

import { el } from "./dom.js";

export const plural = (n, one, many = `${one}s`) => `${n.toLocaleString()} ${n === 1 ? one : many}`;
export const leaf = (key) => key.slice(key.lastIndexOf("/") + 1);
export const folder = (key) => key.slice(0, Math.max(0, key.lastIndexOf("/")));
export const today = () => new Date().toDateString();

export const TONES = {
  waiting: "wait", held: "rest", queued: "rest", rendering: "work", done: "good",
  failed: "bad", cancelled: "rest", quarantined: "bad", withdrawn: "rest",
};

export function clock(at) {
  const day = new Date(at).toDateString() === today() ? {} : { day: "numeric", month: "short" };
  return el("time", { datetime: at, title: new Date(at).toLocaleString() },
    new Date(at).toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit" }));
}

export function duration(s) {
  if (s < 60) return `${s.toFixed(1)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

/** A guess, so in few digits: "about 12 min". */
export function about(s) {
  if (s < 90) return `about ${Math.max(1, Math.ceil(s))} s`;
  if (s < 5400) return `about ${Math.round(s / 60)} min`;
  return `about ${(s / 3600).toFixed(1)} h`;
}

export function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let size = n;
  while (size >= 1000 && unit < units.length - 1) { size /= 1000; unit += 1; }
  return `${size >= 100 || unit === 0 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}
