// Why a picture looks so: where each word of its prompt is from, and the manifest that draws it again.

import { el, fill } from "./dom.js";
import { toast } from "./orders.js";

async function asked(node, path) {
  fill(node, el("p", { class: "quiet" }, "Asking …"));
  try {
    const answer = await fetch(path);
    if (answer.ok) return await answer.json();
  } catch { /* Said below. */ }
  fill(node, el("p", { class: "quiet" }, "There was no answer; close and open this to ask again."));
  return null;
}

export async function showWhy(node, { id }) {
  const said = await asked(node, `/api/pictures/${id}/why`);
  if (!said) return;
  const made = said.made
    && `${said.made.device}, ${said.made.dtype}, ${said.made.threads} threads, torch ${said.made.torch}`;
  fill(node,
    said.changed.length ? el("p", { class: "note wait" }, `Changed since: ${said.changed.join(", ")}.`) : null,
    ...origins("Prompt", said.prompt), ...origins("Negative", said.negative),
    !said.prompt.length && said.inputs.length
      ? el("p", {}, `Compiled from ${said.inputs.join(", ")}.`) : null,
    said.now && said.now.prompt !== said.resolved.prompt
      ? [el("h4", {}, "What it would say today"), el("p", {}, said.now.prompt)] : null,
    el("p", { class: "quiet small" }, made ? `Drawn on ${made}. ` : "", `sha256 ${said.sha256.slice(0, 16)}…`));
}

/** The parts of a prompt, those of one origin together as long as they follow each other. */
function origins(word, parts) {
  if (!parts.length) return [];
  const runs = [];
  for (const { text, origin, group } of parts) {
    const from = group ? `${origin}, ${group}` : origin;
    if (runs.at(-1)?.from === from) runs.at(-1).texts.push(text);
    else runs.push({ from, texts: [text] });
  }
  return [el("h4", {}, word), el("dl", { class: "origins" }, ...runs.flatMap(({ from, texts }) =>
    [el("dt", {}, from), el("dd", {}, texts.join(", "))]))];
}

export async function showAgain(node, { id }) {
  const said = await asked(node, `/api/pictures/${id}/again`);
  if (!said) return;
  if (said.manifest === null) { fill(node, el("p", { class: "quiet" }, said.refused)); return; }
  const copy = async () => {
    await navigator.clipboard.writeText(said.manifest).then(
      () => toast("Copied.", "good", null), () => toast("The browser does not let us copy.", "bad", null));
  };
  fill(node, el("pre", { tabindex: "0", "aria-label": "The manifest" }, said.manifest),
    el("button", { type: "button", onclick: copy }, "Copy"));
}
