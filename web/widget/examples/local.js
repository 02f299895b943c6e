// `?bundle=ADDRESS` takes another bundle than the one `telltale serve` shows at /bundle/.
import { drawLamps } from "./lamps.js";

drawLamps(/** @type {any} */ (document.querySelector("canvas")), /** @type {any} */ (document.getElementById("lamps")));

const widget = /** @type {any} */ (document.createElement("tell-tale"));
const bundle = new URLSearchParams(location.search).get("bundle");
widget.setAttribute("mode", "local");
widget.setAttribute("for", "#picture");
widget.setAttribute("rate", "5");
if (bundle) widget.setAttribute("bundle", bundle);
const report = /** @type {any} */ (document.getElementById("report"));
widget.addEventListener("tell-tale-state", (/** @type {CustomEvent} */ { detail }) => {
  if (detail.state !== "connected") return;
  const { maxDiff, tried, threads, worker } = widget.report;
  const times = tried.map((/** @type {any} */ t) => `${t.medianMs.toFixed(1)} ms with ${t.threads} thread${t.threads > 1 ? "s" : ""}`);
  report.textContent = `Golden pictures: largest difference ${maxDiff.toExponential(1)}. One picture: ${times.join(", ")}. ` +
    `Running with ${threads}, ${worker ? "in a worker" : "on the page's own thread"}.`;
});
widget.addEventListener("tell-tale-error", (/** @type {CustomEvent} */ { detail }) => (report.textContent = detail.message));
document.body.append(widget);
widget.connect();
