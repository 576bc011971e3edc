// Two pictures side by side: which goes with which, and in what they differ.

import { el, fill } from "./dom.js";
import { facts, title } from "./facts.js";
import { store } from "./store.js";

/** What a picture is compared with unless one is named: the same of another take, else its sibling. */
export function partner(picture) {
  const { job, take, index, id } = picture;
  const all = job.takes.flatMap((each) => each.images.map((image) => store.byId.get(image.id)))
    .filter((each) => each && each.id !== id);
  const same = all.filter((each) => each.index === index && each.take.number !== take.number);
  return same.at(-1) ?? all[0] ?? null;
}

/** What tells one of two from the other: the take, where both are of one job's. */
export function name(picture, one, two) {
  const takes = one.job.key === two.job.key && one.take.number !== two.take.number;
  return takes ? `${title(picture)}, take ${picture.take.number}` : title(picture);
}

export function panel(one, two, head, back) {
  const second = new Map(facts(two));
  const first = new Map(facts(one));
  const rows = [...new Set([...first.keys(), ...second.keys()])]
    .filter((word) => first.get(word) !== second.get(word));
  const body = el("tbody");
  fill(body, ...rows.map((word) => el("tr", {}, el("th", { scope: "row" }, word),
    ...cells(word, first.get(word) ?? "", second.get(word) ?? ""))));
  return el("div", { class: "panel" }, head,
    el("p", { class: "acts" }, el("button", { type: "button", "data-act": "compare", onclick: back },
      "Back to one")),
    el("table", { class: "differences" },
      el("caption", {}, "In what they differ"),
      el("thead", {}, el("tr", {}, el("td"), el("th", { scope: "col" }, name(one, one, two)),
        el("th", { scope: "col" }, name(two, one, two)))), body));
}

/** Prompts differ in tags: those that only one has are marked. */
function cells(word, one, two) {
  if (word !== "Prompt" && word !== "Negative") {
    return [el("td", {}, one), el("td", {}, two)];
  }
  const tags = (text) => text.split(", ");
  const marked = (text, other) => el("td", {}, ...tags(text).flatMap((tag, at) =>
    [at ? ", " : "", tags(other).includes(tag) ? tag : el("mark", {}, tag)]));
  return [marked(one, two), marked(two, one)];
}
