// Manifests with errors, as their error files have them: line, caret, hint.

import { by, el, list } from "./dom.js";
import { store } from "./store.js";
import { plural } from "./words.js";

export function show() {
  const { rejected } = store.shown;
  by("rejected").hidden = !rejected.length;
  by("rejected-count").textContent = plural(rejected.length, "file");
  list(by("rejected-list"), rejected, (item) => item.file, card);
}

function card(item) {
  return el("li", {},
    el("p", {}, el("b", {}, item.file), ` has ${plural(item.problems, "problem")}. `,
      el("span", { class: "quiet" }, "Mend the file; this goes by itself.")),
    el("pre", { tabindex: "0", role: "group", "aria-label": `Problems of ${item.file}` }, item.text));
}
