// The live streams that come in over WebRTC: a list, the chosen one's annotated video, and its answers beside it.
import { clock, make, millis, pretty, readings, verdict, word } from "./dom.js";
import { WhepPlayer } from "./whep.js";

const LIST_MS = 1500;
const PAINT_MS = 80;
const EVENTS = 5;

export class MonitorStreams extends HTMLElement {
  connectedCallback() {
    /** @type {WhepPlayer | undefined} */ this.player = undefined;
    /** @type {string | null} */ this.chosen = null;
    this.ended = false;
    /** @type {Map<string, any>} */ this.items = new Map();
    this.painted = 0;
    this.video = make("video", { muted: true, autoplay: true, playsInline: true, "aria-label": "The chosen stream with its answers drawn on it" });
    this.empty = make("p", { className: "empty" });
    this.list = make("ul", { className: "streams" });
    this.says = make("p", { className: "verdict", textContent: "–" });
    this.when = make("p", { className: "note", style: "margin:0" });
    this.lines = make("div");
    this.events = make("ul", { className: "events", "aria-label": "Changes" });
    this.status = make("span", { className: "link", role: "status" });
    this.button = make("button", { type: "button", textContent: "Stop", hidden: true, onclick: () => this.choose(null) });
    this.view = make("div", { className: "live", hidden: true },
      make("div", { className: "stage" }, this.video),
      make("div", {}, this.says, this.when, this.lines, this.events));
    this.append(
      make("div", { className: "head" }, make("h2", { textContent: "Streams" }), make("div", { className: "row" }, this.status, this.button)),
      this.empty, this.list, this.view);
  }

  disconnectedCallback() {
    this.ended = true;
    clearTimeout(this.timer);
    this.hangUp();
    this.replaceChildren();
  }

  /** @param {import("./dom.js").About} about */
  start(about) {
    this.kind = about.kind;
    this.hidden = !about.streams;
    if (about.streams) this.load();
  }

  async load() {
    clearTimeout(this.timer);
    try {
      const response = await fetch("/api/streams");
      if (response.ok) this.show((await response.json()).streams);
    } catch { /* the live view says that the server is gone */ }
    if (!this.ended) this.timer = setTimeout(() => this.load(), LIST_MS);
  }

  /** @param {{name: string, state: string, size: [number, number] | null, told: number, dropped: number, lost: number, viewers: number}[]} streams */
  show(streams) {
    this.empty.hidden = streams.length > 0 || this.chosen !== null;
    this.empty.textContent = "No stream comes in. Send one by WebRTC to /whip?stream=NAME: the widget with mode=\"webrtc\", OBS, GStreamer or a page.";
    const names = new Set(streams.map((stream) => stream.name));
    for (const [name, item] of this.items) {
      if (names.has(name)) continue;
      item.remove();
      this.items.delete(name);
    }
    for (const stream of streams) {
      const item = this.items.get(stream.name) ?? this.add(stream.name);
      item.querySelector("span").textContent = facts(stream);
    }
  }

  /** A line of the list. It stays in its place, for somebody may be about to press it. @param {string} name */
  add(name) {
    const item = make("li", {}, make("button", {
      type: "button", className: "stream", "data-stream": name, "aria-pressed": String(name === this.chosen), onclick: () => this.choose(name),
    }, make("b", { textContent: name }), make("span")));
    this.items.set(name, item);
    this.list.append(item);
    return item;
  }

  /** Play this one, or none. @param {string | null} name */
  choose(name) {
    if (name === this.chosen) return;
    this.hangUp();
    this.chosen = name;
    this.view.hidden = this.button.hidden = name === null;
    this.status.className = "link";
    this.status.textContent = "";
    this.says.textContent = "–";
    this.says.className = "verdict";
    this.when.textContent = "";
    this.lines.replaceChildren();
    this.events.replaceChildren();
    for (const each of this.list.querySelectorAll("button")) each.setAttribute("aria-pressed", String(each.dataset.stream === name));
    if (name === null) {
      this.load();
      return;
    }
    this.player = new WhepPlayer(name, this.video, (state, text) => {
      this.status.className = `link ${state === "live" ? "up" : state === "waiting" ? "lost" : ""}`;
      this.status.textContent = text;
      if (state === "live" && this.socket?.readyState !== WebSocket.OPEN && this.socket?.readyState !== WebSocket.CONNECTING) this.listen(name);
    });
    this.listen(name);
  }

  /** @param {string} name */
  listen(name) {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/streams/${encodeURIComponent(name)}`);
    this.socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      if (socket === this.socket && message.type === "result") this.tell(message);
    });
  }

  /** @param {any} message */
  tell(message) {
    for (const event of message.events ?? []) this.note(event);
    const now = performance.now();
    if (now - this.painted < PAINT_MS) return;
    this.painted = now;
    const { text, state } = verdict(message.result, this.kind);
    this.says.textContent = text;
    this.says.className = `verdict ${state}`;
    const [width, height] = message.size;
    this.when.textContent = `age of the frame ${millis(message.age_ms)} · model ${millis(message.infer_ms)} · ${width} × ${height} · ${message.dropped} overtaken`;
    this.lines.replaceChildren(readings(message.result, this.kind));
  }

  /** @param {{name: string, from: "on" | "off" | "unsure", to: "on" | "off" | "unsure"}} event */
  note(event) {
    this.events.prepend(make("li", {}, make("span", { className: "note", style: "margin:0", textContent: clock(Date.now() / 1000) }),
      make("span", { textContent: pretty(event.name) }), make("span", { className: `chip ${event.to}`, textContent: word(this.kind, event.to) })));
    while (this.events.children.length > EVENTS) this.events.lastChild.remove();
  }

  hangUp() {
    this.player?.stop();
    this.player = undefined;
    const socket = this.socket;
    this.socket = undefined;
    socket?.close();
  }
}

/** @param {any} stream */
const facts = (stream) => [
  stream.size ? `${stream.size[0]} × ${stream.size[1]}` : stream.state, `${stream.told.toLocaleString("en")} told`,
  stream.lost ? `${stream.lost.toLocaleString("en")} lost` : "", stream.viewers ? `${stream.viewers} watching` : "",
].filter(Boolean).join(" · ");
customElements.define("monitor-streams", MonitorStreams);
