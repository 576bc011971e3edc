// Giving commands: each goes to the inbox as a file, and is answered when its fact is on disk.
// What the answer was is shown for a while, with the way back where there is one.

import { by, el, icon } from "./dom.js";

const SHOWN_MS = 6000;
const MOST = 3;

/** Gives a command; true once it is obeyed. `undo` is the command that takes it back. */
export async function give(command, undo = null) {
  try {
    const answer = await fetch("/api/commands", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(command),
    });
    const said = await answer.json();
    const hint = said.hint ? ` — ${said.hint}` : "";
    toast(said.answer + hint, answer.ok ? "good" : "bad", answer.ok ? undo : null);
    return answer.ok;
  } catch {
    toast("The program did not answer; nothing was changed.", "bad", null);
    return false;
  }
}

/** What a button does that gives a command: a second click while it is on its way counts not. */
export const giving = (command, undo = null) => async (event) => {
  const button = event.currentTarget;
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  await give(command, undo);
  button.removeAttribute("aria-busy");
};

export function toast(text, tone, undo) {
  const node = el("div", { class: `toast ${tone}` }, el("p", {}, text));
  const away = () => node.remove();
  if (undo) {
    node.append(el("button", { type: "button", onclick: () => { away(); give(undo); } }, "Undo"));
  }
  node.append(el("button", { type: "button", class: "sign", "aria-label": "Dismiss", onclick: away },
    icon("cross")));
  by("toasts").append(node);
  while (by("toasts").children.length > MOST) by("toasts").firstElementChild.remove();
  const later = () => (node.matches(":hover, :focus-within") ? setTimeout(later, 1000) : away());
  setTimeout(later, SHOWN_MS);
}

const job = (key) => `job:${key}`;

export const hold = (key) => [{ command: "hold", target: job(key) },
  { command: "release", target: job(key) }];
export const release = (key) => [{ command: "release", target: job(key) },
  { command: "hold", target: job(key) }];
export const cancel = (key) => [{ command: "cancel", target: job(key) },
  { command: "retry", target: job(key) }];
export const retry = (key) => [{ command: "retry", target: job(key) },
  { command: "cancel", target: job(key) }];
export const redraw = (key, stale) => [{ command: "render", target: job(key), stale }];
export const prioritise = (key, priority, before) => [
  { command: "prioritise", job: job(key), priority: clamp(priority) },
  { command: "prioritise", job: job(key), priority: before }];
export const restore = (key, take) => [{ command: "restore", job: job(key), take }];

const clamp = (priority) => Math.max(-1000, Math.min(1000, priority));

/** The verdict on the picture that was looked at: approved, rejected, or null for none any more. */
export function judge({ job: { key }, take, index, sha256, verdict }, wanted) {
  const command = { approved: "approve", rejected: "reject" };
  const about = { job: job(key), take: take.number, picture: index, sha256 };
  const said = (word) => ({ command: word ? command[word] : "unjudge", ...about });
  return [said(wanted), said(verdict ?? null)];
}
