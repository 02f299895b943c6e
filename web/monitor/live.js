// The newest answer with its picture, verdict, age and rates.
import { make, millis, readings, tabs, verdict } from "./dom.js";

const RETRY_MS = 1500;

export class MonitorLive extends HTMLElement {
  connectedCallback() {
    /** @type {import("./dom.js").About | null} */ this.about = null;
    this.overlay = "png";
    this.paused = false;
    this.ended = false;
    this.loading = false;
    this.wanted = 0;
    this.image = make("img", { alt: "The newest picture", hidden: true });
    this.image.addEventListener("load", () => this.loaded());
    this.image.addEventListener("error", () => this.loaded());
    this.empty = make("p", { className: "empty", textContent: "Nothing was told yet. Send a picture: drop one below, use the widget, or POST it to /api/tell." });
    this.says = make("p", { className: "verdict", textContent: "–" });
    this.when = make("p", { className: "note", style: "margin:0" });
    this.lines = make("div");
    this.facts = make("dl", { className: "facts" });
    this.pause = make("button", { type: "button", textContent: "Pause", "aria-pressed": "false", onclick: () => this.hold() });
    const choose = tabs("What the picture shows", [["png", "Overlay"], ["none", "Picture"]], "png", (value) => {
      this.overlay = value;
      this.show();
    });
    this.append(
      make("div", { className: "head" }, make("h2", { textContent: "Live" }), make("div", { className: "row" }, choose, this.pause)),
      make("div", { className: "live" },
        make("div", { className: "stage" }, this.image, this.empty),
        make("div", {}, this.says, this.when, this.lines, this.facts)));
    this.pace({ told_per_s: 0, age_ms_half: null, age_ms_95: null, told: 0, dropped: 0, errors: 0, connections: 0 });
  }

  disconnectedCallback() {
    this.ended = true;
    this.socket?.close();
    clearTimeout(this.retry);
    this.replaceChildren();
  }

  /** @param {import("./dom.js").About} about */
  start(about) {
    this.about = about;
    this.connect();
  }

  connect() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/monitor`);
    this.socket = socket;
    const link = (/** @type {string} */ state, /** @type {string} */ text) =>
      this.dispatchEvent(new CustomEvent("link", { detail: { state, text } }));
    socket.addEventListener("open", () => link("up", "connected"));
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "pace") this.pace(message);
      else if (message.type === "told") this.tell(message);
    });
    socket.addEventListener("close", () => {
      if (this.ended) return;
      link("lost", "the server is gone; trying again");
      this.retry = setTimeout(() => this.connect(), RETRY_MS);
    });
  }

  hold() {
    this.paused = !this.paused;
    this.pause.textContent = this.paused ? "Go on" : "Pause";
    this.pause.setAttribute("aria-pressed", String(this.paused));
  }

  /** @param {any} message */
  tell(message) {
    if (this.paused || !this.about) return;
    const kind = this.about.kind;
    const { text, state } = verdict(message.result, kind);
    this.says.textContent = text;
    this.says.className = `verdict ${state}`;
    const [width, height] = message.size;
    this.when.textContent = `age of the frame ${millis(message.age_ms)} · model ${millis(message.infer_ms)} · ${width} × ${height} · ${message.via}`;
    this.lines.replaceChildren(readings(message.result, kind));
    this.wanted = message.n;
    this.show();
  }

  /** Ask for the newest picture, one at a time. */
  show() {
    if (this.loading || !this.wanted) return;
    this.loading = true;
    this.shown = `${this.wanted} ${this.overlay}`;
    this.image.src = `/api/monitor/latest?overlay=${this.overlay}&n=${this.wanted}`;
  }

  loaded() {
    this.loading = false;
    this.image.hidden = !this.image.naturalWidth;
    this.empty.hidden = !this.image.hidden;
    if (this.shown !== `${this.wanted} ${this.overlay}`) this.show();
  }

  /** @param {any} pace */
  pace(pace) {
    const fact = (/** @type {string} */ name, /** @type {string} */ value) =>
      make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value }));
    this.facts.replaceChildren(
      fact("told a second", pace.told_per_s.toFixed(1)), fact("age, half below", millis(pace.age_ms_half)),
      fact("age, 95 % below", millis(pace.age_ms_95)), fact("told", pace.told.toLocaleString("en")),
      fact("overtaken", pace.dropped.toLocaleString("en")), fact("refused", pace.errors.toLocaleString("en")));
  }
}
customElements.define("monitor-live", MonitorLive);
