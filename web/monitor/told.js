// The pictures that were kept: all or the unsure, one in full, and off to labelling. And what other thresholds would change.
import { ask, clock, make, millis, percent, pretty, readings, stateOf, tabs, verdict, word } from "./dom.js";

const EVERY_MS = 3000;
const SHOWN = 60;
const WEIGHED = 2000;
const BINS = 40;

/** @param {import("./dom.js").Kept} kept @param {string} kind @param {(kept: import("./dom.js").Kept) => void} open @param {string} [text] */
const thumb = (kept, kind, open, text) => {
  const says = verdict(kept.result, kind);
  return make("li", { "data-id": kept.id }, make("button", { type: "button", className: `thumb${kept.sent ? " sent" : ""}`, onclick: () => open(kept) },
    make("img", { src: `/api/monitor/pictures/${kept.id}?side=240`, alt: "", loading: "lazy" }),
    make("span", { className: "under" },
      make("span", { className: `says ${says.state}`, textContent: text ?? says.text, title: says.text }),
      make("span", { textContent: kept.sent ? "sent" : clock(kept.at_s) }))));
};

export class MonitorTold extends HTMLElement {
  connectedCallback() {
    this.only = "all";
    this.list = make("ul", { className: "thumbs" });
    this.note = make("p", { className: "note", role: "status" });
    this.send = make("button", { type: "button", className: "main", hidden: true, onclick: () => this.sendAll() });
    const filter = tabs("Which pictures", [["all", "All"], ["unsure", "Unsure"]], "all", (value) => {
      this.only = value;
      this.load();
    });
    this.dialog = make("dialog", { "aria-label": "One picture" });
    this.append(
      make("div", { className: "head" }, make("h2", { textContent: "Told" }), make("div", { className: "row" }, this.send, filter)),
      this.list, this.note, this.dialog);
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
    this.replaceChildren();
  }

  /** @param {import("./dom.js").About} about */
  start(about) {
    this.about = about;
    this.load();
  }

  async load() {
    clearTimeout(this.timer);
    const only = this.only;
    try {
      const { told } = await ask(`/api/monitor/told?limit=${SHOWN}${only === "unsure" ? "&only=unsure" : ""}`);
      if (only === this.only) this.fill(told);
    } catch { /* the live view says that the server is gone */ }
    if (this.isConnected) this.timer = setTimeout(() => this.load(), EVERY_MS);
  }

  /** @param {import("./dom.js").Kept[]} told */
  fill(told) {
    const about = this.about;
    if (!about) return;
    this.told = told;
    const now = new Map([...this.list.children].map((each) => [`${each.dataset.id} ${each.firstChild.classList.contains("sent")}`, each]));
    const next = told.map((kept) => now.get(`${kept.id} ${kept.sent}`) ?? thumb(kept, about.kind, (k) => this.open(k)));
    if (next.length !== this.list.children.length || next.some((each, i) => each !== this.list.children[i])) {
      const focused = document.activeElement?.closest("li");
      this.list.replaceChildren(...next); // those that stay keep their pictures
      if (focused && next.includes(focused)) focused.querySelector("button")?.focus();
    }
    this.send.hidden = this.only !== "unsure" || !about.project || !told.length;
    this.send.textContent = `Send ${told.length} to labelling`;
    if (!this.said) {
      this.note.textContent = told.length ? "" : this.only === "unsure" ? "Nothing unsure is waiting." : "No picture was kept yet.";
      if (this.only === "unsure" && !about.project && told.length) {
        this.note.textContent = "Start the server with --project FOLDER to send these to labelling.";
      }
    }
  }

  sendAll() {
    return this.sendThese((this.told ?? []).map((kept) => kept.id));
  }

  /** @param {number[]} ids */
  async sendThese(ids) {
    this.send.disabled = true;
    this.said = true;
    try {
      const { sent } = await ask("/api/monitor/label", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ ids }) });
      this.note.textContent = `${sent} ${sent === 1 ? "picture is" : "pictures are"} in the catalogue of ${this.about?.project}, waiting for labels.`;
    } catch (error) {
      this.note.textContent = String(/** @type {Error} */ (error).message);
    }
    this.send.disabled = false;
    setTimeout(() => (this.said = false), 6000);
    await this.load();
  }

  /** @param {import("./dom.js").Kept} kept */
  open(kept) {
    const kind = this.about?.kind ?? "states";
    const image = make("img", { alt: verdict(kept.result, kind).text, src: `/api/monitor/pictures/${kept.id}?overlay=png` });
    const show = tabs("What the picture shows", [["png", "Overlay"], ["none", "Picture"]], "png", (value) => {
      image.src = `/api/monitor/pictures/${kept.id}?overlay=${value}`;
    });
    const close = make("button", { type: "button", textContent: "Close", onclick: () => this.dialog.close() });
    const send = make("button", {
      type: "button", className: "main", textContent: "Send to labelling", hidden: !this.about?.project || kept.sent,
      onclick: () => { this.dialog.close(); this.sendThese([kept.id]); },
    });
    this.dialog.replaceChildren(
      make("div", { className: "head" }, make("h2", { textContent: `${clock(kept.at_s)} · ${kept.via} · ${millis(kept.age_ms)}` }), make("div", { className: "row" }, show, send, close)),
      make("div", { className: "stage" }, image), readings(kept.result, kind));
    this.dialog.showModal();
  }
}
customElements.define("monitor-told", MonitorTold);

/** Thresholds to try: nothing is changed on the server. Sends `cuts` to the document with what is tried. */
export class MonitorCuts extends HTMLElement {
  connectedCallback() {
    /** @type {import("./dom.js").Kept[]} */ this.told = [];
    this.name = "";
    this.canvas = make("canvas", { className: "histogram", role: "img" });
    const slider = (/** @type {string} */ side, /** @type {string} */ text) => {
      const input = make("input", { type: "range", min: 0, max: 1, step: 0.01, id: `cut-${side}`, oninput: () => this.slide(side) });
      const output = make("output", { for: `cut-${side}` });
      return { input, output, row: make("div", { className: "cut" }, make("label", { for: `cut-${side}`, textContent: text }), input, output) };
    };
    this.low = slider("low", "off up to");
    this.high = slider("high", "on from");
    this.change = make("div", { className: "change", "aria-live": "polite" });
    this.bar = make("div", { className: "row" });
    this.few = make("ul", { className: "thumbs few" });
    this.note = make("p", { className: "note" });
    this.append(
      make("div", { className: "head" }, make("h2", { textContent: "Thresholds: what would change" }), this.bar),
      this.canvas, this.low.row, this.high.row, this.change, this.note, this.few);
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.canvas);
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
    this.sizes?.disconnect();
    this.replaceChildren();
  }

  /** @param {import("./dom.js").About} about @param {(kept: import("./dom.js").Kept) => void} open */
  start(about, open) {
    this.about = about;
    this.open = open;
    /** @type {Record<string, import("./dom.js").Cut>} */ this.cuts = structuredClone(about.thresholds);
    if (about.names.length > 1) {
      this.bar.append(make("select", { "aria-label": "Label", onchange: (/** @type {any} */ e) => this.choose(e.target.value) },
        ...about.names.map((name) => make("option", { value: name, textContent: pretty(name) }))));
    }
    this.bar.append(make("button", { type: "button", textContent: "As the bundle", onclick: () => {
      Object.assign(this.cuts?.[this.name] ?? {}, about.thresholds[this.name]);
      this.choose(this.name);
    } }));
    this.choose(about.names[0]);
    this.load();
  }

  async load() {
    clearTimeout(this.timer);
    try {
      this.told = (await ask(`/api/monitor/told?limit=${WEIGHED}`)).told;
      this.draw();
    } catch { /* the live view says that the server is gone */ }
    if (this.isConnected) this.timer = setTimeout(() => this.load(), EVERY_MS);
  }

  /** @param {string} name */
  choose(name) {
    this.name = name;
    const cut = this.cuts?.[name];
    if (!cut) return;
    this.low.input.value = cut.low;
    this.high.input.value = cut.high;
    this.slide("");
  }

  /** @param {string} side which was moved; the other gives way */
  slide(side) {
    const cut = this.cuts?.[this.name];
    if (!cut) return;
    if (side === "low" && Number(this.low.input.value) > Number(this.high.input.value)) this.high.input.value = this.low.input.value;
    if (side === "high" && Number(this.high.input.value) < Number(this.low.input.value)) this.low.input.value = this.high.input.value;
    if (side) Object.assign(cut, { low: Number(this.low.input.value), high: Number(this.high.input.value) });
    this.low.output.textContent = percent(cut.low);
    this.high.output.textContent = percent(cut.high);
    this.draw();
    document.dispatchEvent(new CustomEvent("cuts", { detail: { cuts: this.cuts } }));
  }

  draw() {
    const about = this.about;
    const cut = this.cuts?.[this.name];
    if (!about || !cut) return;
    const old = about.thresholds[this.name];
    const of = (/** @type {import("./dom.js").Kept} */ kept) => kept.result[this.name]?.prob ?? 0;
    const count = (/** @type {import("./dom.js").Cut} */ c, /** @type {string} */ state) => this.told.filter((kept) => stateOf(of(kept), c) === state).length;
    this.change.replaceChildren(.../** @type {const} */ (["on", "unsure", "off"]).map((state) => {
      const [before, after] = [count(old, state), count(cut, state)];
      return make("div", { className: state }, word(about.kind, state), make("b", { textContent: before === after ? `${after}` : `${before} → ${after}` }));
    }));
    const changed = this.told.filter((kept) => stateOf(of(kept), old) !== stateOf(of(kept), cut));
    this.note.textContent = changed.length
      ? `${changed.length} of the last ${this.told.length} kept pictures would be told otherwise:`
      : `Of the last ${this.told.length} kept pictures none would be told otherwise. Move a slider; nothing is changed on the server.`;
    const key = changed.slice(0, 12).map((kept) => `${kept.id} ${stateOf(of(kept), cut)}`).join();
    if (key !== this.key) {
      this.key = key;
      this.few.replaceChildren(...changed.slice(0, 12).map((kept) => thumb(kept, about.kind, (k) => this.open?.(k),
        `→ ${word(about.kind, stateOf(of(kept), cut))}`)));
    }
    this.paint(this.told.map(of), cut);
  }

  /** How often which probability came; counts rise as their logarithm. @param {number[]} values @param {import("./dom.js").Cut} cut */
  paint(values, cut) {
    const canvas = this.canvas;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width) return;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const context = canvas.getContext("2d");
    if (!context) return;
    context.scale(scale, scale);
    const style = getComputedStyle(this);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
    const [left, right, foot] = [8, width - 8, height - 20];
    const x = (/** @type {number} */ p) => left + (right - left) * p;
    const bins = new Array(BINS).fill(0);
    for (const p of values) bins[Math.min(BINS - 1, Math.floor(p * BINS))]++;
    const top = Math.log1p(Math.max(3, ...bins));
    context.fillStyle = colour("unsure-soft");
    context.fillRect(x(cut.low), 0, x(cut.high) - x(cut.low), foot);
    bins.forEach((n, i) => {
      if (!n) return;
      context.fillStyle = colour(stateOf((i + 0.5) / BINS, cut));
      const tall = Math.max(2, (Math.log1p(n) / top) * (foot - 8));
      context.fillRect(x(i / BINS) + 1, foot - tall, (right - left) / BINS - 2, tall);
    });
    context.strokeStyle = colour("ink");
    context.lineWidth = 2;
    for (const [p, dash] of /** @type {[number, number[]][]} */ ([[cut.low, [4, 3]], [cut.high, []]])) {
      context.setLineDash(dash);
      context.beginPath();
      context.moveTo(x(p), 0);
      context.lineTo(x(p), foot);
      context.stroke();
    }
    context.fillStyle = colour("dim");
    context.font = "12px system-ui";
    for (const p of [0, 0.25, 0.5, 0.75, 1]) {
      context.textAlign = p === 0 ? "left" : p === 1 ? "right" : "center";
      context.fillText(percent(p), x(p), height - 5);
    }
    canvas.setAttribute("aria-label", `${pretty(this.name)}: probabilities of ${values.length} pictures`);
  }
}
customElements.define("monitor-cuts", MonitorCuts);
