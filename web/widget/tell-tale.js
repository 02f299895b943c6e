// Copyright the telltale founders. SPDX-License-Identifier: Apache-2.0
/*
 * <tell-tale>: shows live what a telltale model says of a canvas or video on any page.
 *
 * One file, no static imports, no build. Three ways to use it, all documented in docs/widget.md:
 *   1. <script src=".../tell-tale.js"></script> (or type="module"), then <tell-tale></tell-tale> in the page
 *   2. the bookmarklet of widget/index.html
 *   3. paste this whole file into the console of a page: it adds itself once
 *
 * Sections: 1 sums (pure, shared with the worker) · 2 the engine (onnxruntime-web) · 3 pictures · 4 links to a model
 *           5 drawing · 6 the panel · 7 the element · 8 start
 */
(() => {
  "use strict";

  /**
   * @typedef {{prob: number, pred: 0 | 1, state: "on" | "off" | "unsure"}} Reading
   * @typedef {{low: number, high: number}} Threshold
   * @typedef {{width: number, height: number, fit: "stretch" | "letterbox"}} Input
   * @typedef {{name: string, kind: string, names: string[], input: Input, thresholds: Record<string, Threshold>,
   *            licence?: string}} BundleInfo
   * @typedef {{type: "hello", protocol: number, bundle: BundleInfo,
   *            smoothing: {average_s: number, dwell_s: number}, version?: string}} Hello
   * @typedef {{type: "event", name: string, from: string, to: string, prob: number, t_s: number, age_ms: number}} Change
   * @typedef {{type: "result", seq: number | null, t_ms: number | null, result: Record<string, Reading>,
   *            smoothed?: Record<string, Reading>, events?: Change[], age_ms: number, infer_ms: number,
   *            dropped?: number, size: [number, number]}} Answer
   * @typedef {"disconnected" | "connecting" | "connected" | "reconnecting"} LinkState
   * @typedef {HTMLCanvasElement | HTMLVideoElement} Source
   * @typedef {{data: Float64Array | Uint8Array | string[], shape: number[]}} Npy
   */

  // ================================================================ 1 sums
  // Pure functions without reference to the page. The whole function travels to the worker as text.

  const makeSums = () => {
    const PAD = 114; // grey of a letterbox, as in telltale.preprocess
    const HOLD_DWELLS = 3; // as in telltale.streams.smooth
    const SLACK_S = 1e-6;

    /**
     * Shares of the source pixels in each target pixel along one side: the area-average table of cv2.INTER_AREA.
     * @param {number} from @param {number} to
     * @returns {{target: Int32Array, source: Int32Array, share: Float32Array}}
     */
    const areaTable = (from, to) => {
      const scale = from / to;
      /** @type {number[]} */ const target = [];
      /** @type {number[]} */ const source = [];
      /** @type {number[]} */ const share = [];
      const put = (/** @type {number} */ t, /** @type {number} */ s, /** @type {number} */ w) => {
        target.push(t);
        source.push(s);
        share.push(w);
      };
      for (let t = 0; t < to; t++) {
        const start = t * scale;
        const end = start + scale;
        const cell = Math.min(scale, from - start);
        const last = Math.min(Math.floor(end), from - 1);
        const first = Math.min(Math.ceil(start), last);
        if (first - start > 1e-3) put(t, first - 1, (first - start) / cell);
        for (let s = first; s < last; s++) put(t, s, 1 / cell);
        if (end - last > 1e-3) put(t, last, Math.min(end - last, 1, cell) / cell);
      }
      return { target: Int32Array.from(target), source: Int32Array.from(source), share: Float32Array.from(share) };
    };

    /**
     * Neighbours and weight of each target pixel along one side, half-pixel centres: the table of cv2.INTER_LINEAR.
     * @param {number} from @param {number} to
     */
    const linearTable = (from, to) => {
      const low = new Int32Array(to);
      const high = new Int32Array(to);
      const weight = new Float32Array(to); // of `high`
      for (let t = 0; t < to; t++) {
        const at = Math.min(Math.max(((t + 0.5) * from) / to - 0.5, 0), from - 1);
        low[t] = Math.floor(at);
        high[t] = Math.min(low[t] + 1, from - 1);
        weight[t] = at - low[t];
      }
      return { low, high, weight };
    };

    /**
     * Area average, both sides shrinking or staying.
     * @param {Uint8Array | Uint8ClampedArray} pixels (h, w, channels) @param {number} channels 3 or 4, the 4th unread
     * @param {number} w @param {number} h @param {number} toW @param {number} toH
     * @returns {Uint8Array} (toH, toW, 3)
     */
    const resizeArea = (pixels, channels, w, h, toW, toH) => {
      const x = areaTable(w, toW);
      const y = areaTable(h, toH);
      const row = new Float32Array(toW * 3); // one source row, shrunk sideways
      const sum = new Float32Array(toW * 3);
      const out = new Uint8ClampedArray(toW * toH * 3); // rounds half to even, as cvRound does
      let rowOf = -1;
      let at = 0;
      for (let t = 0; t < toH; t++) {
        sum.fill(0);
        for (; at < y.target.length && y.target[at] === t; at++) {
          if (y.source[at] !== rowOf) {
            rowOf = y.source[at];
            row.fill(0);
            const base = rowOf * w * channels;
            for (let k = 0; k < x.target.length; k++) {
              const from = base + x.source[k] * channels;
              const to = x.target[k] * 3;
              const share = x.share[k];
              row[to] += pixels[from] * share;
              row[to + 1] += pixels[from + 1] * share;
              row[to + 2] += pixels[from + 2] * share;
            }
          }
          const share = y.share[at];
          for (let k = 0; k < sum.length; k++) sum[k] += row[k] * share;
        }
        out.set(sum, t * toW * 3);
      }
      return new Uint8Array(out.buffer);
    };

    /**
     * Bilinear with half-pixel centres.
     * @param {Uint8Array | Uint8ClampedArray} pixels @param {number} channels
     * @param {number} w @param {number} h @param {number} toW @param {number} toH
     * @returns {Uint8Array} (toH, toW, 3)
     */
    const resizeLinear = (pixels, channels, w, h, toW, toH) => {
      const x = linearTable(w, toW);
      const y = linearTable(h, toH);
      const out = new Uint8ClampedArray(toW * toH * 3);
      for (let j = 0, to = 0; j < toH; j++) {
        const top = y.low[j] * w * channels;
        const bottom = y.high[j] * w * channels;
        const wy = y.weight[j];
        for (let i = 0; i < toW; i++) {
          const left = x.low[i] * channels;
          const right = x.high[i] * channels;
          const wx = x.weight[i];
          for (let c = 0; c < 3; c++, to++) {
            const a = pixels[top + left + c] * (1 - wx) + pixels[top + right + c] * wx;
            const b = pixels[bottom + left + c] * (1 - wx) + pixels[bottom + right + c] * wx;
            out[to] = a * (1 - wy) + b * wy;
          }
        }
      }
      return new Uint8Array(out.buffer);
    };

    /**
     * Where the picture lies in the model input.
     * @param {number} w @param {number} h @param {Input} input
     * @returns {{x: number, y: number, width: number, height: number}}
     */
    const place = (w, h, input) => {
      if (input.fit !== "letterbox") return { x: 0, y: 0, width: input.width, height: input.height };
      const scale = Math.min(input.width / w, input.height / h);
      const width = Math.min(input.width, Math.max(1, Math.round(w * scale)));
      const height = Math.min(input.height, Math.max(1, Math.round(h * scale)));
      return {
        x: Math.floor((input.width - width) / 2),
        y: Math.floor((input.height - height) / 2),
        width,
        height,
      };
    };

    /**
     * A picture as the model takes it: the same sums as telltale.preprocess.Preprocess.apply, within one level.
     * @param {Uint8Array | Uint8ClampedArray} pixels (height, width, 3 or 4), RGB or RGBA without transparency
     * @param {number} width @param {number} height
     * @param {Input} input
     * @returns {Uint8Array} (input.height, input.width, 3)
     */
    const preprocess = (pixels, width, height, input) => {
      const channels = pixels.length / (width * height);
      if (channels !== 3 && channels !== 4) {
        throw new RangeError(`expected ${width}x${height} pixels of 3 or 4 bytes, got ${pixels.length} bytes`);
      }
      const box = place(width, height, input);
      const shrink = box.width <= width && box.height <= height;
      const small = (shrink ? resizeArea : resizeLinear)(pixels, channels, width, height, box.width, box.height);
      if (box.width === input.width && box.height === input.height) return small;
      const out = new Uint8Array(input.width * input.height * 3).fill(PAD);
      for (let j = 0; j < box.height; j++) {
        const row = small.subarray(j * box.width * 3, (j + 1) * box.width * 3);
        out.set(row, ((box.y + j) * input.width + box.x) * 3);
      }
      return out;
    };

    /**
     * p >= high is on, p <= low is off, between is unsure. Where low == high, p == high is on.
     * @param {number} prob @param {Threshold} threshold
     * @returns {"on" | "off" | "unsure"}
     */
    const zoneOf = (prob, threshold) => (prob >= threshold.high ? "on" : prob <= threshold.low ? "off" : "unsure");

    /** Six digits, as the wire carries probabilities. */
    const round6 = (/** @type {number} */ value) => Math.round(value * 1e6) / 1e6;

    /**
     * @param {number} prob @param {"on" | "off" | "unsure"} state
     * @returns {Reading}
     */
    const reading = (prob, state) => ({ prob: round6(prob), pred: prob >= 0.5 ? 1 : 0, state });

    /**
     * Probabilities to named answers, as telltale.tasks.states.States.decode.
     * @param {ArrayLike<number>} probabilities (K,) @param {string[]} names @param {Record<string, Threshold>} thresholds
     * @returns {Record<string, Reading>}
     */
    const decodeStates = (probabilities, names, thresholds) =>
      Object.fromEntries(names.map((n, k) => [n, reading(probabilities[k], zoneOf(probabilities[k], thresholds[n]))]));

    /** From probabilities to events: a port of telltale.streams.smooth.Smoother, tested on the same vectors. */
    class Smoother {
      /**
       * @param {string[]} names @param {Record<string, Threshold>} thresholds
       * @param {number} average_s time constant @param {number} dwell_s how long the average must say a state
       */
      constructor(names, thresholds, average_s, dwell_s) {
        this.names = names;
        this.thresholds = thresholds;
        this.average_s = Math.max(0, average_s);
        this.dwell_s = Math.max(0, dwell_s);
        this.clock_s = 0;
        /** @type {number | null} */ this.t_s = null;
        /** @type {Map<string, any>} */ this.memory = new Map();
      }

      /**
       * @param {number} t_s the frame's time @param {Record<string, number>} probabilities
       * @returns {{smoothed: Record<string, {prob: number, state: "on" | "off" | "unsure"}>,
       *            events: {name: string, from: string, to: string, prob: number, t_s: number}[]}} not rounded
       */
      update(t_s, probabilities) {
        if (Number.isFinite(t_s)) {
          if (this.t_s !== null) this.clock_s += Math.max(0, t_s - this.t_s);
          this.t_s = t_s;
        }
        const events = [];
        for (const name of this.names) {
          const prob = probabilities[name];
          if (typeof prob !== "number" || !Number.isFinite(prob)) continue;
          const event = this.#feed(name, Math.min(1, Math.max(0, prob)), t_s);
          if (event) events.push(event);
        }
        /** @type {Record<string, {prob: number, state: "on" | "off" | "unsure"}>} */ const smoothed = {};
        for (const name of this.names) {
          const memory = this.memory.get(name);
          if (memory) smoothed[name] = { prob: memory.average, state: memory.told };
        }
        return { smoothed, events };
      }

      /** @param {string} name @param {number} prob @param {number} t_s */
      #feed(name, prob, t_s) {
        const now = this.clock_s;
        const memory = this.memory.get(name);
        const threshold = this.thresholds[name];
        if (!memory) {
          const zone = zoneOf(prob, threshold);
          this.memory.set(name, { average: prob, seen: now, told: zone, toldAt: now, zone, zoneAt: now, doubtAt: null });
          return null;
        }
        const step = now - memory.seen;
        const weight = this.average_s > 0 ? 1 - Math.exp(-step / this.average_s) : 1;
        memory.average += weight * (prob - memory.average);
        memory.seen = now;
        const zone = zoneOf(memory.average, threshold);
        if (zone !== memory.zone) {
          memory.zone = zone;
          memory.zoneAt = now;
        }
        if (zone === memory.told) {
          memory.doubtAt = null;
          return null;
        }
        if (memory.doubtAt === null) memory.doubtAt = now;
        const to = this.#verdict(memory, now);
        if (to === null) return null;
        const event = { name, from: memory.told, to, prob: memory.average, t_s };
        memory.told = to;
        memory.toldAt = now;
        memory.doubtAt = zone === to ? null : now;
        return event;
      }

      /** @param {any} memory @param {number} now */
      #verdict(memory, now) {
        const zoneFor = now - Math.max(memory.zoneAt, memory.toldAt) + SLACK_S;
        if (memory.zone !== "unsure" && zoneFor >= this.dwell_s) return memory.zone;
        const doubted = memory.doubtAt === null ? 0 : now - memory.doubtAt + SLACK_S;
        if (memory.told !== "unsure" && doubted >= HOLD_DWELLS * this.dwell_s) return "unsure";
        return null;
      }
    }

    /**
     * One .npy array. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
     * @param {Uint8Array} bytes
     * @returns {Npy}
     */
    const parseNpy = (bytes) => {
      if (bytes[0] !== 0x93 || String.fromCharCode(...bytes.subarray(1, 6)) !== "NUMPY") {
        throw new Error("not an .npy array");
      }
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const start = bytes[6] === 1 ? 10 + view.getUint16(8, true) : 12 + view.getUint32(8, true);
      const header = new TextDecoder("latin1").decode(bytes.subarray(bytes[6] === 1 ? 10 : 12, start));
      const type = /'descr':\s*'([<>|=])([a-zA-Z])(\d+)'/.exec(header);
      const dims = /'shape':\s*\(([^)]*)\)/.exec(header);
      if (!type || !dims || /'fortran_order':\s*True/.test(header) || type[1] === ">") {
        throw new Error(`an array of this kind is not read: ${header.trim()}`);
      }
      const shape = dims[1].split(",").map((d) => d.trim()).filter(Boolean).map(Number);
      const count = shape.reduce((a, b) => a * b, 1);
      const code = type[2] + type[3];
      if (type[2] === "U") {
        const size = Number(type[3]);
        const data = Array.from({ length: count }, (_, i) => {
          const points = Array.from({ length: size }, (_, k) => view.getUint32(start + (i * size + k) * 4, true));
          return String.fromCodePoint(...points.filter((p) => p !== 0));
        });
        return { data, shape };
      }
      if (code === "u1" || code === "b1") return { data: bytes.slice(start, start + count), shape };
      /** @type {Record<string, [number, (at: number) => number]>} */
      const readers = {
        f4: [4, (at) => view.getFloat32(at, true)],
        f8: [8, (at) => view.getFloat64(at, true)],
        i1: [1, (at) => view.getInt8(at)],
        i2: [2, (at) => view.getInt16(at, true)],
        u2: [2, (at) => view.getUint16(at, true)],
        i4: [4, (at) => view.getInt32(at, true)],
        u4: [4, (at) => view.getUint32(at, true)],
        i8: [8, (at) => Number(view.getBigInt64(at, true))],
        u8: [8, (at) => Number(view.getBigUint64(at, true))],
      };
      if (!(code in readers)) throw new Error(`arrays of ${code} are not read`);
      const [size, read] = readers[code];
      const data = new Float64Array(count);
      for (let i = 0; i < count; i++) data[i] = read(start + i * size);
      return { data, shape };
    };

    /**
     * The arrays of an .npz that numpy.savez wrote: a zip whose members are stored, not compressed.
     * @param {ArrayBuffer} buffer
     * @returns {Record<string, Npy>}
     */
    const parseNpz = (buffer) => {
      const bytes = new Uint8Array(buffer);
      const view = new DataView(buffer);
      let end = bytes.length - 22;
      while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
      if (end < 0) throw new Error("not a zip archive");
      /** @type {Record<string, Npy>} */ const arrays = {};
      let at = view.getUint32(end + 16, true);
      for (let left = view.getUint16(end + 10, true); left > 0; left--) {
        if (view.getUint32(at, true) !== 0x02014b50) throw new Error("a damaged zip archive");
        if (view.getUint16(at + 10, true) !== 0) throw new Error("a compressed .npz is not read: write it with np.savez");
        const size = view.getUint32(at + 24, true);
        const nameSize = view.getUint16(at + 28, true);
        const local = view.getUint32(at + 42, true);
        const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameSize));
        const data = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
        arrays[name.replace(/\.npy$/, "")] = parseNpy(bytes.subarray(data, data + size));
        at += 46 + nameSize + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
      }
      return arrays;
    };

    return { preprocess, place, zoneOf, round6, reading, decodeStates, Smoother, parseNpy, parseNpz };
  };

  // ================================================================ 2 the engine
  // Runs the model with onnxruntime-web. Travels to a worker as text; runs on the page itself where none may start.

  /**
   * @param {ReturnType<typeof makeSums>} sums
   */
  const makeEngine = (sums) => {
    /** @type {any} */ let ort;
    /** @type {any} */ let session;
    /** @type {Input} */ let input;
    const fetches = ["probabilities"]; // not the activation map, which nobody looks at here

    /** @param {Uint8Array} pixels (1, H, W, 3) */
    const run = async (pixels) => {
      const tensor = new ort.Tensor("uint8", pixels, [1, input.height, input.width, 3]);
      /** @type {Record<string, {data: ArrayLike<number>}>} */
      const outputs = await session.run({ [session.inputNames[0]]: tensor }, fetches);
      return outputs;
    };

    const median = (/** @type {number[]} */ list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

    return {
      /**
       * Starts the runtime with a number of threads; it cannot be changed afterwards in the same realm.
       * @param {{ort: string, wasm: string, model: ArrayBuffer, input: Input, threads: number}} options
       */
      async load(options) {
        ort = await import(options.ort);
        ort.env.logLevel = "error";
        ort.env.wasm.wasmPaths = options.wasm;
        ort.env.wasm.numThreads = options.threads;
        ort.env.wasm.proxy = false;
        input = options.input;
        session = await ort.InferenceSession.create(new Uint8Array(options.model), { executionProviders: ["wasm"] });
        if (session.inputNames.length !== 1 || !session.outputNames.includes(fetches[0])) {
          throw new Error(`expected one input and an output "${fetches[0]}", got ${session.inputNames} and ${session.outputNames}`);
        }
      },

      /**
       * Runs the golden inputs one by one, then times a few more runs.
       * @param {{inputs: Uint8Array, count: number, expected: number[], runs: number}} golden
       * @returns {Promise<{maxDiff: number, medianMs: number}>}
       */
      async test(golden) {
        const size = golden.inputs.length / golden.count;
        let maxDiff = 0;
        for (let i = 0; i < golden.count; i++) {
          const outputs = await run(golden.inputs.slice(i * size, (i + 1) * size));
          const got = outputs.probabilities.data;
          const each = golden.expected.length / golden.count;
          if (got.length !== each) throw new Error(`expected ${each} probabilities, got ${got.length}`);
          for (let k = 0; k < each; k++) {
            const diff = Math.abs(got[k] - golden.expected[i * each + k]);
            if (!(diff <= maxDiff)) maxDiff = Number.isNaN(diff) ? Infinity : diff;
          }
        }
        const times = [];
        for (let i = 0; i < golden.runs; i++) {
          const start = performance.now();
          await run(golden.inputs.slice(0, size));
          times.push(performance.now() - start);
        }
        return { maxDiff, medianMs: median(times) };
      },

      /**
       * @param {{pixels: Uint8ClampedArray, width: number, height: number}} picture RGBA over white
       * @returns {Promise<{probabilities: number[], prepareMs: number, inferMs: number}>}
       */
      async tell(picture) {
        const start = performance.now();
        const small = sums.preprocess(picture.pixels, picture.width, picture.height, input);
        const ready = performance.now();
        const outputs = await run(small);
        return {
          probabilities: Array.from(outputs.probabilities.data),
          prepareMs: ready - start,
          inferMs: performance.now() - ready,
        };
      },

      async release() {
        await session?.release();
        session = null;
      },
    };
  };

  /** The worker's end of the conversation: one call in, one answer out. */
  const workerMain = (/** @type {any} */ engine) => {
    self.addEventListener("message", async ({ data }) => {
      try {
        self.postMessage({ id: data.id, value: await engine[data.verb](data.value) });
      } catch (error) {
        self.postMessage({ id: data.id, error: error instanceof Error ? error.message : String(error) });
      }
    });
    self.postMessage({ id: 0, value: { isolated: self.crossOriginIsolated === true } });
  };

  const sums = makeSums();

  // ================================================================ 3 pictures

  /** One clear line, as telltale.errors.TelltaleError: what, expected, got, next. */
  class WidgetError extends Error {
    /**
     * @param {string} code stable, listed in docs/widget.md
     * @param {string} what @param {{expected?: string, got?: string, next?: string}} [parts]
     */
    constructor(code, what, { expected = "", got = "", next = "" } = {}) {
      const middle = [expected && `expected ${expected}`, got && `got ${got}`].filter(Boolean).join(", ");
      super([middle ? `${what}: ${middle}` : what, next].filter(Boolean).join("; "));
      this.code = code;
      this.expected = expected;
      this.got = got;
      this.next = next;
    }

    toJSON() {
      return { code: this.code, message: this.message, expected: this.expected, got: this.got, next: this.next };
    }

    /** @param {unknown} error @param {string} code */
    static of(error, code) {
      if (error instanceof WidgetError) return error;
      return new WidgetError(code, error instanceof Error ? error.message : String(error));
    }
  }

  const THUMB = 48; // side of the picture that settling and blankness are judged on
  const MOVED = 6; // levels (of 255) by which a thumbnail pixel must differ to count as moving
  const SETTLE_LIMIT_MS = 5000; // a picture that never settles is captured after this long
  const BLANK_TRIES = 5;

  const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

  /** @param {Element} element @returns {element is Source} */
  const isSource = (element) => element.localName === "canvas" || element.localName === "video";

  /** @param {Source} source @returns {[number, number]} native width and height */
  const sizeOf = (source) =>
    source.localName === "video"
      ? [/** @type {HTMLVideoElement} */ (source).videoWidth, /** @type {HTMLVideoElement} */ (source).videoHeight]
      : [source.width, source.height];

  /**
   * Area on the screen in CSS pixels; what lies outside the window counts a hundredth, what is not rendered nothing.
   * @param {Source} source
   */
  const shownArea = (source) => {
    const view = source.ownerDocument.defaultView;
    if (!view) return 0;
    const style = view.getComputedStyle(source);
    if (style.visibility !== "visible" || Number(style.opacity) === 0) return 0;
    if (source.checkVisibility && !source.checkVisibility()) return 0;
    const box = source.getBoundingClientRect();
    const across = Math.min(box.right, view.innerWidth) - Math.max(box.left, 0);
    const down = Math.min(box.bottom, view.innerHeight) - Math.max(box.top, 0);
    const inside = across > 0 && down > 0 ? across * down : 0;
    return inside + (box.width * box.height - inside) / 100;
  };

  /**
   * Every canvas and video under a root: through open shadow roots and frames of the same origin.
   * @param {Document | ShadowRoot | Element} root @param {Element} own left out
   * @returns {Source[]}
   */
  const findSources = (root, own) => {
    /** @type {Source[]} */ const found = [];
    const visit = (/** @type {Document | ShadowRoot | Element} */ at) => {
      for (const element of at.querySelectorAll("*")) {
        if (element.localName === own.localName) continue;
        if (isSource(element)) found.push(element);
        else if (element.shadowRoot) visit(element.shadowRoot);
        else if (element.localName === "iframe") {
          try {
            const inner = /** @type {HTMLIFrameElement} */ (element).contentDocument;
            if (inner) visit(inner);
          } catch {
            // a frame of another origin: not ours to read
          }
        }
      }
    };
    if (root instanceof Element) {
      if (isSource(root)) return [root];
      if (root.shadowRoot) visit(root.shadowRoot);
    }
    visit(root);
    return found;
  };

  /**
   * The picture to look at: what `selector` names, else the largest canvas or video that is shown.
   * @param {Element} own @param {string | null} selector
   * @returns {Source}
   */
  const chooseSource = (own, selector) => {
    let within = /** @type {Document | Element} */ (document);
    if (selector) {
      let named = null;
      try {
        named = document.querySelector(selector);
      } catch {
        throw new WidgetError("source", `for="${selector}"`, { expected: "a CSS selector", got: "a syntax error" });
      }
      if (!named) {
        throw new WidgetError("source", `for="${selector}"`, {
          expected: "an element of the page",
          got: "none that matches",
          next: "correct the selector, or leave `for` away to take the largest canvas or video",
        });
      }
      within = named;
    }
    const all = findSources(within, own);
    const shown = all.map((source) => ({ source, area: shownArea(source) })).sort((a, b) => b.area - a.area);
    if (selector && shown.length) return shown[0].source;
    if (shown.length && shown[0].area > 0) return shown[0].source;
    throw new WidgetError("source", selector ? `for="${selector}"` : "no picture on this page", {
      expected: "a canvas or video that is shown",
      got: all.length ? `${all.length} hidden` : "none",
      next: "open the part of the page that has one, then press Capture",
    });
  };

  /** @param {Source} source as a person names it: `canvas#view` */
  const nameOf = (source) => {
    const id = source.id ? `#${source.id}` : "";
    const kind = source.classList.length && !id ? `.${source.classList[0]}` : "";
    return `${source.localName}${id || kind}`;
  };

  /**
   * Runs `work` inside an animation frame, after the page's own callbacks: asking for the frame from a task puts ours
   * behind those the page asked for while it drew the last one. Only there does a WebGL canvas without
   * preserveDrawingBuffer still hold its picture. A hidden page has no frames: then after half a second.
   * @template T @param {Window} view @param {() => T} work @returns {Promise<T>}
   */
  const inFrame = (view, work) =>
    new Promise((resolve, reject) => {
      let done = false;
      const go = () => {
        if (done) return;
        done = true;
        clearTimeout(late);
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      };
      const late = setTimeout(go, 500);
      setTimeout(() => view.requestAnimationFrame(go), 0);
    });

  /**
   * Takes pictures of a source at its native size, over white as telltale.preprocess.decode does with transparency.
   */
  class Grabber {
    #full = Grabber.#surface(true);
    #thumb = Grabber.#surface(true);
    #kept = Grabber.#surface(false);

    /** @param {boolean} read whether the pixels are read back often */
    static #surface(read) {
      const canvas = document.createElement("canvas");
      const context = /** @type {CanvasRenderingContext2D} */ (
        canvas.getContext("2d", { willReadFrequently: read, alpha: true })
      );
      context.imageSmoothingQuality = "high";
      return { canvas, context };
    }

    release() {
      for (const { canvas } of [this.#full, this.#thumb, this.#kept]) canvas.width = canvas.height = 0;
    }

    /**
     * @param {Source} source
     * @returns {Uint8ClampedArray} THUMB x THUMB RGBA @throws {WidgetError} tainted or without a picture yet
     */
    #look(source) {
      const [width, height] = sizeOf(source);
      if (!width || !height) {
        throw new WidgetError("blank", `${nameOf(source)} has no picture yet`, {
          expected: "a size",
          got: `${width}x${height}`,
          next: source.localName === "video" ? "wait until the video plays" : "wait until the page has drawn",
        });
      }
      const { canvas, context } = this.#thumb;
      canvas.width = canvas.height = THUMB; // clears
      context.imageSmoothingQuality = "high";
      context.drawImage(source, 0, 0, THUMB, THUMB);
      try {
        return context.getImageData(0, 0, THUMB, THUMB).data;
      } catch (error) {
        this.#thumb = Grabber.#surface(true); // a tainted canvas stays tainted
        throw new WidgetError("tainted", `the browser does not let a script read ${nameOf(source)}`, {
          expected: "a picture of this site, or one sent with CORS",
          got: "one that holds pixels of another site (a tainted canvas)",
          next: "load those pictures with crossorigin=\"anonymous\" from a server that sends Access-Control-Allow-Origin",
        });
      }
    }

    /**
     * Whether nothing was drawn: wholly transparent, or the wholly black of a cleared opaque WebGL buffer.
     * @param {Source} source @param {Uint8ClampedArray} thumb
     */
    #isBlank(source, thumb) {
      if (source.localName === "video") return false;
      let clear = true;
      let black = true;
      for (let i = 0; i < thumb.length && (clear || black); i += 4) {
        if (thumb[i + 3] !== 0) clear = false;
        if (thumb[i] || thumb[i + 1] || thumb[i + 2]) black = false;
      }
      if (clear) return true;
      // Something opaque was drawn, so a context exists and asking for "2d" creates none.
      return black && !(/** @type {HTMLCanvasElement} */ (source).getContext("2d"));
    }

    /**
     * @param {{canvas: HTMLCanvasElement, context: CanvasRenderingContext2D}} surface
     * @param {CanvasImageSource} source @param {number} width @param {number} height
     */
    #draw({ canvas, context }, source, width, height) {
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
      }
      context.fillStyle = "#fff";
      context.fillRect(0, 0, width, height);
      context.drawImage(source, 0, 0, width, height);
    }

    /** @param {CanvasImageSource} source @param {number} width @param {number} height */
    #take(source, width, height) {
      this.#draw(this.#full, source, width, height);
      return { surface: this.#full, width, height, t_ms: Date.now() };
    }

    /**
     * The picture as it is now.
     * @param {Source} source
     */
    async grab(source) {
      const view = source.ownerDocument.defaultView ?? window;
      for (let attempt = 1; attempt <= BLANK_TRIES; attempt++) {
        const taken = await inFrame(view, () =>
          this.#isBlank(source, this.#look(source)) ? null : this.#take(source, ...sizeOf(source)),
        );
        if (taken) return taken;
        // A page that draws only on demand has cleared its buffer; most draw again when the window is resized.
        if (attempt === 2) view.dispatchEvent(new Event("resize"));
      }
      throw new WidgetError("blank", `${nameOf(source)} reads as empty`, {
        expected: "a drawn picture",
        got: "only blank pixels",
        next: "let the page draw (move the view), or have it create WebGL with preserveDrawingBuffer: true",
      });
    }

    /**
     * Waits until the picture stands still, then takes it. A WebGL page that draws on demand reads as blank once it
     * stops: then the last drawn frame is the settled picture.
     * @param {Source} source @param {number} quiet_ms @param {AbortSignal} signal
     */
    async settled(source, quiet_ms, signal) {
      const view = source.ownerDocument.defaultView ?? window;
      const start = performance.now();
      let still = start;
      /** @type {Uint8ClampedArray | null} */ let before = null;
      /** @type {{width: number, height: number} | null} */ let kept = null;
      while (!signal.aborted) {
        const now = performance.now();
        const drawn = await inFrame(view, () => {
          const thumb = this.#look(source);
          if (this.#isBlank(source, thumb)) return false;
          const [width, height] = sizeOf(source);
          this.#draw(this.#kept, source, width, height);
          kept = { width, height };
          const seen = before;
          before = thumb;
          return seen === null || thumb.some((level, i) => Math.abs(level - seen[i]) > MOVED);
        });
        if (drawn) still = now;
        if (now - still >= quiet_ms || now - start >= SETTLE_LIMIT_MS) break;
      }
      if (signal.aborted) return null;
      if (!kept) return this.grab(source);
      return this.#take(this.#kept.canvas, kept.width, kept.height);
    }

    /**
     * @param {{surface: {canvas: HTMLCanvasElement}}} taken @param {string} type @param {number} quality 0 to 1
     * @returns {Promise<Blob>}
     */
    encode(taken, type, quality) {
      return new Promise((resolve, reject) => {
        taken.surface.canvas.toBlob(
          (blob) => (blob ? resolve(blob) : reject(new WidgetError("encode", `the browser wrote no ${type}`))),
          type,
          quality,
        );
      });
    }

    /** @param {{surface: {context: CanvasRenderingContext2D}, width: number, height: number}} taken */
    pixels(taken) {
      return taken.surface.context.getImageData(0, 0, taken.width, taken.height).data;
    }
  }

  // ================================================================ 4 links to a model
  // A link takes pictures one at a time and gives answers. Hooks: state(state, where), hello(hello), error(error).

  /** @typedef {{state: (state: LinkState, where: string) => void, hello: (hello: Hello, note: string) => void,
   *             error: (error: WidgetError) => void}} Hooks */

  const BACK_OFF_MS = [400, 15000]; // first and longest wait between tries
  const HELLO_MS = 8000;
  const ANSWER_MS = 20000;
  const DEFAULT_HOST = "127.0.0.1:8000";

  /**
   * The socket's address from `host`, `host:port` or an address of any of the four schemes.
   * @param {string} text @param {URL | null} home where the script came from
   */
  const socketAddress = (text, home) => {
    const page = location.protocol.startsWith("http") ? new URL(location.href) : null;
    const base = home ?? page;
    const secure = base?.protocol === "https:";
    const given = text.trim() || (base ? base.host : DEFAULT_HOST);
    let url;
    try {
      if (/\s/.test(given)) throw new TypeError("a space");
      url = new URL(/^[a-z]+:\/\//i.test(given) ? given : `${secure ? "wss" : "ws"}://${given}`);
      url.protocol = { "http:": "ws:", "https:": "wss:" }[url.protocol] ?? url.protocol;
      if (!/^wss?:$/.test(url.protocol)) throw new TypeError(url.protocol);
    } catch {
      throw new WidgetError("host", "the server's address", {
        expected: "host, host:port, ws://… or wss://…",
        got: JSON.stringify(given),
        next: "correct `host` or window.CUSTOM_WS_HOST",
      });
    }
    if (url.pathname === "/" || url.pathname === "") url.pathname = "/ws/infer";
    url.hash = "";
    return url.href;
  };

  /** A connection to a server that comes back by itself. Speaks docs/wire.md; one picture on its way at a time. */
  class ServerLink {
    /** @type {{resolve: (answer: Answer) => void, reject: (error: WidgetError) => void} | null} */ #waiting = null;
    #timer = 0;
    #answerTimer = 0;
    #failures = 0;
    #wanted = false;
    #ready = false;
    answerMs = ANSWER_MS;

    /** @param {string} address @param {Hooks} hooks */
    constructor(address, hooks) {
      this.address = address;
      this.hooks = hooks;
    }

    /** Whether there is a connection, or one in the making. @returns {boolean} */
    get begun() {
      throw new Error("a kind of link says");
    }
    /** Make a connection: `hear` what comes, `lost` when it ends. May throw a WidgetError that trying on does not mend. */
    begin() {}
    /** Let go of it, without a word. */
    end() {}
    /** @param {any} picture @param {number} t_ms when it was captured @returns {Promise<void>} */
    async transmit(picture, t_ms) {}

    open() {
      this.#wanted = true;
      addEventListener("online", this.#hurry);
      this.#dial();
    }

    close() {
      this.#wanted = false;
      removeEventListener("online", this.#hurry);
      clearTimeout(this.#timer);
      this.#hangUp("");
      this.hooks.state("disconnected", "");
    }

    get ready() {
      return this.#ready;
    }

    #hurry = () => {
      if (!this.#wanted || this.begun) return;
      clearTimeout(this.#timer);
      this.#dial();
    };

    #dial() {
      this.hooks.state(this.#failures ? "reconnecting" : "connecting", this.address);
      this.#timer = setTimeout(() => this.lost("said nothing"), HELLO_MS);
      try {
        this.begin();
      } catch (error) {
        this.hooks.error(WidgetError.of(error, "socket"));
        this.close();
      }
    }

    /** @param {unknown} data */
    hear(data) {
      let message;
      try {
        message = JSON.parse(String(data));
      } catch {
        return this.hooks.error(new WidgetError("protocol", "the server's message", { expected: "JSON", got: typeof data }));
      }
      if (message.type === "hello") {
        if (message.protocol !== 1 || !message.bundle) {
          this.hooks.error(
            new WidgetError("protocol", this.address, {
              expected: "telltale protocol 1",
              got: `${message.protocol}`,
              next: "use the widget of that server's version",
            }),
          );
          this.close();
          return;
        }
        clearTimeout(this.#timer);
        this.#failures = 0;
        this.#ready = true;
        this.hooks.hello(message, message.version ? `server ${message.version}` : "");
        this.hooks.state("connected", this.address);
      } else if (message.type === "result") {
        this.#settle((waiting) => waiting.resolve(message));
      } else if (message.type === "error") {
        const error = new WidgetError(message.code ?? "server", message.message ?? "the server refused the frame");
        Object.assign(error, { expected: message.expected ?? "", got: message.got ?? "", next: message.next ?? "" });
        if (!this.#settle((waiting) => waiting.reject(error))) this.hooks.error(error);
      }
    }

    /** @param {(waiting: {resolve: (answer: Answer) => void, reject: (error: WidgetError) => void}) => void} how */
    #settle(how) {
      const waiting = this.#waiting;
      this.#waiting = null;
      clearTimeout(this.#answerTimer);
      if (waiting) how(waiting);
      return waiting !== null;
    }

    /** @param {string} why */
    #hangUp(why) {
      this.#ready = false;
      this.end();
      this.#settle((waiting) => waiting.reject(new WidgetError("socket", "the connection ended before the answer", { got: why })));
    }

    /** The connection has ended: try again, ever later. @param {string} why */
    lost(why) {
      clearTimeout(this.#timer);
      this.#hangUp(why);
      if (!this.#wanted) return;
      this.#failures++;
      const longest = Math.min(BACK_OFF_MS[1], BACK_OFF_MS[0] * 2 ** Math.min(this.#failures - 1, 10));
      const wait = longest / 2 + (Math.random() * longest) / 2; // half of it by chance, so that many do not come at once
      this.hooks.state("reconnecting", this.address);
      if (this.#failures === 3) {
        this.hooks.error(
          new WidgetError("socket", `no answer from ${this.address}`, {
            expected: "a telltale server",
            got: why,
            next: "start `telltale serve`, correct the address, or let this page reach the local network; trying on",
          }),
        );
      }
      this.#timer = setTimeout(() => this.#dial(), wait);
    }

    /**
     * @param {any} picture as `wants` says @param {number} t_ms when it was captured
     * @returns {Promise<Answer>}
     */
    async send(picture, t_ms) {
      if (!this.#ready) throw new WidgetError("socket", "not connected", { next: "press Connect" });
      /** @type {Promise<Answer>} */
      const answer = new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
      answer.catch(() => {});
      this.#answerTimer = setTimeout(() => this.lost("no answer to a frame"), this.answerMs);
      await this.transmit(picture, t_ms);
      return answer;
    }
  }

  /** Pictures as files over a WebSocket. */
  class SocketLink extends ServerLink {
    wants = /** @type {const} */ ("file");
    /** @type {WebSocket | null} */ #socket = null;
    #seq = 0;

    /** @param {string} address @param {"binary" | "json"} wire @param {Hooks} hooks */
    constructor(address, wire, hooks) {
      super(address, hooks);
      this.wire = wire;
    }

    get begun() {
      return this.#socket !== null;
    }

    begin() {
      let socket;
      try {
        socket = new WebSocket(this.address); // throws under mixed content
      } catch (error) {
        throw new WidgetError("socket", `the browser refuses ${this.address}`, {
          got: error instanceof Error ? error.message : String(error),
          next: "a page over https may only speak wss: serve with a certificate or `--self-signed`",
        });
      }
      this.#socket = socket;
      socket.binaryType = "arraybuffer";
      const mine = () => this.#socket === socket;
      socket.addEventListener("message", ({ data }) => mine() && this.hear(data));
      socket.addEventListener("close", ({ code, reason }) => {
        if (!mine()) return;
        if (code === 1008) this.close(); // refused by policy, and the server has said why: no use in trying on
        else this.lost(code === 1009 ? "a frame that is too large (1009)" : reason || `closed (${code})`);
      });
    }

    end() {
      const socket = this.#socket;
      this.#socket = null;
      socket?.close();
    }

    /** @param {Blob} file @param {number} t_ms */
    async transmit(file, t_ms) {
      const socket = this.#socket;
      if (this.wire === "json") {
        const image = await new Promise((resolve, reject) => {
          const reader = new FileReader();
          reader.addEventListener("load", () => resolve(reader.result));
          reader.addEventListener("error", () => reject(new WidgetError("encode", "the picture could not be read")));
          reader.readAsDataURL(file);
        });
        if (socket && this.#socket === socket) socket.send(JSON.stringify({ type: "frame", seq: this.#seq++, t_ms, image }));
      } else {
        const bytes = await file.arrayBuffer();
        if (socket && this.#socket === socket) socket.send(bytes);
      }
    }
  }

  const RTC_ANSWER_MS = 6000; // a picture that video lost; pictures are sent again before
  const RTC_AGAIN_MS = 1000;
  const RTC_QUIET_MS = 1000;
  const RTC_THROUGH_MS = 5000; // from the answer to the first message
  const GATHER_MS = 1500;
  const END_MS = 2000;
  const RTC_BITS = 4_000_000;

  /** The WHIP endpoint beside a socket's address. @param {string} socket */
  const whipAddress = (socket) => {
    const url = new URL(socket);
    url.protocol = url.protocol === "wss:" ? "https:" : "http:";
    url.pathname = url.pathname.replace(/\/ws\/infer$/, "") + "/whip";
    return url.href;
  };

  /**
   * Pictures as video over WebRTC (WHIP, RFC 9725), answers on a data channel. A canvas of its own is the source of the
   * video: what is drawn on it goes out once, so one answer belongs to one picture.
   */
  class RtcLink extends ServerLink {
    wants = /** @type {const} */ ("canvas");
    answerMs = RTC_ANSWER_MS;
    /** @type {AbortController | null} */ #life = null;
    /** @type {RTCPeerConnection | null} */ #peer = null;
    #session = "";
    #canvas = document.createElement("canvas");
    /** @type {any} */ #track = null;
    #again = 0;
    #sent = 0; // how often the last picture went out
    #stirred = 0; // when something last went out or came in
    #listening = false;

    /** @param {string} address of /whip @param {(why: string) => void} fallBack takes another way @param {Hooks} hooks */
    constructor(address, fallBack, hooks) {
      super(address, hooks);
      this.fallBack = fallBack;
    }

    get begun() {
      return this.#life !== null;
    }

    begin() {
      if (typeof RTCPeerConnection === "undefined" || !this.#canvas.captureStream) {
        return void queueMicrotask(() => this.fallBack("this browser has none"));
      }
      const life = (this.#life = new AbortController());
      void this.#negotiate(life.signal).catch((error) => {
        if (life.signal.aborted) return;
        if (error instanceof TypeError) this.lost(error.message); // nobody there: fetch failed
        else this.fallBack(error instanceof Error ? error.message : String(error));
      });
    }

    /** @param {AbortSignal} signal */
    async #negotiate(signal) {
      const peer = (this.#peer = new RTCPeerConnection()); // no ICE servers: nobody outside is asked
      this.#canvas.getContext("2d", { alpha: false });
      const track = (this.#track = this.#canvas.captureStream(0).getVideoTracks()[0]);
      signal.addEventListener("abort", () => track.stop());
      const { sender } = peer.addTransceiver(track, { direction: "sendonly", sendEncodings: [{ maxBitrate: RTC_BITS }] });
      const channel = peer.createDataChannel("telltale");
      channel.addEventListener("message", ({ data }) => {
        clearTimeout(through);
        if (!signal.aborted) this.hear(data);
      });
      channel.addEventListener("close", () => {
        if (signal.aborted) return;
        this.#session = ""; // ended by the server
        this.lost("closed");
      });
      peer.addEventListener("connectionstatechange", () => {
        if (signal.aborted || !["failed", "disconnected"].includes(peer.connectionState)) return;
        if (this.ready) this.lost(peer.connectionState);
        else this.fallBack("no way through the network");
      });
      await peer.setLocalDescription();
      await this.#gathered(peer);
      const response = await fetch(this.address, {
        method: "POST",
        headers: { "Content-Type": "application/sdp" },
        body: peer.localDescription?.sdp,
        signal,
      });
      if (response.status !== 201) throw new Error(`the server answered ${response.status} at ${this.address}`);
      const place = response.headers.get("Location");
      this.#session = place ? new URL(place, this.address).href : "";
      const leave = () => void fetch(this.#session, { method: "DELETE", keepalive: true }).catch(() => {});
      if (place) addEventListener("pagehide", leave, { signal }); // the server need not find out by itself
      await peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
      const through = setTimeout(() => signal.aborted || this.fallBack("no way through the network"), RTC_THROUGH_MS);
      signal.addEventListener("abort", () => clearTimeout(through));
      try {
        const parameters = /** @type {any} */ (sender.getParameters());
        parameters.degradationPreference = "maintain-resolution"; // fewer pictures rather than smaller ones
        await sender.setParameters(parameters);
      } catch {
        // an older browser: it may scale the picture down for a while
      }
    }

    /** All of our own addresses, or those found in a moment. @param {RTCPeerConnection} peer @returns {Promise<void>} */
    #gathered(peer) {
      return new Promise((resolve) => {
        const look = () => peer.iceGatheringState === "complete" && resolve();
        peer.addEventListener("icegatheringstatechange", look);
        setTimeout(resolve, GATHER_MS);
        look();
      });
    }

    end() {
      clearTimeout(this.#again);
      this.#life?.abort();
      const peer = this.#peer;
      const session = this.#session;
      this.#life = this.#track = this.#peer = null;
      this.#session = "";
      if (!session) return void peer?.close();
      // The server's word first: once the peer is closed, there is no session to end.
      const signal = AbortSignal.timeout(END_MS);
      void fetch(session, { method: "DELETE", keepalive: true, signal }).catch(() => {}).finally(() => peer?.close());
    }

    /** @param {{surface: {canvas: HTMLCanvasElement}, width: number, height: number}} taken */
    async transmit({ surface, width, height }) {
      const canvas = this.#canvas;
      const life = this.#life;
      this.#listening = false;
      // A picture that was sent twice may be answered twice: let the second answer pass before the next picture goes.
      while (this.#sent > 1 && performance.now() - this.#stirred < RTC_QUIET_MS) await sleep(50);
      if (this.#life !== life) return;
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      const show = () => {
        canvas.getContext("2d")?.drawImage(surface.canvas, 0, 0);
        this.#track?.requestFrame();
        this.#sent++;
        this.#stirred = performance.now();
        this.#again = setTimeout(show, RTC_AGAIN_MS); // until it is answered: an encoder may leave a picture out
      };
      clearTimeout(this.#again);
      this.#sent = 0;
      this.#listening = true;
      show();
    }

    /** @param {unknown} data */
    hear(data) {
      if (/^{"type":"result"/.test(String(data))) {
        clearTimeout(this.#again);
        this.#stirred = performance.now();
        if (!this.#listening) return; // of the picture before
        this.#listening = false;
      }
      super.hear(data);
    }
  }

  /** @type {{createScriptURL(url: string): any} | null | undefined} */ let policy;

  /** @param {string} url for a Worker, on pages that ask for Trusted Types too */
  const trusted = (url) => {
    if (policy === undefined) {
      try {
        policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("tell-tale", {
          createScriptURL: (/** @type {string} */ u) => u,
        }) ?? null;
      } catch {
        policy = null; // the page allows no such policy: the model then runs on the page itself
      }
    }
    return policy ? policy.createScriptURL(url) : url;
  };

  /** The engine in a worker of its own. */
  class WorkerEngine {
    /** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void}>} */ #calls = new Map();
    #next = 1;

    /** @throws when the page's policy allows no worker from a blob */
    constructor() {
      const text = `const engine = (${makeEngine})((${makeSums})()); (${workerMain})(engine);`;
      this.#url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
      try {
        this.#worker = new Worker(trusted(this.#url), { type: "module", name: "tell-tale" });
      } catch (error) {
        URL.revokeObjectURL(this.#url);
        throw error;
      }
      /** @type {Promise<{isolated: boolean}>} */
      this.started = new Promise((resolve, reject) => this.#calls.set(0, { resolve, reject }));
      this.#worker.addEventListener("message", ({ data }) => {
        const call = this.#calls.get(data.id);
        this.#calls.delete(data.id);
        if ("error" in data) call?.reject(new Error(data.error));
        else call?.resolve(data.value);
      });
      this.#worker.addEventListener("error", (event) => {
        event.preventDefault();
        this.#fail(new Error(event.message || "the page allows no worker"));
      });
    }

    /** @type {string} */ #url;
    /** @type {Worker} */ #worker;

    /** @param {Error} error */
    #fail(error) {
      for (const { reject } of this.#calls.values()) reject(error);
      this.#calls.clear();
    }

    /** @param {string} verb @param {any} value @param {Transferable[]} [transfer] */
    #call(verb, value, transfer = []) {
      const id = this.#next++;
      return new Promise((resolve, reject) => {
        this.#calls.set(id, { resolve, reject });
        this.#worker.postMessage({ id, verb, value }, transfer);
      });
    }

    load = (/** @type {any} */ options) => this.#call("load", options);
    test = (/** @type {any} */ golden) => this.#call("test", golden);
    tell = (/** @type {any} */ picture) => this.#call("tell", picture, [picture.pixels.buffer]);

    async release() {
      this.#worker.terminate(); // frees the session and its threads at once
      URL.revokeObjectURL(this.#url);
      this.#fail(new WidgetError("runtime", "the model was unloaded"));
    }
  }

  /** The engine on the page itself, one thread: where the page's policy allows no worker. */
  const pageEngine = () => ({ ...makeEngine(sums), started: Promise.resolve({ isolated: false }) });

  /** @typedef {ReturnType<typeof pageEngine> | WorkerEngine} Engine */

  const GOLDEN_RUNS = 7; // timed runs of the golden picture for each number of threads
  const CLEARLY_FASTER = 0.85; // of the time with one thread
  const MAX_THREADS = 4; // onnxruntime-web's own limit by default
  const PREPROCESS_LEVELS = 1; // how far a pixel may lie from the bundle's own prepared frame

  /** The bundle inside the page: no server. */
  class LocalLink {
    wants = /** @type {const} */ ("pixels");
    /** @type {Engine | null} */ #engine = null;
    #stop = new AbortController();
    #ready = false;
    #seq = 0;
    /** @type {any} */ #spec;
    /** @type {any} */ #smoother;
    /** What was measured while loading: threads, ms, golden difference. @type {Record<string, any>} */ report = {};

    /**
     * @param {{bundle: string, ort: string, threads: string, tolerance: number | null}} options
     * @param {Hooks} hooks
     */
    constructor(options, hooks) {
      this.options = options;
      this.hooks = hooks;
      this.address = "this page";
    }

    get ready() {
      return this.#ready;
    }

    async open() {
      this.#stop = new AbortController();
      const { signal } = this.#stop;
      this.hooks.state("connecting", "this page");
      try {
        await this.#load(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.hooks.error(WidgetError.of(error, "runtime")); // before the end: a link that is closed is heard no more
        this.close();
      }
    }

    close() {
      this.#stop.abort();
      this.#ready = false;
      const engine = this.#engine;
      this.#engine = null;
      engine?.release();
      this.hooks.state("disconnected", "");
    }

    /** @param {AbortSignal} signal */
    async #load(signal) {
      const base = new URL(this.options.bundle.replace(/\/?$/, "/"), document.baseURI).href;
      const spec = JSON.parse(new TextDecoder().decode(await fetchBytes(`${base}bundle.json`, signal)));
      checkSpec(spec, base);
      const [model, golden] = await Promise.all(
        ["model.onnx", "golden.npz"].map((name) => fetchChecked(base, name, spec, signal)),
      );
      const arrays = sums.parseNpz(golden);
      this.report = { hashed: Boolean(globalThis.crypto?.subtle), preprocess: checkPreprocess(arrays, spec.input) };
      const tests = goldenOf(arrays, spec);
      const engine = await this.#start(model, spec, tests, signal);
      if (signal.aborted) return void engine.release();
      this.#engine = engine;
      const limit = this.options.tolerance ?? spec.tolerance?.runtime ?? 1e-3;
      if (!(this.report.maxDiff <= limit)) {
        throw new WidgetError("parity", `${spec.name}: the golden set`, {
          expected: `a largest difference of ${limit} at most`,
          got: this.report.maxDiff.toExponential(1),
          next: "do not trust this browser with this model: use a server, or set `tolerance`",
        });
      }
      this.#spec = spec;
      const { average_s, dwell_s } = spec.smoothing;
      this.#smoother = new sums.Smoother(spec.task.names, spec.thresholds, average_s, dwell_s);
      this.#ready = true;
      const { task, name, input, thresholds, licence } = spec;
      const info = { name, kind: task.kind, names: task.names, input, thresholds, licence };
      this.hooks.hello({ type: "hello", protocol: 1, bundle: info, smoothing: { average_s, dwell_s } }, this.#note());
      this.hooks.state("connected", "this page");
    }

    #note() {
      const { threads, medianMs, maxDiff, tried, worker, hashed } = this.report;
      const times = tried.map((/** @type {any} */ t) => `${t.threads} thread${t.threads > 1 ? "s" : ""} ${t.medianMs.toFixed(1)} ms`);
      return [
        `self-test: largest difference ${maxDiff.toExponential(1)}`,
        tried.length > 1 ? `${times.join(", ")}: took ${threads}` : `${times[0] ?? `${medianMs.toFixed(1)} ms`}`,
        worker ? "" : "on the page's own thread (its policy allows no worker)",
        hashed ? "" : "hashes not checked (no secure context)",
      ].filter(Boolean).join(" · ");
    }

    /**
     * Starts the engine and chooses its threads by measuring. onnxruntime-web cannot change its threads once started,
     * so each candidate gets a worker of its own, one after the other, and the slower one ends.
     * @param {ArrayBuffer} model @param {any} spec @param {any} tests @param {AbortSignal} signal
     * @returns {Promise<Engine>}
     */
    async #start(model, spec, tests, signal) {
      const wasm = new URL("./", this.options.ort).href;
      const begin = async (/** @type {Engine} */ engine, /** @type {number} */ threads) => {
        const end = () => engine.release();
        signal.addEventListener("abort", end);
        try {
          const { isolated } = await engine.started;
          if (threads > 1 && !isolated) throw new WidgetError("runtime", "no threads without cross-origin isolation");
          await engine.load({ ort: this.options.ort, wasm, model, input: spec.input, threads });
          return { engine, threads, ...(await engine.test(tests)) };
        } catch (error) {
          engine.release();
          throw error;
        } finally {
          signal.removeEventListener("abort", end);
        }
      };
      const tried = [];
      let worker = true;
      for (const threads of this.#candidates()) {
        try {
          tried.push(await begin(new WorkerEngine(), threads));
        } catch (error) {
          if (signal.aborted) throw error;
          if (tried.length) break; // threads failed: one thread is there
          try {
            tried.push(await begin(pageEngine(), 1));
          } catch (second) {
            const got = second instanceof Error ? second.message : String(second);
            throw new WidgetError("runtime", `onnxruntime-web from ${this.options.ort}`, {
              expected: "a model that runs",
              got,
              next: "check the `ort` address and the page's content security policy (docs/widget.md)",
            });
          }
          worker = false;
          break;
        }
      }
      // More threads cost the page more than they are worth unless they are clearly faster.
      const best = tried.reduce((a, b) => (b.medianMs < a.medianMs * CLEARLY_FASTER ? b : a));
      for (const one of tried) if (one !== best) one.engine.release();
      const { engine, ...measured } = best;
      const brief = tried.map(({ threads, medianMs, maxDiff }) => ({ threads, medianMs, maxDiff }));
      Object.assign(this.report, measured, { worker, tried: brief });
      return engine;
    }

    /** @returns {number[]} the numbers of threads to try */
    #candidates() {
      const cores = navigator.hardwareConcurrency || 1;
      const can = globalThis.crossOriginIsolated === true && typeof SharedArrayBuffer !== "undefined";
      const asked = Number(this.options.threads);
      if (asked >= 1) return [can ? Math.floor(asked) : 1];
      const many = Math.min(cores, MAX_THREADS);
      return can && many > 1 ? [1, many] : [1];
    }

    /**
     * @param {{pixels: Uint8ClampedArray, width: number, height: number}} picture @param {number} t_ms
     * @returns {Promise<Answer>}
     */
    async send(picture, t_ms) {
      if (!this.#engine) throw new WidgetError("runtime", "the model is not loaded", { next: "press Connect" });
      const start = performance.now();
      const told = await this.#engine.tell(picture);
      const { names } = this.#spec.task;
      const raw = Object.fromEntries(names.map((/** @type {string} */ n, /** @type {number} */ k) => [n, told.probabilities[k]]));
      const { smoothed, events } = this.#smoother.update(start / 1000, raw);
      const age_ms = performance.now() - start;
      /** @type {Record<string, Reading>} */ const averages = {};
      for (const name of Object.keys(smoothed)) averages[name] = sums.reading(smoothed[name].prob, smoothed[name].state);
      return {
        type: "result",
        seq: this.#seq++,
        t_ms,
        result: sums.decodeStates(told.probabilities, names, this.#spec.thresholds),
        smoothed: averages,
        events: events.map((/** @type {any} */ e) => ({ type: "event", ...e, prob: sums.round6(e.prob), t_s: sums.round6(e.t_s), age_ms })),
        age_ms,
        infer_ms: told.inferMs,
        dropped: 0,
        size: [picture.width, picture.height],
      };
    }
  }

  /** @param {string} url @param {AbortSignal} signal @returns {Promise<ArrayBuffer>} */
  const fetchBytes = async (url, signal) => {
    let response;
    try {
      response = await fetch(url, { signal });
    } catch (error) {
      throw new WidgetError("bundle", url, {
        expected: "a file",
        got: error instanceof Error ? error.message : String(error),
        next: "check `bundle`; on another site it must be sent with CORS",
      });
    }
    if (!response.ok) {
      throw new WidgetError("bundle", url, { expected: "a file", got: `HTTP ${response.status}`, next: "check `bundle`" });
    }
    return response.arrayBuffer();
  };

  /** A file of the bundle, its size and SHA-256 checked. @param {string} base @param {string} name @param {any} spec @param {AbortSignal} signal */
  const fetchChecked = async (base, name, spec, signal) => {
    const told = spec.files?.[name];
    if (!told) throw new WidgetError("bundle", base, { expected: `a bundle with ${name}`, got: "none", next: "export it again" });
    const bytes = await fetchBytes(base + name, signal);
    const damaged = (/** @type {string} */ expected, /** @type {string} */ got) =>
      new WidgetError("bundle", base + name, { expected, got, next: "the file was changed or damaged: copy the bundle again" });
    if (bytes.byteLength !== told.bytes) throw damaged(`${told.bytes} bytes`, `${bytes.byteLength} bytes`);
    if (globalThis.crypto?.subtle) {
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      const hex = Array.from(digest, (b) => b.toString(16).padStart(2, "0")).join("");
      if (hex !== told.sha256) throw damaged(`SHA-256 ${told.sha256.slice(0, 12)}…`, `${hex.slice(0, 12)}…`);
    }
    return bytes;
  };

  /** @param {any} spec bundle.json @param {string} base */
  const checkSpec = (spec, base) => {
    if (spec?.format !== 1) {
      throw new WidgetError("bundle", `${base}bundle.json`, {
        expected: "format 1",
        got: String(spec?.format),
        next: "use the widget of the telltale that exported it",
      });
    }
    if (spec.task?.kind !== "states" || !Array.isArray(spec.task.names) || !spec.thresholds || !spec.input) {
      throw new WidgetError("bundle", `${base}bundle.json`, { expected: "a task this widget runs (states)", got: String(spec.task?.kind) });
    }
  };

  /** The golden set as the engine's test takes it. @param {Record<string, Npy>} arrays @param {any} spec */
  const goldenOf = (arrays, spec) => {
    const { inputs } = arrays;
    if (!inputs || inputs.shape.length !== 4 || inputs.shape[0] < 1) {
      throw new WidgetError("bundle", "golden.npz", { expected: "inputs (N, H, W, 3)", got: inputs ? `(${inputs.shape})` : "none" });
    }
    const expected = arrays["out.probabilities"];
    if (!expected || expected.shape[0] !== inputs.shape[0]) {
      throw new WidgetError("bundle", "golden.npz", { expected: "out.probabilities (N, K)", got: Object.keys(arrays).join(", ") });
    }
    const { width, height } = spec.input;
    if (inputs.shape[1] !== height || inputs.shape[2] !== width) {
      throw new WidgetError("bundle", "golden.npz", { expected: `inputs of ${width}x${height}`, got: `(${inputs.shape})` });
    }
    return { inputs: inputs.data, count: inputs.shape[0], expected: Array.from(/** @type {Float64Array} */ (expected.data)), runs: GOLDEN_RUNS };
  };

  /** Prepares the golden frame here and compares. @param {Record<string, Npy>} arrays @param {Input} input */
  const checkPreprocess = ({ frame, frame_input: want }, input) => {
    if (!frame || !want) return null;
    const got = sums.preprocess(/** @type {Uint8Array} */ (frame.data), frame.shape[1], frame.shape[0], input);
    let levels = 0;
    for (let i = 0; i < got.length; i++) levels = Math.max(levels, Math.abs(got[i] - Number(want.data[i])));
    if (got.length !== want.data.length || levels > PREPROCESS_LEVELS) {
      throw new WidgetError("parity", "preparing the golden frame", {
        expected: `within ${PREPROCESS_LEVELS} level`,
        got: `${levels} levels`,
        next: "use the widget of the telltale that exported this bundle",
      });
    }
    return levels;
  };

  // ================================================================ 5 drawing
  // How an answer looks, one entry for each kind of task. create() gives the DOM once, update() follows each answer.

  /**
   * An element. `class`, `text` and event handlers (`onclick`) are properties; the rest are attributes.
   * @param {string} tag @param {Record<string, any>} [given] @param {...(Node | string)} children
   * @returns {any}
   */
  const h = (tag, given = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(given)) {
      if (value === false || value === null || value === undefined) continue;
      if (name === "text") element.textContent = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : String(value));
    }
    element.append(...children);
    return element;
  };

  /** @param {string} name @param {string[]} paths of a 24 x 24 picture, drawn with strokes */
  const icon = (name, ...paths) => {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", class: `icon ${name}`, "aria-hidden": "true" })) {
      svg.setAttribute(key, value);
    }
    for (const d of paths) svg.append(document.createElementNS(space, "path"));
    paths.forEach((d, i) => svg.children[i].setAttribute("d", d));
    return svg;
  };

  const ICONS = {
    lamp: () => icon("lamp", "M5 12a7 7 0 0 1 14 0v5H5z", "M4 20h16", "M12 2v0", "M3.5 5.5l.01 0", "M20.5 5.5l.01 0"),
    fold: () => icon("fold", "M6 9l6 6 6-6"),
    on: () => icon("on", "M5 12.5l4.5 4.5L19 7.5"),
    off: () => icon("off", "M7 12h10"),
    unsure: () => icon("unsure", "M8.5 9a3.5 3.5 0 1 1 5.2 3.1c-1.1.6-1.7 1.2-1.7 2.4", "M12 18.4v.01"),
    change: () => icon("change", "M5 12h14", "M13 6l6 6-6 6"),
  };

  /** @param {string} name `front_left` as a person reads it */
  const pretty = (name) => name.replaceAll("_", " ");
  const percent = (/** @type {number} */ p) => `${Math.round(p * 100)} %`;

  /** One row a name: lamp, name, word, probability, bar with the unsure zone shaded. */
  const statesRenderer = (/** @type {BundleInfo} */ bundle) => {
    /** @type {Map<string, any>} */ const rows = new Map();
    const list = h("ul", { class: "rows", "aria-label": "Answers" });
    for (const name of bundle.names) {
      const { low, high } = bundle.thresholds[name] ?? { low: 0.5, high: 0.5 };
      const zone = h("i", { class: "zone" });
      zone.style.left = `${low * 100}%`;
      zone.style.width = `${Math.max(0, high - low) * 100}%`;
      const fill = h("i", { class: "fill" });
      const raw = h("i", { class: "raw", hidden: true });
      const bar = h(
        "div",
        { class: "bar", role: "meter", "aria-label": pretty(name), "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": 0 },
        zone, fill, raw,
      );
      const lamp = h("span", { class: "mark" });
      const word = h("span", { class: "word", text: "–" });
      const prob = h("span", { class: "prob" });
      const row = h("li", { class: "row", "data-name": name, "data-state": "none" }, lamp, h("span", { class: "name", text: pretty(name), title: name }), word, prob, bar);
      bar.title = low < high ? `off up to ${percent(low)}, on from ${percent(high)}, unsure between` : `on from ${percent(high)}`;
      rows.set(name, { row, lamp, word, prob, bar, fill, raw });
      list.append(row);
    }
    return {
      element: list,
      /**
       * @param {Answer} answer @param {boolean} smooth whether to show the smoothed reading, with the raw one as a tick
       * @param {Source} [_source] what was looked at
       */
      update(answer, smooth, _source) {
        for (const [name, parts] of rows) {
          const now = answer.result[name];
          const shown = (smooth && answer.smoothed?.[name]) || now;
          if (!shown) continue;
          const { row, lamp, word, prob, bar, fill, raw } = parts;
          if (row.dataset.state !== shown.state) {
            row.dataset.state = shown.state;
            lamp.replaceChildren(ICONS[shown.state]());
            word.textContent = shown.state;
          }
          prob.textContent = percent(shown.prob);
          fill.style.width = `${shown.prob * 100}%`;
          raw.hidden = shown === now;
          raw.style.left = `${now.prob * 100}%`;
          bar.setAttribute("aria-valuenow", Math.round(shown.prob * 100));
          bar.setAttribute("aria-valuetext", `${shown.state}, ${percent(shown.prob)}`);
        }
      },
      /** @param {Answer} answer @param {boolean} smooth */
      brief(answer, smooth) {
        const shown = Object.entries((smooth && Object.keys(answer.smoothed ?? {}).length && answer.smoothed) || answer.result);
        const of = (/** @type {string} */ state) => shown.filter(([, r]) => r.state === state).map(([n]) => pretty(n));
        const on = of("on");
        const unsure = of("unsure");
        const told = on.length ? `${on.join(", ")} on` : unsure.length ? "" : "all off";
        return [told, unsure.length ? `${unsure.join(", ")} unsure` : ""].filter(Boolean).join("; ");
      },
    };
  };

  /** As states, a row a name; what was found stands where the probability does: so many regions, so large. */
  const maskRenderer = (/** @type {BundleInfo} */ bundle) => {
    const rows = statesRenderer(bundle);
    const found = (/** @type {any} */ r) => {
      const area = r.area_mm2 === undefined ? `${r.area_px} px` : `${Number(r.area_mm2.toPrecision(3))} mm²`;
      return r.count ? `${r.count} · ${area}` : percent(r.prob);
    };
    return {
      element: rows.element,
      /** @param {Answer} answer */
      update(answer) {
        rows.update(answer, false);
        for (const row of rows.element.children) {
          const reading = answer.result[row.dataset.name];
          if (reading) row.querySelector(".prob").textContent = found(reading);
        }
      },
      /** @param {Answer} answer */
      brief: (answer) => rows.brief(answer, false),
    };
  };

  const SVG = "http://www.w3.org/2000/svg";

  /** @param {string} tag @param {Record<string, any>} given @returns {any} */
  const shape = (tag, given) => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(given)) element.setAttribute(name, String(value));
    return element;
  };

  /**
   * Where a picture of `size` is seen in the window: its element's box without border and padding, with what
   * `object-fit` leaves empty taken off, past the frames it lies in.
   * @param {Source} source @param {[number, number]} size @returns {{x: number, y: number, width: number, height: number}}
   */
  const seenAt = (source, size) => {
    const { left, top } = source.getBoundingClientRect();
    const style = getComputedStyle(source);
    const px = (/** @type {string} */ name) => parseFloat(style.getPropertyValue(name)) || 0;
    let x = left + px("border-left-width") + px("padding-left");
    let y = top + px("border-top-width") + px("padding-top");
    let width = source.clientWidth - px("padding-left") - px("padding-right");
    let height = source.clientHeight - px("padding-top") - px("padding-bottom");
    const scale = { contain: Math.min, cover: Math.max }[style.objectFit]?.(width / size[0], height / size[1]);
    if (scale) {
      x += (width - size[0] * scale) / 2;
      y += (height - size[1] * scale) / 2;
      [width, height] = [size[0] * scale, size[1] * scale];
    }
    for (let view = source.ownerDocument.defaultView; view && view !== window && view.frameElement; view = view.parent) {
      const frame = view.frameElement.getBoundingClientRect();
      x += frame.left + view.frameElement.clientLeft;
      y += frame.top + view.frameElement.clientTop;
    }
    return { x, y, width, height };
  };

  /** As states, a row a name; the boxes are drawn over what is looked at, with centre, name and score. */
  const locateRenderer = (/** @type {BundleInfo} */ bundle) => {
    const rows = statesRenderer(bundle);
    const over = shape("svg", { class: "boxes", "aria-hidden": "true" });
    /** @type {(() => void)} */ let lay = () => {};
    const follow = () => (over.isConnected ? lay() : (removeEventListener("scroll", follow, true), removeEventListener("resize", follow)));
    addEventListener("scroll", follow, { capture: true, passive: true });
    addEventListener("resize", follow, { passive: true });
    return {
      element: h("div", {}, rows.element, over),
      /** @param {Answer} answer @param {boolean} smooth @param {Source} [source] */
      update(answer, smooth, source) {
        rows.update(answer, false);
        over.replaceChildren();
        for (const row of rows.element.children) {
          const reading = /** @type {any} */ (answer.result[row.dataset.name]);
          if (!reading) continue;
          row.querySelector(".prob").textContent = reading.count > 1 ? `${reading.count} ×` : percent(reading.prob);
          for (const one of [...reading.boxes].reverse()) drawBox(over, row.dataset.name, one, answer.size);
        }
        if (!source) return;
        lay = () => {
          const { x, y, width, height } = seenAt(source, answer.size);
          Object.assign(over.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
          over.style.setProperty("--scale", String(width / answer.size[0] || 1));
        };
        over.setAttribute("viewBox", `0 0 ${answer.size[0]} ${answer.size[1]}`);
        over.setAttribute("preserveAspectRatio", "none");
        lay();
      },
      /** @param {Answer} answer */
      brief: (answer) => rows.brief(answer, false),
    };
  };

  /** @param {any} over @param {string} name @param {any} one of the answer's boxes @param {[number, number]} size */
  const drawBox = (over, name, one, [, tall]) => {
    const [x, y, width, height] = one.box;
    const group = shape("g", { class: "box", "data-state": one.state, "data-name": name });
    for (const sort of ["rim", "line"]) group.append(shape("rect", { class: sort, x, y, width, height }));
    const [cx, cy] = one.centre;
    for (const sort of ["rim", "line"]) {
      group.append(shape("path", { class: sort, d: `M${cx - 3} ${cy}h6M${cx} ${cy - 3}v6` }));
    }
    const text = shape("text", { x, y: y > tall / 12 ? y : y + height, dy: y > tall / 12 ? "-.35em" : "1.05em" });
    text.textContent = `${pretty(name)} ${one.score.toFixed(2)}${one.state === "unsure" ? " ?" : ""}`;
    group.append(text);
    over.append(group);
  };

  /** Task kind to renderer: (bundle) => {element, update(answer, smooth, source), brief(answer, smooth)}. */
  const RENDERERS = { states: statesRenderer, mask: maskRenderer, locate: locateRenderer };

  // ================================================================ 6 the panel

  const LIGHT = `--bg:#fff;--ink:#18212b;--dim:#56636f;--line:#d9e0e7;--soft:#f2f5f8;--track:#e4e9ee;
    --accent:#1d5fd1;--accent-ink:#fff;--on:#0b7a55;--on-soft:#d8f3e6;--unsure:#8a5200;--unsure-soft:#ffeecf;
    --off:#66727e;--bad:#a8231b;--bad-soft:#fdeceb;--shadow:0 1px 2px #0b14202b,0 12px 36px #0b142033;color-scheme:light`;
  const DARK = `--bg:#161c24;--ink:#e9eef4;--dim:#a0adba;--line:#303a46;--soft:#1f2731;--track:#2d3742;
    --accent:#7db2ff;--accent-ink:#0d1a2c;--on:#56d9a8;--on-soft:#123b2d;--unsure:#ffc561;--unsure-soft:#402f10;
    --off:#93a0ad;--bad:#ff9b92;--bad-soft:#41201e;--shadow:0 1px 2px #0009,0 14px 40px #000a;color-scheme:dark`;
  const HATCH = "repeating-linear-gradient(135deg,currentColor 0 1.5px,transparent 1.5px 5px)";

  const STYLE = `
  :host{all:initial;${LIGHT};display:block;position:fixed;z-index:2147483000;width:344px;max-width:calc(100vw - 16px);
    font:14px/1.4 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;color:var(--ink);
    right:16px;bottom:16px;-webkit-text-size-adjust:100%}
  @media(prefers-color-scheme:dark){:host{${DARK}}}
  :host([theme=light]){${LIGHT}} :host([theme=dark]){${DARK}}
  :host([hidden]){display:none}
  :host([position=top-left]){inset:16px auto auto 16px} :host([position=top-right]){inset:16px 16px auto auto}
  :host([position=bottom-left]){inset:auto auto 16px 16px}
  :host([position=inline]){position:static;z-index:auto;width:auto;max-width:none}
  *,*::before,*::after{box-sizing:border-box}
  [hidden]{display:none!important}
  .panel{background:var(--bg);border:1px solid var(--line);border-radius:14px;box-shadow:var(--shadow);overflow:hidden;
    display:flex;flex-direction:column;max-height:calc(100vh - 32px);max-height:calc(100dvh - 32px)}
  :host([position=inline]) .panel{box-shadow:none;max-height:none}
  .head{display:flex;align-items:center;gap:8px;padding:8px 8px 8px 6px;border-bottom:1px solid var(--line);flex:none}
  .folded .head{border-bottom-color:transparent}
  .grip{display:flex;align-items:center;gap:8px;flex:1;min-width:0;cursor:grab;touch-action:none;text-align:left;
    padding:4px 6px;border:0;background:none;user-select:none;-webkit-user-select:none}
  .grip:active{cursor:grabbing} :host([position=inline]) .grip{cursor:default;touch-action:auto}
  .badge{display:grid;place-items:center;width:30px;height:30px;flex:none;border-radius:9px;background:var(--soft);color:var(--off)}
  .panel[data-link=connected] .badge{background:var(--on-soft);color:var(--on)}
  .panel[data-link=connecting] .badge,.panel[data-link=reconnecting] .badge{background:var(--unsure-soft);color:var(--unsure)}
  .titles{min-width:0;display:flex;flex-direction:column}
  .title{font-weight:650;letter-spacing:-.01em;line-height:1.2;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
  .link{font-size:12px;color:var(--dim);line-height:1.3;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
  .link b{font-weight:600;color:var(--ink)}
  button,select,input,summary{font:inherit;color:inherit}
  :is(button,select,input,summary,.body):focus-visible{outline:2px solid var(--accent);outline-offset:2px}
  .body:focus-visible{outline-offset:-2px} .grip:focus-visible{border-radius:8px;outline-offset:-1px}
  .small{width:36px;height:36px;display:grid;place-items:center;border:0;border-radius:9px;background:none;color:var(--dim);cursor:pointer;flex:none}
  .small:hover{background:var(--soft);color:var(--ink)}
  .small .icon{transition:transform .15s} .folded .small .icon{transform:rotate(180deg)}
  .icon{width:18px;height:18px;fill:none;stroke:currentColor;stroke-width:2.2;stroke-linecap:round;stroke-linejoin:round;display:block}
  .body{padding:12px 14px 14px;display:grid;grid-template-columns:minmax(0,1fr);gap:12px;overflow:auto;overscroll-behavior:contain;min-height:0}
  .actions{display:grid;grid-template-columns:1fr 1.12fr 1fr;gap:8px}
  .actions button{min-height:38px;padding:0 6px;border-radius:9px;border:1px solid var(--line);background:var(--bg);font-weight:600;cursor:pointer}
  .actions button:hover{background:var(--soft)}
  .actions .main{background:var(--accent);border-color:var(--accent);color:var(--accent-ink)}
  .actions .main:hover{filter:brightness(1.08)}
  .actions button[aria-disabled=true]{background:var(--soft);border-color:transparent;color:var(--dim);opacity:.65;cursor:default;filter:none}
  .error{margin:0;padding:9px 11px;border-radius:9px;background:var(--bad-soft);color:var(--bad);font-size:13px;display:flex;gap:8px;overflow-wrap:anywhere}
  .error .text{flex:1;min-width:0} .error b{font-weight:650}
  .error button{border:0;background:none;padding:0 4px;cursor:pointer;align-self:start;font-weight:600;min-width:24px;min-height:24px;border-radius:6px}
  .empty{margin:0;color:var(--dim);font-size:13px}
  .rows{list-style:none;margin:0;padding:0;display:grid;gap:11px}
  .stale .rows{opacity:.5}
  .row{display:grid;grid-template-columns:22px minmax(0,1fr) auto 46px;gap:6px 9px;align-items:center;color:var(--off)}
  .row[data-state=on]{color:var(--on)} .row[data-state=unsure]{color:var(--unsure)}
  .mark{width:22px;height:22px;border-radius:50%;border:2px solid currentColor;display:grid;place-items:center}
  .mark .icon{width:13px;height:13px;stroke-width:3}
  .row[data-state=on] .mark{background:currentColor} .row[data-state=on] .mark .icon{color:var(--bg)}
  .row[data-state=unsure] .mark{border-style:dashed}
  .name{color:var(--ink);font-weight:550;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
  .name::first-letter{text-transform:uppercase}
  .word{font-size:12px;font-weight:700;padding:1px 9px;border-radius:99px;border:1.5px solid transparent;min-width:40px;text-align:center;letter-spacing:.01em}
  .row[data-state=on] .word{background:var(--on-soft)}
  .row[data-state=off] .word{border-color:var(--line);font-weight:600}
  .row[data-state=unsure] .word{border:1.5px dashed currentColor;background:var(--unsure-soft);font-style:italic}
  .prob{font-variant-numeric:tabular-nums;text-align:right;color:var(--ink);font-size:13px;white-space:nowrap}
  .bar{grid-column:2/-1;position:relative;height:7px;border-radius:99px;background:var(--track);overflow:hidden}
  .bar i{position:absolute;top:0;bottom:0;display:block}
  .bar .zone{color:var(--dim);background:${HATCH};opacity:.4}
  .bar .fill{left:0;width:0;background:currentColor;border-radius:99px;transition:width .12s linear}
  .row[data-state=unsure] .bar .fill{background:${HATCH};outline:1.5px solid currentColor;outline-offset:-1.5px}
  .bar .raw{width:3px;margin-left:-1.5px;background:var(--ink);border-radius:2px}
  @media(prefers-reduced-motion:reduce){.bar .fill,.small .icon{transition:none}}
  .boxes{position:fixed;pointer-events:none;overflow:visible;z-index:-1}
  :host([position=inline]) .boxes{z-index:1}
  .stale .boxes,.panel:not([data-link=connected]) .boxes{display:none}
  .boxes :is(rect,path){fill:none;vector-effect:non-scaling-stroke}
  .boxes .rim{stroke:#000b;stroke-width:4} .boxes .line{stroke:#40dc60;stroke-width:2}
  .boxes [data-state=unsure] .line{stroke:#f0b429} .boxes [data-state=unsure] rect.line{stroke-dasharray:5 4}
  .boxes text{font:600 calc(13px/var(--scale,1)) system-ui,sans-serif;fill:#fff;stroke:#000c;stroke-width:calc(3px/var(--scale,1));paint-order:stroke}
  .numbers{display:grid;grid-template-columns:repeat(3,1fr);margin:0;border:1px solid var(--line);border-radius:10px}
  .numbers>div{padding:6px 10px;min-width:0} .numbers>div+div{border-left:1px solid var(--line)}
  .numbers dt{font-size:11.5px;color:var(--dim)} .numbers dd{margin:0;font-weight:600;font-variant-numeric:tabular-nums;white-space:nowrap}
  .field{display:grid;grid-template-columns:92px minmax(0,1fr);align-items:center;gap:8px;font-size:13px}
  .field>span{color:var(--dim)}
  select,input{width:100%;min-height:34px;padding:4px 9px;border-radius:8px;border:1px solid var(--line);background:var(--bg);font-size:13px}
  input[readonly]{background:var(--soft);color:var(--dim)}
  details{border-top:1px solid var(--line);padding-top:9px}
  summary{cursor:pointer;font-weight:600;font-size:13px;border-radius:6px;padding:3px 0;list-style-position:inside}
  summary .count{color:var(--dim);font-weight:500}
  .fields{display:grid;gap:8px;padding-top:8px}
  .events{list-style:none;margin:6px 0 0;padding:0;display:grid;gap:5px;font-size:13px}
  .events li{display:flex;gap:6px;align-items:center;min-width:0}
  .events time{color:var(--dim);font-variant-numeric:tabular-nums;flex:none}
  .events .what{flex:1;min-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
  .events .icon{display:inline-block;width:12px;height:12px;vertical-align:-1px;color:var(--dim)}
  .note{margin:0;color:var(--dim);font-size:12px;overflow-wrap:anywhere}
  .sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
  @media(max-width:480px){
    :host{left:8px;right:8px;bottom:8px;width:auto} :host([position^=top]){inset:8px 8px auto 8px}
    :host([position^=bottom]){inset:auto 8px 8px 8px} :host([position=inline]){inset:auto}
    .panel{max-height:min(62vh,calc(100vh - 16px));max-height:min(62dvh,calc(100dvh - 16px))} :host([position=inline]) .panel{max-height:none}
    .actions button{min-height:44px} select,input{min-height:40px;font-size:16px} .small{width:44px;height:44px}
    summary{padding:8px 0}
  }
  @media(forced-colors:active){.bar,.mark,.word{border:1px solid} .bar .fill{background:Highlight}}
  `;

  const RATES = [0, 1, 2, 5, 10, 15, 30];
  const EVENTS_KEPT = 20;
  const TITLES = { disconnected: "Disconnected", connecting: "Connecting", connected: "Connected", reconnecting: "Reconnecting" };

  /** What the panel tells the element. @typedef {{connect(): void, disconnect(): void, capture(): void,
   * set(name: string, value: string): void}} Wishes */

  /** The DOM of the widget. Knows nothing of sockets or models. */
  class Panel {
    /** @type {ReturnType<typeof statesRenderer> | null} */ #answers = null;
    /** @type {number[]} */ #answered = []; // times of the last answers, for the rate
    /** @type {{at: number, took: number} | null} */ #last = null;
    #said = "";

    /** @param {ShadowRoot} root @param {HTMLElement} host @param {Wishes} wishes @param {AbortSignal} signal */
    constructor(root, host, wishes, signal) {
      this.host = host;
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet]; // a constructed sheet needs no 'unsafe-inline'
      const act = (/** @type {any} */ button, /** @type {() => void} */ work) =>
        button.addEventListener("click", () => button.getAttribute("aria-disabled") !== "true" && work());

      this.title = h("span", { class: "title", text: "telltale" });
      this.linkWord = h("b", { text: TITLES.disconnected });
      this.linkWhere = h("span");
      this.grip = h(
        "button",
        { class: "grip", type: "button", "aria-label": "telltale: move with the arrow keys", title: "Drag to move" },
        h("span", { class: "badge" }, ICONS.lamp()),
        h("span", { class: "titles" }, this.title, h("span", { class: "link" }, this.linkWord, this.linkWhere)),
      );
      this.fold = h("button", { class: "small", type: "button", "aria-controls": "body" }, ICONS.fold());
      act(this.fold, () => host.toggleAttribute("collapsed"));

      this.connect = h("button", { type: "button", class: "main", text: "Connect" });
      this.disconnect = h("button", { type: "button", text: "Disconnect" });
      this.capture = h("button", { type: "button", text: "Capture" });
      act(this.connect, wishes.connect);
      act(this.disconnect, wishes.disconnect);
      act(this.capture, wishes.capture);

      this.errorText = h("span", { class: "text" });
      const dismiss = h("button", { type: "button", "aria-label": "Dismiss this error", text: "✕" });
      act(dismiss, () => this.showError(null));
      this.error = h("div", { class: "error", role: "alert", hidden: true }, this.errorText, dismiss);
      this.empty = h("p", { class: "empty", text: "Press Connect to see what the model says of this page's picture." });
      this.slot = h("div", { class: "answers" }, this.empty);

      const number = (/** @type {string} */ name, /** @type {string} */ hint) => {
        const value = h("dd", { class: name.toLowerCase(), text: "–" });
        return { value, element: h("div", { title: hint }, h("dt", { text: name }), value) };
      };
      this.age = number("Age", "How old the picture is that these answers are of");
      this.rate = number("Rate", "Answers in a second");
      this.dropped = number("Dropped", "Frames skipped because a newer one came");
      const numbers = h("dl", { class: "numbers" }, this.age.element, this.rate.element, this.dropped.element);

      const field = (/** @type {string} */ label, /** @type {any} */ control) =>
        h("label", { class: "field" }, h("span", { text: label }), control);
      const choose = (/** @type {string} */ name, /** @type {[string, string][]} */ options) => {
        const select = h("select", {}, ...options.map(([value, text]) => h("option", { value, text })));
        select.addEventListener("change", () => wishes.set(name, select.value));
        return select;
      };
      this.rates = choose("rate", RATES.map((r) => [String(r), r ? `${r} a second` : "After a click"]));
      this.format = choose("format", [["jpeg", "JPEG"], ["png", "PNG (exact, larger)"]]);
      this.hostField = h("input", { type: "text", spellcheck: "false", autocomplete: "off", autocapitalize: "off", placeholder: "host:port or wss://…" });
      this.hostField.addEventListener("change", () => wishes.set("host", this.hostField.value.trim()));
      this.hostRow = field("Server", this.hostField);
      this.formatRow = field("Format", this.format);
      this.source = h("p", { class: "note source" });
      this.note = h("p", { class: "note about" });
      this.eventCount = h("span", { class: "count" });
      this.eventList = h("ol", { class: "events" });
      this.noEvents = h("p", { class: "note", text: "No change seen yet." });
      this.body = h(
        "div",
        { class: "body", id: "body" },
        h("div", { class: "actions" }, this.connect, this.disconnect, this.capture),
        this.error,
        this.slot,
        numbers,
        field("Capture", this.rates),
        h("details", { open: true, class: "changes" }, h("summary", {}, "Events ", this.eventCount), this.noEvents, this.eventList),
        h("details", { class: "settings" }, h("summary", { text: "Settings" }), h("div", { class: "fields" }, this.hostRow, this.formatRow, this.source, this.note)),
      );
      this.live = h("div", { class: "sr", role: "status", "aria-live": "polite" });
      this.panel = h(
        "section",
        { class: "panel", "aria-label": "telltale", "data-link": "disconnected" },
        h("header", { class: "head" }, this.grip, this.fold),
        this.body,
        this.live,
      );
      root.replaceChildren(this.panel);
      this.#makeMovable(signal);
      this.showFold();
      this.showLink("disconnected", "");
    }

    /** Dragging and arrow keys move the panel; it stays inside the window. @param {AbortSignal} signal */
    #makeMovable(signal) {
      /** @type {{x: number, y: number} | null} */ let held = null;
      const inline = () => this.host.getAttribute("position") === "inline";
      const place = (/** @type {number} */ left, /** @type {number} */ top) => {
        const { width, height } = this.host.getBoundingClientRect();
        const x = Math.max(0, Math.min(left, innerWidth - width));
        const y = Math.max(0, Math.min(top, innerHeight - Math.min(height, innerHeight)));
        this.host.style.width = `${width}px`;
        this.host.style.inset = `${y}px auto auto ${x}px`;
      };
      this.grip.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
        if (inline() || event.button !== 0) return;
        const { left, top } = this.host.getBoundingClientRect();
        held = { x: event.clientX - left, y: event.clientY - top };
        this.grip.setPointerCapture(event.pointerId);
      });
      this.grip.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
        if (held) place(event.clientX - held.x, event.clientY - held.y);
      });
      for (const end of ["pointerup", "pointercancel"]) this.grip.addEventListener(end, () => (held = null));
      this.grip.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
        const step = event.shiftKey ? 64 : 16;
        const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
        if (!move || inline()) return;
        event.preventDefault();
        const { left, top } = this.host.getBoundingClientRect();
        place(left + move[0], top + move[1]);
      });
      addEventListener("resize", () => {
        if (!this.host.style.inset) return;
        if (innerWidth <= 480) {
          this.host.style.removeProperty("inset");
          this.host.style.removeProperty("width");
          return;
        }
        const { left, top } = this.host.getBoundingClientRect();
        place(left, top);
      }, { signal });
    }

    showFold() {
      const folded = this.host.hasAttribute("collapsed");
      this.panel.classList.toggle("folded", folded);
      this.body.hidden = folded;
      this.fold.setAttribute("aria-expanded", String(!folded));
      this.fold.setAttribute("aria-label", folded ? "Show the panel" : "Fold the panel");
    }

    /** @param {{rate: number, format: string, host: string, hostFixed: boolean, local: boolean}} settings */
    showSettings({ rate, format, host, hostFixed, local }) {
      const value = String(rate);
      if (![...this.rates.options].some((o) => o.value === value)) {
        this.rates.append(h("option", { value, text: `${value} a second` }));
      }
      this.rates.value = value;
      this.format.value = format;
      this.hostField.value = host;
      this.hostField.readOnly = hostFixed;
      this.hostField.title = hostFixed ? "Set by window.CUSTOM_WS_HOST" : "";
      this.hostRow.hidden = this.formatRow.hidden = local;
    }

    /** @param {LinkState} state @param {string} where */
    showLink(state, where) {
      this.panel.dataset.link = state;
      this.linkWord.textContent = TITLES[state];
      const short = where.replace(/^(wss?:\/\/[^/]+)\/ws\/infer$/, "$1");
      this.linkWhere.textContent = where ? ` ${state === "connected" && where === "this page" ? "in" : "to"} ${short}` : "";
      this.linkWhere.title = where;
      const enable = (/** @type {any} */ button, /** @type {boolean} */ on) => button.setAttribute("aria-disabled", String(!on));
      enable(this.connect, state === "disconnected");
      enable(this.disconnect, state !== "disconnected");
      enable(this.capture, state === "connected");
      this.connect.classList.toggle("main", state === "disconnected");
      this.capture.classList.toggle("main", state === "connected");
      if (state === "disconnected") this.note.textContent = "";
      if (state === "connected") this.showError(null);
      this.say(`${TITLES[state]}${this.linkWhere.textContent}`);
      this.tick(0);
    }

    /** @param {Hello} hello @param {string} note */
    showHello(hello, note) {
      const { bundle } = hello;
      this.title.textContent = bundle.name;
      const make = /** @type {Record<string, typeof statesRenderer>} */ (RENDERERS)[bundle.kind];
      this.#answers = make ? make(bundle) : null;
      this.#last = null;
      this.#answered = [];
      this.slot.replaceChildren(this.#answers?.element ?? this.empty);
      this.note.textContent = [`Input ${bundle.input.width} × ${bundle.input.height}`, bundle.licence && `licence ${bundle.licence}`, note].filter(Boolean).join(" · ");
      return Boolean(make);
    }

    /** @param {Answer} answer @param {number} captured @param {boolean} smooth @param {Source} source */
    showAnswer(answer, captured, smooth, source) {
      const now = performance.now();
      this.#last = { at: captured, took: now - captured };
      this.#answered = [...this.#answered.filter((t) => now - t < 3000), now];
      this.#answers?.update(answer, smooth, source);
      this.dropped.value.textContent = String(answer.dropped ?? 0);
      this.age.element.title = `This answer took ${Math.round(now - captured)} ms from the picture on (server ${Math.round(answer.age_ms)} ms, model ${answer.infer_ms.toFixed(1)} ms)`;
      this.source.textContent = `Looking at ${nameOf(source)}, ${answer.size[0]} × ${answer.size[1]}`;
      for (const change of answer.events ?? []) this.#showEvent(change);
      if (!smooth && this.#answers) this.say(this.#answers.brief(answer, smooth));
      this.tick(smooth ? 1 : 0);
    }

    /** Numbers that change with time alone. @param {number} expected answers a second; 0 when only on request */
    tick(expected) {
      const now = performance.now();
      const connected = this.panel.dataset.link === "connected";
      const age = this.#last ? now - this.#last.at : null;
      const recent = this.#last && age !== null && age < 1000 ? this.#last.took : age;
      this.age.value.textContent =
        recent === null ? "–" : recent < 1000 ? `${Math.round(recent)} ms` : recent < 60000 ? `${Math.round(recent / 1000)} s` : `${Math.floor(recent / 60000)} min`;
      const times = this.#answered.filter((t) => now - t < 3000);
      const span = times.length > 1 ? (times[times.length - 1] - times[0]) / 1000 : 0;
      this.rate.value.textContent = connected && expected > 0 && span > 0.2 ? `${((times.length - 1) / span).toFixed(1)} /s` : "–";
      const late = expected > 0 && age !== null && age > Math.max(2000, 3000 / expected);
      this.panel.classList.toggle("stale", Boolean(this.#last) && (!connected || late));
    }

    /** @param {Change} change */
    #showEvent(change) {
      const item = h(
        "li",
        {},
        h("time", { text: new Date().toLocaleTimeString([], { hour12: false }) }),
        h("span", { class: "what" }, `${pretty(change.name)}: ${change.from} `, ICONS.change(), ` ${change.to}`),
        h("span", { class: "prob", text: percent(change.prob) }),
      );
      this.eventList.prepend(item);
      while (this.eventList.children.length > EVENTS_KEPT) this.eventList.lastElementChild.remove();
      this.noEvents.hidden = true;
      this.eventCount.textContent = `(latest ${this.eventList.children.length})`;
      this.say(`${pretty(change.name)} ${change.to}`);
    }

    /** @param {WidgetError | null} error */
    showError(error) {
      this.error.hidden = !error;
      this.errorText.textContent = error?.message ?? "";
    }

    /** To a screen reader, politely, only what is new. @param {string} text */
    say(text) {
      if (text && text !== this.#said) this.live.textContent = this.#said = text;
    }
  }

  // ================================================================ 7 the element

  const CONTROLS =
    "button,a[href],input,select,summary,label,option,canvas,video,[onclick],[tabindex],[role=button],[role=switch]," +
    "[role=checkbox],[role=radio],[role=tab],[role=menuitem],[role=option],[role=slider]";
  const TYPES = { jpeg: "image/jpeg", jpg: "image/jpeg", png: "image/png", webp: "image/webp" };
  const CONFIRM_TRIES = 3;

  /**
   * `<tell-tale>`. Attributes and events: docs/widget.md.
   * @fires tell-tale-state {state, where} @fires tell-tale-result @fires tell-tale-event @fires tell-tale-error
   */
  class TellTale extends HTMLElement {
    static observedAttributes = ["host", "for", "mode", "bundle", "ort", "rate", "format", "wire", "collapsed", "controls", "threads", "tolerance"];
    /** The sums and parts, for tests and for pages that draw their own. */
    static preprocess = sums.preprocess;
    static decodeStates = sums.decodeStates;
    static Smoother = sums.Smoother;
    static parseNpz = sums.parseNpz;
    static socketAddress = socketAddress;
    static RENDERERS = RENDERERS;

    /** @type {Panel | null} */ #panel = null;
    /** @type {SocketLink | RtcLink | LocalLink | null} */ #link = null;
    /** @type {AbortController} */ #life = new AbortController(); // from connected- to disconnectedCallback
    #loop = new AbortController(); // the continuous capture
    #settling = new AbortController(); // the newest click
    /** @type {Grabber | null} */ #grabber = null;
    /** @type {Promise<unknown>} */ #turn = Promise.resolve(); // one picture on its way at a time
    /** @type {Promise<any> | null} */ #asked = null;
    /** @type {{source: Source, until: number} | null} */ #found = null;
    /** @type {WeakSet<Document>} */ #watched = new WeakSet();
    /** @type {Hello | null} */ #hello = null;
    /** @type {LinkState} */ #state = "disconnected";
    #root = this.attachShadow({ mode: "open" });

    // ---- life

    connectedCallback() {
      this.#life = new AbortController();
      this.#watched = new WeakSet();
      this.#grabber = new Grabber();
      if (!this.hasAttribute("role")) this.setAttribute("role", "complementary");
      if (!this.hasAttribute("aria-label")) this.setAttribute("aria-label", "telltale");
      this.#panel = new Panel(
        this.#root,
        this,
        {
          connect: () => this.connect(),
          disconnect: () => this.disconnect(),
          capture: () => void this.capture().catch(() => {}),
          set: (name, value) => this.setAttribute(name, value),
        },
        this.#life.signal,
      );
      this.#showSettings();
      this.#watch(document);
      const beat = setInterval(() => this.#panel?.tick(this.rate), 500);
      this.#life.signal.addEventListener("abort", () => clearInterval(beat));
      document.addEventListener("visibilitychange", () => this.#restartLoop(), { signal: this.#life.signal });
      if (this.hasAttribute("autoconnect")) this.connect();
    }

    disconnectedCallback() {
      this.disconnect();
      this.#life.abort();
      this.#grabber?.release();
      this.#grabber = null;
      this.#found = null;
      this.#panel = null;
      this.#root.replaceChildren();
    }

    /** @param {string} name @param {string | null} before @param {string | null} now */
    attributeChangedCallback(name, before, now) {
      if (!this.#panel || before === now) return;
      if (name === "collapsed") return this.#panel.showFold();
      this.#found = null;
      this.#showSettings();
      if (["host", "mode", "bundle", "ort", "wire", "threads", "tolerance"].includes(name) && this.#state !== "disconnected") {
        this.disconnect();
        this.connect();
      } else if (name === "rate") {
        this.#restartLoop();
      }
    }

    // ---- attributes

    /** @returns {LinkState} */
    get state() {
      return this.#state;
    }

    /** Captures a second; 0: only after a click and on Capture. */
    get rate() {
      const rate = Number(this.getAttribute("rate"));
      return Number.isFinite(rate) ? Math.min(60, Math.max(0, rate)) : 0;
    }

    set rate(value) {
      this.setAttribute("rate", String(value));
    }

    get #local() {
      return this.getAttribute("mode") === "local";
    }

    get #format() {
      const format = (this.getAttribute("format") ?? "jpeg").toLowerCase();
      return format in TYPES ? /** @type {keyof typeof TYPES} */ (format) : "jpeg";
    }

    /** @returns {{host: string, fixed: boolean}} */
    get #host() {
      const custom = /** @type {any} */ (globalThis).CUSTOM_WS_HOST;
      return custom ? { host: String(custom), fixed: true } : { host: this.getAttribute("host") ?? "", fixed: false };
    }

    /** @param {string} name @param {number} otherwise @param {number} low @param {number} high */
    #number(name, otherwise, low, high) {
      const value = this.hasAttribute(name) ? Number(this.getAttribute(name)) : NaN;
      return value >= low && value <= high ? value : otherwise;
    }

    #showSettings() {
      const { host, fixed } = this.#host;
      this.#panel?.showSettings({ rate: this.rate, format: this.#format, host, hostFixed: fixed, local: this.#local });
    }

    // ---- connection

    /** Connects to the server, or loads the bundle into the page. */
    connect() {
      if (!this.#panel || this.#link) return;
      this.#showSettings();
      this.#panel.showError(null);
      try {
        this.#link = this.#makeLink();
      } catch (error) {
        return this.#fail(WidgetError.of(error, "host"));
      }
      this.#link.open();
    }

    /** Ends the connection and all capturing. */
    disconnect() {
      const link = this.#link;
      this.#link = null;
      this.#loop.abort();
      this.#settling.abort();
      link?.close();
      this.#setState("disconnected", "");
    }

    /** @param {string} [insteadOfRtc] why WebRTC was given up */
    #makeLink(insteadOfRtc = "") {
      /** @type {SocketLink | RtcLink | LocalLink} */ let link;
      const mine = (/** @type {(...given: any[]) => void} */ work) => (/** @type {any[]} */ ...given) =>
        this.#link === link && work(...given);
      const hooks = {
        state: mine((state, where) => this.#setState(state, where)),
        hello: mine((hello, note) => {
          const by = insteadOfRtc ? `by WebSocket, for WebRTC did not come about: ${insteadOfRtc}` : "";
          this.#greet(hello, [note, by].filter(Boolean).join(" · "));
        }),
        error: mine((error) => this.#fail(error)),
      };
      if (this.#local) {
        const bundle = this.getAttribute("bundle") ?? new URL("/bundle/", HOME ?? document.baseURI).href; // as `telltale serve` has it
        const ort = new URL(this.getAttribute("ort") ?? new URL("../vendor/onnxruntime-web/ort.wasm.min.mjs", HOME ?? document.baseURI), document.baseURI).href;
        const tolerance = this.hasAttribute("tolerance") ? this.#number("tolerance", 1e-3, 0, 1) : null;
        link = new LocalLink({ bundle, ort, threads: this.getAttribute("threads") ?? "auto", tolerance }, hooks);
        return link;
      }
      const address = socketAddress(this.#host.host, HOME);
      if (this.getAttribute("mode") === "webrtc" && !insteadOfRtc) {
        link = new RtcLink(whipAddress(address), mine((why) => this.#takeSocket(why)), hooks);
      } else {
        link = new SocketLink(address, this.getAttribute("wire") === "json" ? "json" : "binary", hooks);
      }
      return link;
    }

    /** WebRTC does not come about here: go on by WebSocket. @param {string} why */
    #takeSocket(why) {
      const before = this.#link;
      this.#link = this.#makeLink(why);
      before?.close(); // heard no more
      this.#link.open();
    }

    /** @param {LinkState} state @param {string} where */
    #setState(state, where) {
      if (state === "disconnected") this.#link = null;
      if (state === this.#state && state === "disconnected") return;
      this.#state = state;
      this.#panel?.showLink(state, where);
      this.#emit("state", { state, where });
      if (state !== "connected") this.#loop.abort();
      else this.#restartLoop();
    }

    /** @param {Hello} hello @param {string} note */
    #greet(hello, note) {
      this.#hello = hello;
      if (this.#panel?.showHello(hello, note) === false) {
        this.#fail(new WidgetError("protocol", `a model of kind ${hello.bundle.kind}`, { expected: Object.keys(RENDERERS).join(", "), next: "use a newer widget" }));
      }
    }

    /** What was measured while loading in local mode: threads, medianMs, maxDiff, tried. */
    get report() {
      return this.#link instanceof LocalLink ? this.#link.report : null;
    }

    /** @param {WidgetError} error */
    #fail(error) {
      this.#panel?.showError(error);
      this.#emit("error", error.toJSON());
    }

    /** @param {string} name @param {any} detail */
    #emit(name, detail) {
      this.dispatchEvent(new CustomEvent(`tell-tale-${name}`, { detail, bubbles: true, composed: true }));
    }

    // ---- pictures

    /** @returns {Source} */
    #source() {
      const now = performance.now();
      const kept = this.#found;
      if (kept && now < kept.until && kept.source.isConnected) return kept.source;
      const source = chooseSource(this, this.getAttribute("for"));
      this.#found = { source, until: now + 1500 };
      this.#watch(source.ownerDocument); // clicks inside a frame of the same origin
      return source;
    }

    /**
     * Captures once and gives the answer. Asked twice while waiting, both get the same answer.
     * @returns {Promise<Answer>}
     */
    capture() {
      this.#asked ??= this.#shoot((source, grabber) => grabber.grab(source), true).finally(() => (this.#asked = null));
      return this.#asked;
    }

    /**
     * @param {(source: Source, grabber: Grabber) => Promise<any>} take @param {boolean} confirm look again while the
     *   smoothed answer still lags behind the plain one
     */
    async #shoot(take, confirm) {
      const before = this.#turn;
      const mine = (async () => {
        await before;
        return this.#tellOnce(take);
      })();
      this.#turn = mine.catch(() => {});
      try {
        const answer = await mine;
        if (confirm && answer) void this.#confirm(answer);
        return answer;
      } catch (error) {
        const known = WidgetError.of(error, "capture");
        if (this.isConnected && this.#state !== "disconnected") this.#fail(known);
        throw known;
      }
    }

    /** @param {(source: Source, grabber: Grabber) => Promise<any>} take */
    async #tellOnce(take) {
      const link = this.#link;
      const grabber = this.#grabber;
      if (!link?.ready || !grabber) throw new WidgetError("socket", "not connected", { next: "press Connect" });
      const source = this.#source();
      const taken = await take(source, grabber);
      if (!taken || this.#link !== link) return null;
      const captured = performance.now();
      /** @type {Answer} */ let answer;
      if (link.wants === "canvas") {
        answer = await link.send(taken, taken.t_ms);
      } else if (link.wants === "pixels") {
        answer = await link.send({ pixels: grabber.pixels(taken), width: taken.width, height: taken.height }, taken.t_ms);
      } else {
        const file = await grabber.encode(taken, TYPES[this.#format], this.#number("quality", 0.92, 0, 1));
        answer = await link.send(file, taken.t_ms);
      }
      if (this.#link !== link) return null;
      answer.t_ms ??= taken.t_ms;
      if (this.#panel && !this.#panel.error.hidden) this.#panel.showError(null);
      this.#panel?.showAnswer(answer, captured, this.rate > 0, source);
      this.#emit("result", { ...answer, total_ms: performance.now() - captured, source: nameOf(source) });
      for (const change of answer.events ?? []) this.#emit("event", change);
      return answer;
    }

    /** A single picture cannot outlast the smoothing's dwell: look again until the told state follows. @param {Answer} answer */
    async #confirm(answer) {
      const dwell = (this.#hello?.smoothing?.dwell_s ?? 0) * 1000 + 30;
      const { signal } = this.#life;
      for (let attempt = 0; attempt < CONFIRM_TRIES && this.rate === 0; attempt++) {
        const lags = Object.entries(answer.result).some(([name, r]) => answer.smoothed?.[name] && answer.smoothed[name].state !== r.state);
        if (!lags) return;
        await sleep(dwell);
        if (signal.aborted || this.#state !== "connected") return;
        const next = await this.#shoot((source, grabber) => grabber.grab(source), false).catch(() => null);
        if (!next) return;
        answer = next;
      }
    }

    /** Captures after clicks on controls of this document. @param {Document} place */
    #watch(place) {
      if (this.#watched.has(place)) return;
      this.#watched.add(place);
      place.addEventListener("click", (event) => this.#clicked(event), { capture: true, signal: this.#life.signal });
      place.addEventListener("change", (event) => this.#clicked(event), { capture: true, signal: this.#life.signal });
    }

    /** @param {Event} event */
    #clicked(event) {
      if (this.#state !== "connected" || this.rate > 0) return;
      const path = event.composedPath();
      if (path.includes(this)) return;
      const controls = this.getAttribute("controls") ?? CONTROLS;
      let hit = false;
      try {
        // Elements of a same-origin frame belong to another realm: no instanceof here.
        hit = path.some((at) => /** @type {any} */ (at).nodeType === 1 && /** @type {Element} */ (at).matches(controls));
      } catch {
        return this.#fail(new WidgetError("source", `controls="${controls}"`, { expected: "a CSS selector", got: "a syntax error" }));
      }
      if (!hit) return;
      this.#settling.abort();
      this.#settling = new AbortController();
      const { signal } = this.#settling;
      const quiet = this.#number("settle", 300, 0, 5000);
      this.#shoot((source, grabber) => grabber.settled(source, quiet, signal), true).catch(() => {});
    }

    /** Captures at the chosen rate; the next picture is taken when the last one is answered, never before. */
    #restartLoop() {
      this.#loop.abort();
      this.#loop = new AbortController();
      if (this.rate > 0 && this.#state === "connected" && !document.hidden) void this.#run(this.#loop.signal);
    }

    /** @param {AbortSignal} signal */
    async #run(signal) {
      let due = performance.now();
      while (!signal.aborted) {
        try {
          await this.#shoot((source, grabber) => grabber.grab(source), false);
        } catch {
          await sleep(1000); // the error is shown; a page without a picture may get one
        }
        due = Math.max(due + 1000 / this.rate, performance.now());
        await sleep(due - performance.now());
      }
    }
  }

  // ================================================================ 8 start

  /** Where this script came from; null when it was pasted. */
  const findHome = () => {
    const script = /** @type {HTMLScriptElement | null} */ (document.currentScript);
    if (script?.src) return new URL(script.src);
    if (script) return new URL(document.baseURI); // written into the page
    // A module has no currentScript and a classic script may not say import.meta: the stack names the file.
    // Only the nearest frame counts: text given to eval() by a script of the page did not come from that script's file.
    const nearest = (new Error().stack ?? "").split("\n").find((line) => /:\d+:\d+\)?$/.test(line.trim())) ?? "";
    const frame = /((?:https?|file):\/\/[^\s()]+?):\d+:\d+\)?$/.exec(nearest.trim());
    return frame ? new URL(frame[1]) : null;
  };

  const HOME = findHome();
  const script = /** @type {HTMLScriptElement | null} */ (document.currentScript);
  const pasted = HOME === null;

  if (!customElements.get("tell-tale")) {
    customElements.define("tell-tale", TellTale);
    /** @type {any} */ (globalThis).TellTale = TellTale;
  }

  // Pasted into a console or run as a bookmarklet, it adds itself, once.
  if (pasted || script?.dataset.add !== undefined) {
    const there = document.querySelector("tell-tale");
    if (there) there.removeAttribute("collapsed");
    else {
      const element = document.createElement("tell-tale");
      element.setAttribute("autoconnect", "");
      (document.body ?? document.documentElement).append(element);
    }
  }
})();
