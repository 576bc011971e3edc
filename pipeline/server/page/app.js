// The page: each part shows what the store has, and the store has what the program says.

import * as cast from "./cast.js";
import { by } from "./dom.js";
import * as gallery from "./gallery.js";
import * as jobs from "./jobs.js";
import * as night from "./night.js";
import * as router from "./router.js";
import { on } from "./store.js";
import { listen } from "./stream.js";
import * as studio from "./studio.js";
import * as top from "./top.js";
import * as viewer from "./viewer.js";

top.start();
viewer.start();
for (const part of [studio, gallery, cast, jobs, night]) part.start();

// No form goes anywhere: each is heard as it changes.
document.addEventListener("submit", (event) => event.preventDefault());

let shown = false;
on("state", () => {
  if (shown) return;
  shown = true;
  by("connecting").hidden = true;
  router.follow();
});
addEventListener("hashchange", () => { if (shown) router.follow(); });
listen();
