// Runs in the page before the page's own code: looks at one canvas, finds controls, takes pictures.
// Knows nothing of combinations or labels. $SPEED is replaced by a number.
(() => {
  if (window.top !== window || window.__telltale) return;
  const SPEED = $SPEED;

  const real = {
    now: performance.now.bind(performance),
    frame: window.requestAnimationFrame.bind(window),
    timeout: window.setTimeout.bind(window),
  };

  const drawers = new WeakMap(); // canvas -> its WebGL context

  // A WebGL canvas forgets its picture after each frame unless told to keep it.
  for (const proto of [window.HTMLCanvasElement?.prototype, window.OffscreenCanvas?.prototype]) {
    if (!proto) continue;
    const original = proto.getContext;
    proto.getContext = function getContext(kind, attributes) {
      const gl = typeof kind === "string" && kind.includes("webgl");
      const context = original.call(this, kind, gl ? { ...attributes, preserveDrawingBuffer: true } : attributes);
      if (gl && context) drawers.set(this, context);
      return context;
    };
  }

  if (SPEED !== 1) {
    const [t0, d0, Clock] = [real.now(), Date.now(), Date];
    const at = (t) => t0 + (t - t0) * SPEED;
    performance.now = () => at(real.now());
    window.requestAnimationFrame = (call) => real.frame((t) => call(at(t)));
    for (const name of ["setTimeout", "setInterval"]) {
      const original = window[name].bind(window);
      window[name] = (call, ms = 0, ...rest) => original(call, ms / SPEED, ...rest);
    }
    window.Date = class extends Clock {
      constructor(...rest) {
        rest.length ? super(...rest) : super(window.Date.now());
      }
      static now() {
        return Math.round(d0 + (Clock.now() - d0) * SPEED);
      }
    };
  }

  class Trouble extends Error {
    constructor(kind, what, expected, got, next = "") {
      super(what);
      this.told = { kind, what, expected, got, next };
    }
  }

  const expressions = {}; // name -> function of parameters, installed by the collector
  const kept = {}; // name -> pixels
  const board = document.createElement("canvas");
  const ctx = board.getContext("2d", { willReadFrequently: true });
  let set = null; // the settings of bind()
  let target = null;

  function* roots(root = document) {
    yield root;
    for (const element of root.querySelectorAll("*")) if (element.shadowRoot) yield* roots(element.shadowRoot);
  }

  function all(selector) {
    const found = [];
    for (const root of roots()) found.push(...root.querySelectorAll(selector));
    return found;
  }

  const frame = () => new Promise((done) => real.frame(done));
  const name = (e) => e.tagName.toLowerCase() + (e.id ? `#${e.id}` : "") + [...e.classList].map((c) => `.${c}`).join("");

  function size() {
    const w = target.videoWidth ?? target.naturalWidth ?? target.width;
    const h = target.videoHeight ?? target.naturalHeight ?? target.height;
    return [w, h];
  }

  // What lies behind a canvas with transparent parts: the first painted background, as a person sees it.
  function backdrop() {
    for (let e = target; e; e = e.parentElement ?? e.getRootNode().host) {
      const colour = getComputedStyle(e).backgroundColor;
      if (colour && colour !== "transparent" && !/, 0\)$/.test(colour)) return colour;
    }
    return "#fff";
  }

  // The pixels of an opaque WebGL canvas, without the detour over a 2D canvas (a tenth of its time in software).
  // Null where they cannot be had so; all that is touched on the way is put back.
  function read(w, h) {
    const gl = drawers.get(target);
    if (!gl || gl.isContextLost() || gl.getContextAttributes().alpha) return null;
    if (gl.drawingBufferWidth !== w || gl.drawingBufferHeight !== h || (gl.drawingBufferColorSpace ?? "srgb") !== "srgb") return null;
    const two = typeof WebGL2RenderingContext !== "undefined" && gl instanceof WebGL2RenderingContext;
    const point = two ? gl.READ_FRAMEBUFFER : gl.FRAMEBUFFER;
    const bound = gl.getParameter(two ? gl.READ_FRAMEBUFFER_BINDING : gl.FRAMEBUFFER_BINDING);
    const packed = two ? gl.getParameter(gl.PIXEL_PACK_BUFFER_BINDING) : null;
    const names = [gl.PACK_ALIGNMENT, ...(two ? [gl.PACK_ROW_LENGTH, gl.PACK_SKIP_PIXELS, gl.PACK_SKIP_ROWS] : [])];
    const packing = names.map((name) => gl.getParameter(name));
    if (bound) gl.bindFramebuffer(point, null);
    const from = two ? gl.getParameter(gl.READ_BUFFER) : gl.BACK;
    if (packed) gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    names.forEach((name, k) => gl.pixelStorei(name, k === 0 ? 4 : 0));
    const upward = new Uint8Array(4 * w * h);
    if (from === gl.BACK) gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, upward);
    names.forEach((name, k) => gl.pixelStorei(name, packing[k]));
    if (packed) gl.bindBuffer(gl.PIXEL_PACK_BUFFER, packed);
    if (bound) gl.bindFramebuffer(point, bound);
    if (from !== gl.BACK) return null;
    const pixels = new Uint8ClampedArray(upward.length);
    for (let y = 0; y < h; y++) pixels.set(upward.subarray(4 * w * (h - 1 - y), 4 * w * (h - y)), 4 * w * y);
    return pixels;
  }

  // The pixels of the canvas as they are now, at its own size.
  function picture() {
    if (!target.isConnected) throw new Trouble("canvas", set.canvas, "the canvas to stay in the page", "it was removed");
    const [w, h] = size();
    if (!w || !h) throw new Trouble("canvas", set.canvas, "a canvas with pixels", `${w}x${h}`);
    if (board.width !== w || board.height !== h) [board.width, board.height] = [w, h];
    const straight = read(w, h);
    if (straight) return straight;
    ctx.fillStyle = "#fff";
    ctx.fillRect(0, 0, w, h);
    ctx.fillStyle = backdrop();
    ctx.fillRect(0, 0, w, h);
    ctx.drawImage(target, 0, 0, w, h);
    try {
      return ctx.getImageData(0, 0, w, h).data;
    } catch (error) {
      if (error.name !== "SecurityError") throw error;
      board.width = board.width; // a tainted board stays tainted; this one is thrown away with the page
      throw new Trouble(
        "tainted", set.canvas, "a canvas that may be read",
        "a tainted one: the page drew a picture from another origin on it",
        "let the page load its pictures from its own address or with CORS",
      );
    }
  }

  const FAR = 8; // of 255: less is noise of compression and rasterisation
  const GRID = 24;

  // The share of pixels that differ, and how many in each cell of a GRID x GRID raster.
  function differ(a, b, cells = null) {
    if (a.length !== b.length) return 1;
    const [a32, b32] = [new Uint32Array(a.buffer), new Uint32Array(b.buffer)];
    const w = board.width;
    const h = board.height;
    let count = 0;
    for (let i = 0; i < a32.length; i++) {
      if (a32[i] === b32[i]) continue;
      const j = 4 * i;
      if (Math.abs(a[j] - b[j]) <= FAR && Math.abs(a[j + 1] - b[j + 1]) <= FAR && Math.abs(a[j + 2] - b[j + 2]) <= FAR)
        continue;
      count++;
      if (cells) {
        const y = Math.floor(i / w);
        cells[Math.floor((y * GRID) / h) * GRID + Math.floor(((i - y * w) * GRID) / w)]++;
      }
    }
    return count / a32.length;
  }

  // The picture once it stands still: two the same with `quiet_ms` between them, and true where the page has a word
  // for it. `trusting` takes that word alone: one look instead of two.
  async function still({ trusting = false } = {}) {
    const start = real.now();
    const settled = expressions.settled;
    const quiet = settled ? 0 : set.quiet_ms;
    for (let k = 0; k < set.frames; k++) await frame();
    if (trusting && settled && (await settled({}))) return picture();
    let last = picture();
    let since = real.now();
    let moved = 0;
    for (;;) {
      await frame();
      const now = picture();
      const share = differ(last, now);
      const ready = !settled || (await settled({}));
      if (share > set.noise || !ready) {
        moved = share;
        last = now;
        since = real.now();
      } else if (real.now() - since >= quiet) return now;
      if (real.now() - start > set.timeout_ms) {
        const got = ready
          ? `${(100 * moved).toFixed(2)} % of its pixels still change from frame to frame`
          : `${set.settled} is still false`;
        throw new Trouble("settle", set.canvas, `a picture that settles within ${set.timeout_ms / 1000} s`, got);
      }
    }
  }

  async function states() {
    const told = {};
    if (expressions.state) {
      const value = await expressions.state({});
      if (value === null || typeof value !== "object")
        throw new Trouble("state", "state", "an object of label to state", JSON.stringify(value) ?? String(value));
      for (const label of set.labels) {
        if (!(label in value))
          throw new Trouble("state", "state", `a state of ${label}`, `only ${Object.keys(value).join(", ") || "{}"}`);
        told[label] = value[label];
      }
    }
    for (const [label, control] of Object.entries(set.controls)) {
      if (control.state) told[label] = await expressions[`state:${label}`]({});
      else if (control.selector) told[label] = all(control.selector).length > 0;
      else if (control.attribute) told[label] = find(control.press).getAttribute(control.attribute) ?? false;
    }
    for (const label of Object.keys(told)) if (typeof told[label] === "object") told[label] = String(told[label]);
    return told;
  }

  const shown = (e) => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== "hidden";
  const tidy = (text) => (text ?? "").replace(/\s+/g, " ").trim().toLowerCase();
  const PRESSABLE =
    "button, a, label, summary, input, [role=button], [role=switch], [role=checkbox], [role=menuitem], [role=tab], [onclick]";

  function matches(press) {
    if (!press.startsWith("text=")) {
      try {
        const found = all(press.replace(/^css=/, ""));
        if (found.length || press.startsWith("css=")) return found;
      } catch {
        // not a selector: a text
      }
    }
    const text = tidy(press.replace(/^text=/, ""));
    const says = (e) =>
      [e.getAttribute("aria-label"), e.innerText, e.title, /^(button|submit)$/.test(e.type) ? e.value : ""].some(
        (t) => tidy(t) === text,
      );
    let found = all(PRESSABLE).filter(says);
    if (!found.length) found = all("body *").filter(says);
    return found.filter((e) => !found.some((other) => other !== e && e.contains(other)));
  }

  function find(press) {
    const found = matches(press);
    const seen = found.filter(shown);
    if (!found.length) {
      const there = all("button, [role=button], input[type=button], input[type=checkbox]").map((e) => tidy(e.innerText) || name(e));
      const list = there.slice(0, 8).join(", ") || "no button at all";
      throw new Trouble("control", `control ${JSON.stringify(press)}`, "a control with this selector or text", `the page has ${list}`);
    }
    if (!seen.length) throw new Trouble("control", `control ${JSON.stringify(press)}`, "a control that is shown", `${name(found[0])} is hidden`);
    if (seen.length > 1)
      throw new Trouble("control", `control ${JSON.stringify(press)}`, "one control", `${seen.length}: ${seen.slice(0, 4).map(name).join(", ")}`, "name it by a CSS selector");
    return seen[0];
  }

  function hit(x, y) {
    let e = document.elementFromPoint(x, y);
    while (e?.shadowRoot) {
      const inner = e.shadowRoot.elementFromPoint(x, y);
      if (!inner || inner === e) break;
      e = inner;
    }
    return e;
  }

  function within(e, outer) {
    for (; e; e = e.parentElement ?? e.getRootNode().host) if (e === outer) return true;
    return false;
  }

  const SPOTS = [[0.5, 0.5], [0.25, 0.5], [0.75, 0.5], [0.5, 0.25], [0.5, 0.75]];

  async function control(press) {
    const start = real.now();
    for (;;) {
      const e = find(press);
      const inside = (r) => r.left >= 0 && r.top >= 0 && r.right <= innerWidth && r.bottom <= innerHeight;
      if (!inside(e.getBoundingClientRect())) e.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
      const box = e.getBoundingClientRect();
      let trouble = null;
      if (e.disabled) trouble = "it is disabled";
      else {
        let over = null;
        for (const [u, v] of SPOTS) {
          const [x, y] = [box.left + u * box.width, box.top + v * box.height];
          const top = hit(x, y);
          if (top && within(top, e)) return { x, y };
          over ??= top;
        }
        trouble = over ? `${name(over)} covers it` : "it is outside the window";
      }
      if (real.now() - start > set.react_ms)
        throw new Trouble("control", `control ${JSON.stringify(press)}`, "a control that can be pressed", trouble,
          trouble.includes("covers") ? "remove what covers it with `prepare`" : "");
      await frame();
    }
  }

  // A straight way over the canvas that touches nothing else, as near to the middle as can be.
  function path(dx, dy) {
    const box = target.getBoundingClientRect();
    const bare = (x, y) => x > 0 && y > 0 && x < innerWidth && y < innerHeight && hit(x, y) === target;
    const starts = [];
    for (let i = 1; i < 16; i++)
      for (let j = 1; j < 16; j++) starts.push([Math.round(box.left + (box.width * i) / 16), Math.round(box.top + (box.height * j) / 16)]);
    const far = ([x, y]) => Math.hypot(x + dx / 2 - box.left - box.width / 2, y + dy / 2 - box.top - box.height / 2);
    starts.sort((a, b) => far(a) - far(b));
    for (const [x, y] of starts) {
      let clear = true;
      for (let k = 0; clear && k <= 16; k++) clear = bare(x + (dx * k) / 16, y + (dy * k) / 16);
      if (clear) return { x, y };
    }
    return null;
  }

  function hide() {
    const before = [];
    for (const selector of set.hide)
      for (const e of all(selector)) {
        if (e === target || within(target, e)) continue;
        before.push([e, e.style.getPropertyValue("visibility"), e.style.getPropertyPriority("visibility")]);
        e.style.setProperty("visibility", "hidden", "important");
      }
    return () => {
      for (const [e, value, priority] of before)
        value ? e.style.setProperty("visibility", value, priority) : e.style.removeProperty("visibility");
    };
  }

  let stands = ""; // the view moved to last; going there again would only draw the same picture again

  async function move(view) {
    if (!view || JSON.stringify(view) === stands) return;
    stands = JSON.stringify(view);
    if (expressions.look && view.look) await expressions.look(view.look);
    if (expressions.camera && view.camera) await expressions.camera(view.camera);
  }

  async function shot(view) {
    await move(view);
    const pixels = await still({ trusting: true });
    const [w, h] = [board.width, board.height];
    ctx.putImageData(new ImageData(pixels, w, h), 0, 0);
    const url = board.toDataURL(set.mime, set.quality);
    const told = await states();
    const visible = expressions.visibility ? await expressions.visibility({}) : null;
    return { data: url.slice(url.indexOf(",") + 1), size: [w, h], states: told, visible };
  }

  const api = {
    async bind(settings) {
      set = settings;
      const found = all(set.canvas);
      if (!found.length) {
        const there = all("canvas, video, img").map(name);
        throw new Trouble("canvas", `canvas ${JSON.stringify(set.canvas)}`, "one in the page", there.length ? `only ${there.slice(0, 6).join(", ")}` : "none, and no other picture either");
      }
      const good = found.filter((e) => /^(canvas|video|img)$/i.test(e.tagName));
      if (!good.length) throw new Trouble("canvas", `canvas ${JSON.stringify(set.canvas)}`, "a canvas, video or img", name(found[0]));
      const area = (e) => e.getBoundingClientRect().width * e.getBoundingClientRect().height;
      target = good.sort((a, b) => area(b) - area(a))[0];
      await still();
      return { size: size() };
    },
    async look_at({ view, keep }) {
      await move(view);
      kept[keep] = await still();
      return {};
    },
    // How far the picture, seen from here, is from the one kept.
    async compare({ view, keep }) {
      await move(view);
      const cells = new Array(GRID * GRID).fill(0);
      const changed = differ(kept[keep], await still(), cells);
      return { changed, cells, states: await states() };
    },
    // After a press: wait until something happens, then until it is over.
    async pressed({ keep, was }) {
      const start = real.now();
      for (;;) {
        if (differ(kept[keep], picture()) > set.change) break;
        const now = await states();
        if (Object.keys(now).some((label) => now[label] !== was[label])) break;
        if (real.now() - start > set.react_ms) break;
        await frame();
      }
      return api.compare({ keep });
    },
    async states() {
      return { states: await states() };
    },
    async control({ press }) {
      return control(press);
    },
    async path({ dx, dy }) {
      stands = "";
      return { start: path(dx, dy) };
    },
    // One view after the other, until all are taken or the time is over: at least one.
    async shoot({ views, for_ms }) {
      const start = real.now();
      const taken = [];
      const restore = hide();
      try {
        do taken.push(await shot(views[taken.length]));
        while (taken.length < views.length && real.now() - start < for_ms);
        return { taken };
      } finally {
        restore();
      }
    },
    // Every canvas and control of the page, for a first page.toml.
    async inspect() {
      const tellers = Object.keys(window).filter((key) => {
        try {
          return typeof window[key]?.state === "function" && window[key] !== window.history;
        } catch {
          return false;
        }
      });
      return {
        canvases: all("canvas, video").map((e) => ({ name: name(e), width: e.width || e.videoWidth, height: e.height || e.videoHeight })),
        controls: all("button, [role=button], [role=switch], input[type=button], input[type=checkbox]")
          .filter(shown)
          .map((e) => ({ text: (e.innerText || e.value || "").replace(/\s+/g, " ").trim(), name: name(e), pressed: e.getAttribute("aria-pressed") })),
        tellers: await Promise.all(tellers.map(async (key) => ({
          name: key,
          states: JSON.parse(JSON.stringify((await window[key].state()) ?? null)),
          has: ["settled", "camera", "look", "visibility", "ready"].filter((k) => window[key][k] !== undefined),
        }))),
      };
    },
  };

  async function call(verb, argument) {
    try {
      // This script runs anew in every document: without a canvas it is another one than was bound.
      if (!target && verb !== "bind" && verb !== "inspect") throw new Trouble("page", `${location.pathname} (${verb})`, "a page that stays", "it went to another page", "what was saved is kept");
      return { ok: await api[verb](argument) };
    } catch (error) {
      if (error instanceof Trouble) return { trouble: error.told };
      return { trouble: { kind: "script", what: "the page's script", expected: "no error", got: String(error?.message ?? error), next: "" } };
    }
  }

  Object.defineProperty(window, "__telltale", { value: { call, expressions }, enumerable: false });
})();
