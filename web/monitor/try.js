// One picture of your own: told, and under other thresholds at once. And two bundles side by side.
import { ask, fileButton, make, millis, percent, pretty, readings, takeDrops, verdict, word } from "./dom.js";

/** @param {string} url @returns {Promise<HTMLImageElement>} */
const load = (url) => new Promise((resolve, reject) => {
  const image = new Image();
  image.onload = () => resolve(image);
  image.onerror = () => reject(new Error("the browser cannot show this picture"));
  image.src = url;
});

/** The grey values of a picture, 0 to 255. @param {HTMLImageElement} image */
const greys = (image) => {
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = /** @type {any} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const out = new Uint8Array(canvas.width * canvas.height);
  for (let i = 0; i < out.length; i++) out[i] = data[4 * i];
  return out;
};

export class MonitorTry extends HTMLElement {
  connectedCallback() {
    this.classList.add("try");
    this.canvas = make("canvas", { hidden: true, role: "img" });
    this.empty = make("p", { className: "empty", textContent: "Drop a picture here." });
    this.says = make("p", { className: "verdict", style: "margin-top:12px", "aria-live": "polite" });
    this.note = make("p", { className: "note" });
    this.lines = make("div");
    this.append(
      make("div", { className: "head" }, make("h2", { textContent: "Try a picture" }),
        make("div", { className: "row" }, ...fileButton("try-file", "Open a picture…", (file) => this.tell(file)))),
      make("div", { className: "stage" }, this.canvas, this.empty), this.says, this.note, this.lines);
    takeDrops(this, (file) => this.tell(file));
    this.hear = (/** @type {any} */ event) => {
      this.cuts = event.detail.cuts;
      this.draw();
    };
    document.addEventListener("cuts", this.hear);
  }

  disconnectedCallback() {
    if (this.hear) document.removeEventListener("cuts", this.hear);
    this.replaceChildren();
  }

  /** @param {import("./dom.js").About} about */
  start(about) {
    this.about = about;
    this.cuts ??= about.thresholds;
  }

  /** @param {File} file */
  async tell(file) {
    const mask = this.about?.kind === "mask";
    this.says.textContent = "";
    this.note.textContent = "telling…";
    this.note.className = "note";
    try {
      const answer = await ask(`/api/tell${mask ? "?masks=prob" : "?overlay=png"}`, { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" } });
      const url = URL.createObjectURL(file);
      try {
        this.picture = await load(mask ? url : answer.overlay);
      } finally {
        URL.revokeObjectURL(url);
      }
      this.maps = new Map();
      for (const [name, data] of Object.entries(answer.masks ?? {})) this.maps.set(name, greys(await load(data)));
      this.answer = answer;
      this.note.textContent = `${file.name} · ${answer.size.join(" × ")} pixels · ${millis(answer.infer_ms)} to tell`;
      this.canvas.hidden = false;
      this.empty.hidden = true;
      this.draw();
    } catch (error) {
      this.note.textContent = String(/** @type {Error} */ (error).message);
      this.note.className = "note bad";
    }
  }

  draw() {
    const { answer, about, picture, canvas } = this;
    if (!answer || !about || !picture || !this.cuts) return;
    /** @type {import("./dom.js").Readings} */ const result = {};
    for (const [name, reading] of Object.entries(answer.result)) {
      const cut = this.cuts[name] ?? about.thresholds[name];
      const r = /** @type {import("./dom.js").Reading} */ (reading);
      result[name] = { ...r, state: r.prob >= cut.high ? "on" : r.prob <= cut.low ? "off" : "unsure" };
    }
    canvas.width = picture.naturalWidth;
    canvas.height = picture.naturalHeight;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context) return;
    context.drawImage(picture, 0, 0);
    if (this.maps?.size) this.tint(context, result);
    const { text, state } = verdict(result, about.kind);
    this.says.textContent = text;
    this.says.className = `verdict ${state}`;
    this.lines.replaceChildren(readings(result, about.kind));
    canvas.setAttribute("aria-label", text);
  }

  /**
   * Orange where told, purple stripes where unsure, under the thresholds that are tried.
   * @param {CanvasRenderingContext2D} context @param {import("./dom.js").Readings} result counts pixels into it
   */
  tint(context, result) {
    const { width, height } = context.canvas;
    const image = context.getImageData(0, 0, width, height);
    const pixels = image.data;
    const paint = (/** @type {number} */ i, /** @type {number[]} */ rgb, /** @type {number} */ share) => {
      for (let c = 0; c < 3; c++) pixels[4 * i + c] = pixels[4 * i + c] * (1 - share) + rgb[c] * share;
    };
    for (const [name, map] of this.maps ?? []) {
      const cut = this.cuts?.[name];
      if (!cut || map.length !== width * height) continue;
      const [low, high] = [cut.low * 255, cut.high * 255];
      let told = 0;
      for (let i = 0; i < map.length; i++) {
        const p = map[i];
        if (p >= high) {
          told++;
          paint(i, [255, 140, 30], 0.62);
        } else if (p > low && ((i % width) + Math.floor(i / width)) % 6 < 3) paint(i, [165, 110, 255], 0.7);
      }
      const reading = result[name];
      const sized = reading.regions?.find((/** @type {any} */ region) => region.area_mm2 !== undefined);
      const mm2 = sized && sized.area_mm2 / sized.area_px;
      result[name] = { ...reading, area_px: told, count: told ? reading.count || 1 : 0, area_mm2: mm2 && told ? told * mm2 : undefined };
    }
    context.putImageData(image, 0, 0);
  }
}
customElements.define("monitor-try", MonitorTry);

export class MonitorCompare extends HTMLElement {
  connectedCallback() {
    this.sides = make("div", { className: "sides" });
    this.note = make("p", { className: "note", role: "status" });
    this.table = make("div");
    this.append(
      make("div", { className: "head" }, make("h2", { textContent: "Compare two bundles" }), make("div", { className: "row" },
        ...fileButton("compare-picture", "Open a picture…", (file) => this.take(file)),
        ...fileButton("compare-mask", "with its mask…", (file) => this.take(this.picture, file)))),
      this.sides, this.note, this.table);
    takeDrops(this, (file) => this.take(file));
  }

  disconnectedCallback() {
    this.replaceChildren();
  }

  /** @param {import("./dom.js").About} about */
  start(about) {
    this.about = about;
    this.hidden = !about.rival;
    this.note.textContent = `Drop a picture here: ${about.bundle} and ${about.rival} tell it side by side. With a mask of what is truly there, their Dice and IoU are shown too.`;
  }

  /** @param {File | undefined} picture @param {File} [mask] */
  async take(picture, mask) {
    this.note.className = "note";
    if (!picture) {
      this.note.textContent = "Open the picture first, then its mask.";
      return;
    }
    this.picture = picture;
    const form = new FormData();
    form.append("picture", picture);
    if (mask) form.append("mask", mask);
    this.note.textContent = "comparing…";
    try {
      this.show(await ask("/api/compare", { method: "POST", body: form }), picture.name);
    } catch (error) {
      this.note.textContent = String(/** @type {Error} */ (error).message);
      this.note.className = "note bad";
    }
  }

  /** @param {any} answer @param {string} name */
  show(answer, name) {
    const kind = this.about?.kind ?? "states";
    const figure = (/** @type {string} */ title, /** @type {string} */ url, /** @type {string} */ text, /** @type {string} */ more) =>
      make("figure", {}, make("div", { className: "stage" }, make("img", { src: url, alt: `${title}: ${text}` })),
        make("figcaption", {}, make("b", { textContent: title }), text, make("br"), more));
    const overlap = (/** @type {any} */ o) => (o ? `Dice ${o.dice.toFixed(3)} · IoU ${o.iou.toFixed(3)}` : "");
    this.sides.replaceChildren(...answer.answers.map((/** @type {any} */ a) => figure(a.bundle, a.overlay, verdict(a.result, kind).text, overlap(a.overlap))));
    if (answer.difference) {
      const [one, two] = answer.answers.map((/** @type {any} */ a) => a.bundle);
      this.sides.append(figure("Difference", answer.difference, `blue: ${one} gives more; orange: ${two} does`,
        `told pixels of both: ${overlap(answer.agreement)}`));
    }
    this.note.textContent = `${name} · ${answer.size.join(" × ")} pixels`;
    const [first, second] = answer.answers;
    const names = [...new Set([...Object.keys(first.result), ...Object.keys(second.result)])];
    const cell = (/** @type {import("./dom.js").Reading | undefined} */ r) => (r ? `${word(kind, r.state)}, ${percent(r.prob)}` : "–");
    this.table.replaceChildren(make("table", {},
      make("tr", {}, ...["", first.bundle, second.bundle].map((text) => make("th", { textContent: text }))),
      ...names.map((each) => make("tr", {}, make("td", { textContent: pretty(each) }),
        make("td", { textContent: cell(first.result[each]) }), make("td", { textContent: cell(second.result[each]) })))));
  }
}
customElements.define("monitor-compare", MonitorCompare);
