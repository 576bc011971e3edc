// One picture among others: small, with its name, its marks, and whether it pleased.

import { chip, el, icon } from "./dom.js";
import { whose } from "./store.js";
import { clock, leaf } from "./words.js";

/**
 * A small picture. If its file is gone, a word stands in its place; where there is no answer at
 * all, the file may well be there.
 */
export function small(id, alt) {
  const image = el("img", { src: `/pictures/${id}?small`, loading: "lazy", decoding: "async", alt });
  image.addEventListener("error", async () => {
    const answer = await fetch(image.src, { method: "HEAD" }).catch(() => null);
    if (answer?.status !== 404) return;
    image.replaceWith(el("span", { class: "gone" }, "file is gone"));
  });
  return image;
}

const VERDICTS = { approved: ["check", "Approved"], rejected: ["cross", "Rejected"] };

/** What a tile shows of a picture; it is made anew when that changes. */
function item(picture, day) {
  const { id, index, at, job, take, label, recipe, current, verdict } = picture;
  return {
    id, index, at, day, key: job.key, several: take.count > 1, label, prompt: recipe.prompt,
    mark: !current ? `take ${take.number}` : job.stale ? "stale" : "",
    of: whose(job), shape: recipe.width / recipe.height, verdict: verdict ?? null,
  };
}

function make(shown, click) {
  const { id, index, at, key, several, label, prompt, mark, of, shape, verdict } = shown;
  const name = leaf(key) + (several ? ` · ${label || index}` : "");
  const frame = el("span", { class: "frame" }, small(id, prompt));
  frame.style.setProperty("--shape", Math.min(2, Math.max(0.5, shape)));
  if (mark) frame.append(chip(mark, "wait mark"));
  if (verdict) {
    frame.append(el("span", { class: `verdict ${verdict}`, role: "img",
      "aria-label": VERDICTS[verdict][1] }, icon(VERDICTS[verdict][0])));
  }
  const button = el("button", { type: "button", class: "picture", title: key, "data-act": "open",
    "data-id": id, tabindex: "-1", onclick: click }, frame,
    el("span", { class: "under" }, el("b", {}, name),
      el("i", {}, of ? `${of} · ` : "", clock(at))));
  return el("li", { class: verdict === "rejected" ? "dim" : "" }, button);
}

export const tile = { item, make };
