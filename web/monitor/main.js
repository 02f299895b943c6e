// The monitor: what this server told, live and kept. Asks the server what it is, then starts the parts.
import { ask, megabytes } from "./dom.js";
import "./live.js";
import "./streams.js";
import "./trend.js";
import "./told.js";
import "./try.js";

const REFRESH_MS = 5000;
const byId = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const part = (/** @type {string} */ name) => /** @type {any} */ (document.querySelector(`monitor-${name}`));

/** @param {import("./dom.js").About} about */
const describe = (about) => {
  const { pictures, bytes, unsure, file, keep_days, keep_bytes } = about.kept;
  byId("kept").textContent = `${pictures.toLocaleString("en")} pictures kept (${megabytes(bytes)} of at most ${megabytes(keep_bytes)}, ` +
    `${keep_days} days), ${unsure} unsure; ${file ? `in ${file}` : "in memory until the server stops (--history FILE keeps them)"}.`;
};

part("live").addEventListener("link", (/** @type {CustomEvent} */ { detail }) => {
  byId("link").className = `link ${detail.state}`;
  byId("link").textContent = detail.text;
});

try {
  const about = await ask("/api/monitor");
  document.title = `${about.bundle}: the monitor`;
  byId("bundle").textContent = `${about.bundle} · ${about.kind}`;
  describe(about);
  for (const name of ["live", "streams", "trend", "told", "try", "compare"]) part(name).start(about);
  part("cuts").start(about, (/** @type {import("./dom.js").Kept} */ kept) => part("told").open(kept));
  setInterval(() => ask("/api/monitor").then(describe, () => undefined), REFRESH_MS);
} catch (error) {
  byId("trouble").hidden = false;
  byId("trouble").textContent = error instanceof Error ? error.message : String(error);
}
document.documentElement.dataset.ready = "";
