// Counts and ages over the last minute, hour or day.
import uPlot from "/vendor/uplot/uPlot.esm.js";
import { ask, make, pretty, tabs, word } from "./dom.js";

const EVERY_MS = { minute: 1000, hour: 5000, day: 15000 };
/** @type {("off" | "unsure" | "on")[]} */
const STATES = ["off", "unsure", "on"]; // from the top of a bar to its foot

export class MonitorTrend extends HTMLElement {
  connectedCallback() {
    /** @type {"minute" | "hour" | "day"} */ this.span = "minute";
    this.name = "";
    this.charts = /** @type {uPlot[]} */ ([]);
    this.chart = make("div", { className: "chart", role: "img" });
    this.ages = make("div", { className: "chart small", role: "img" });
    this.legend = make("div", { className: "legend" });
    this.bar = make("div", { className: "row" });
    this.note = make("p", { className: "note" });
    const spans = tabs("Span", [["minute", "Minute"], ["hour", "Hour"], ["day", "Day"]], "minute", (value) => {
      this.span = /** @type {any} */ (value);
      this.load();
    });
    this.append(
      make("div", { className: "head" }, make("h2", { textContent: "Trend" }), make("div", { className: "row" }, this.bar, spans)),
      this.legend, this.chart, this.ages, this.note);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.repaint = () => this.draw();
    this.scheme.addEventListener("change", this.repaint);
    this.sizes = new ResizeObserver(() => this.fit());
    this.sizes.observe(this);
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
    this.sizes?.disconnect();
    this.scheme?.removeEventListener("change", this.repaint ?? null);
    for (const chart of this.charts) chart.destroy();
    this.charts = [];
    this.replaceChildren();
  }

  /** @param {import("./dom.js").About} about */
  start(about) {
    this.about = about;
    this.name = about.names[0];
    if (about.names.length > 1) {
      this.bar.append(make("select", { "aria-label": "Label", onchange: (/** @type {any} */ e) => { this.name = e.target.value; this.draw(); } },
        ...about.names.map((name) => make("option", { value: name, textContent: pretty(name) }))));
    }
    this.load();
  }

  async load() {
    clearTimeout(this.timer);
    const span = this.span;
    try {
      const trend = await ask(`/api/monitor/trend?span=${span}`);
      if (span === this.span) {
        this.trend = trend;
        this.draw();
      }
    } catch { /* the live view says that the server is gone */ }
    if (this.isConnected) this.timer = setTimeout(() => this.load(), EVERY_MS[this.span]);
  }

  draw() {
    const trend = this.trend;
    if (!trend || !this.about) return;
    const style = getComputedStyle(this);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
    const none = trend.t_s.map(() => 0);
    const states = trend.states[this.name] ?? { on: none, off: none, unsure: none };
    const kind = this.about.kind;
    this.legend.replaceChildren(...[...STATES].reverse().map((state) => {
      const n = states[state].reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0);
      return make("span", { style: `--c:var(--${state})`, textContent: `${word(kind, state)} ${n.toLocaleString("en")}` });
    }));
    const tops = STATES.map((_, i) => none.map((_z, t) => STATES.slice(i).reduce((sum, state) => sum + states[state][t], 0)));
    const middle = trend.t_s.map((/** @type {number} */ t) => t + trend.step_s / 2);
    const axis = { stroke: colour("dim"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 }, font: "12px system-ui" };
    const range = [trend.t_s[0], trend.t_s[trend.t_s.length - 1] + trend.step_s];
    const x = { time: true, range: () => /** @type {[number, number]} */ (range) };
    const wide = Math.max(120, this.chart.clientWidth);
    const bars = uPlot.paths.bars?.({ size: [0.86, 60] });
    for (const chart of this.charts) chart.destroy();
    const cursor = { drag: { x: false, y: false } };
    const times = [[1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1]];
    const xAxis = this.span === "minute" ? { ...axis, values: times, space: 70 } : { ...axis, values: [[1, "{HH}:{mm}", null, null, null, null, null, null, 1]], space: 60 };
    this.charts = [
      new uPlot({
        width: wide, height: 250, legend: { show: false }, cursor,
        scales: { x, y: { range: (_u, _lo, hi) => [0, Math.max(1, Math.ceil(hi * 1.08))] } },
        axes: [xAxis, { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5] }],
        series: [{}, ...STATES.map((state) => ({ paths: bars, fill: colour(state), stroke: colour(state), width: 0, points: { show: false } }))],
      }, [middle, ...tops], this.chart),
      new uPlot({
        width: wide, height: 104, legend: { show: false }, cursor,
        scales: { x, y: { range: (_u, _lo, hi) => [0, Math.max(1, (hi || 1) * 1.15)] } },
        axes: [{ ...xAxis, values: () => [], size: 8 }, { ...axis, size: 44, space: 24, values: (_u, values) => values.map((v) => (v >= 1000 ? `${v / 1000} s` : `${v}`)) }],
        series: [{}, { stroke: colour("accent"), width: 2, spanGaps: false, points: { show: true, size: 4, fill: colour("accent") } }],
      }, [middle, trend.age_ms], this.ages),
    ];
    const unit = { 1: "second", 60: "minute", 600: "ten minutes" }[/** @type {1 | 60 | 600} */ (trend.step_s)];
    const told = trend.told.reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0);
    this.note.textContent = `${told.toLocaleString("en")} answers; above ${pretty(this.name)}, each ${unit}; below the mean age of their frames in ms.`;
    this.chart.setAttribute("aria-label", `${pretty(this.name)}: ${this.legend.textContent}`);
    this.ages.setAttribute("aria-label", "Mean age of frames, milliseconds");
  }

  fit() {
    const wide = Math.max(120, this.chart.clientWidth);
    for (const chart of this.charts) if (chart.width !== wide) chart.setSize({ width: wide, height: chart.height });
  }
}
customElements.define("monitor-trend", MonitorTrend);
