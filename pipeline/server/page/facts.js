// What is known of a picture, as pairs of a word and a text: for the large view and to compare.

import { duration, leaf } from "./words.js";

export function facts({ job, take, recipe, ...image }) {
  const drawn = image.worker ? `, in ${duration(image.seconds)} by ${image.worker}` : "";
  return Object.entries({
    Prompt: recipe.prompt, Negative: recipe.negative,
    Regions: (recipe.regions ?? []).map((region) => region.prompt).join(" | "),
    References: (recipe.likenesses ?? []).map(reference).join(" | "),
    Seed: String(image.seed), Size: size(recipe.refine ?? recipe),
    From: begun(recipe.source), Refined: refined(recipe),
    Control: (recipe.controls ?? []).map(steered).join(" | "),
    Steps: String(recipe.steps), Sampler: `${recipe.sampler}, ${recipe.schedule}`,
    Guidance: String(recipe.guidance),
    Take: take.number > 1 || job.takes.length > 1 ? `${take.number}, ${take.reason}` : "",
    Drawn: new Date(image.at).toLocaleString() + drawn,
    "Reused from": image.source ?? "", File: image.file, Manifest: job.file,
  }).filter(([, text]) => text);
}

function size({ width, height }) {
  return `${width} × ${height}`;
}

function begun(source) {
  if (!source) return "";
  const mask = source.mask ? `, where ${source.mask.file} is white` : "";
  return `${source.picture.file}, strength ${source.strength}${mask}`;
}

function refined({ refine, ...recipe }) {
  return refine ? `from ${size(recipe)}, strength ${refine.strength}, ${refine.steps} steps` : "";
}

function steered({ kind, picture, file, weight = 1 }) {
  return `${kind} of ${picture.file} by ${file}, weight ${weight}`;
}

function reference({ pictures, weight }) {
  return `${pictures.map((picture) => picture.file).join(", ")} (${weight})`;
}

export function title({ job, take, label, index }) {
  return leaf(job.key) + (take.count > 1 ? ` · ${label || index}` : "");
}
