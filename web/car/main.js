// The page: canvas, buttons, messages, and window.car for whoever drives it. Knows nothing of shapes or shaders.

import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { BACKGROUNDS, DEFAULT_LOOK, FINISHES, LIGHTS, PAINTS, PARTS, TITLES, randomLook, readLook } from "./look.js";
import { readParams } from "./params.js";
import { LIMITS, TARGET, View } from "./view.js";

const DURATION_MS = 400;
const KEY_TURN_DEG = 5;
const KEY_ZOOM = 1.08;

const settings = readParams(new URLSearchParams(location.search));
const canvas = /** @type {HTMLCanvasElement} */ (document.getElementById("scene"));
const calm = matchMedia("(prefers-reduced-motion: reduce)");

function say(text) {
  const line = document.createElement("div");
  line.className = "message";
  const words = document.createElement("span");
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "\u00d7";
  close.setAttribute("aria-label", "Close this message");
  close.addEventListener("click", () => line.remove());
  line.append(words, close);
  document.getElementById("messages").append(line);
  return line;
}

/** The car as the page drives it: target states, the animation between them, and drawing on demand. */
class Car {
  constructor(view) {
    this.view = view;
    this.states = Object.fromEntries(PARTS.map((name) => [name, false]));
    this.moving = new Map(); // name -> {from, to, start}
    this.stale = true;
    this.waiting = [];
    this.scheduled = false;
    this.buttons = new Map();
  }

  /** Asks for a picture with the next frame of the screen. */
  redraw() {
    this.stale = true;
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame((now) => {
      this.scheduled = false;
      this.step(now);
    });
  }

  step(now) {
    if (this.moving.size > 0) {
      const openness = {};
      for (const [name, move] of this.moving) {
        const t = Math.min(1, Math.max(0, (now - move.start) / DURATION_MS));
        const eased = t < 0.5 ? 4 * t ** 3 : 1 - (2 - 2 * t) ** 3 / 2;
        openness[name] = move.from + (move.to - move.from) * eased;
        if (t === 1) this.moving.delete(name);
      }
      this.view.pose(openness);
      this.stale = true;
    }
    this.draw();
    if (this.moving.size > 0) this.redraw();
    else for (const done of this.waiting.splice(0)) done();
  }

  draw() {
    if (!this.stale) return;
    this.stale = false;
    this.view.render();
  }

  set(states, { animate = true } = {}) {
    for (const [name, open] of Object.entries(states ?? {})) {
      if (!PARTS.includes(name)) throw new RangeError(`car.set: expected one of ${PARTS.join(", ")}, got "${name}"`);
      if (typeof open !== "boolean") throw new TypeError(`car.set: ${name}: expected true or false, got ${JSON.stringify(open)}`);
    }
    const smooth = animate && settings.anim && !calm.matches;
    const jump = {};
    for (const [name, open] of Object.entries(states ?? {})) {
      this.states[name] = open;
      const [from, to] = [this.view.openness[name], open ? 1 : 0];
      this.moving.delete(name);
      if (from === to) continue;
      if (smooth) this.moving.set(name, { from, to, start: performance.now() });
      else jump[name] = to;
    }
    if (Object.keys(jump).length > 0) this.view.pose(jump);
    this.mirrorState();
    this.redraw();
    return this.whenSettled();
  }

  /** The states where a selector can read them: data-front_left="open" and so on, on the body, and on the buttons. */
  mirrorState() {
    for (const name of PARTS) {
      document.body.setAttribute(`data-${name}`, this.states[name] ? "open" : "closed");
      this.buttons.get(name)?.setAttribute("aria-pressed", String(this.states[name]));
    }
  }

  whenSettled() {
    if (this.settled()) return Promise.resolve();
    return new Promise((done) => {
      this.waiting.push(done);
      this.redraw();
    });
  }

  /** Nothing moves, and the canvas shows the present state: a picture still owed is drawn at once. */
  settled() {
    if (this.moving.size > 0) return false;
    this.draw();
    return true;
  }
}

function frame(view) {
  const fixed = settings.width !== null;
  document.body.classList.toggle("fixed", fixed);
  const ratio = settings.dpr ?? (fixed ? 1 : Math.min(2, window.devicePixelRatio || 1));
  if (fixed) {
    // width and height are the canvas's own pixels; on the page it takes that many CSS pixels over dpr.
    view.resize(settings.width / ratio, settings.height / ratio, ratio, { style: true });
  } else {
    const room = document.querySelector("main");
    view.resize(Math.max(1, room.clientWidth), Math.max(1, room.clientHeight), ratio, { style: false });
  }
}

function orbit(view, car) {
  const controls = new OrbitControls(view.camera, canvas);
  controls.target.copy(TARGET);
  controls.enableDamping = false;
  controls.enablePan = false;
  controls.minDistance = LIMITS.distance[0];
  controls.maxDistance = LIMITS.distance[1];
  controls.minPolarAngle = ((90 - LIMITS.elevation[1]) * Math.PI) / 180;
  controls.maxPolarAngle = ((90 - LIMITS.elevation[0]) * Math.PI) / 180;
  controls.addEventListener("change", () => car.redraw());
  canvas.addEventListener("keydown", (event) => {
    const turn = { ArrowLeft: [-KEY_TURN_DEG, 0], ArrowRight: [KEY_TURN_DEG, 0], ArrowUp: [0, KEY_TURN_DEG], ArrowDown: [0, -KEY_TURN_DEG] }[event.key];
    const zoom = { "+": 1 / KEY_ZOOM, "=": 1 / KEY_ZOOM, "-": KEY_ZOOM }[event.key];
    if ((!turn && !zoom) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const at = view.aimed();
    move(view, car, {
      azimuth: at.azimuth + (turn?.[0] ?? 0), elevation: at.elevation + (turn?.[1] ?? 0), distance: at.distance * (zoom ?? 1),
    });
  });
}

const clamp = (v, [low, high]) => Math.min(high, Math.max(low, v));

function move(view, car, wish) {
  for (const [name, value] of Object.entries(wish ?? {})) {
    if (!["azimuth", "elevation", "distance"].includes(name)) throw new RangeError(`car.camera: expected azimuth, elevation or distance, got "${name}"`);
    if (!Number.isFinite(value)) throw new TypeError(`car.camera: ${name}: expected a number, got ${JSON.stringify(value)}`);
  }
  if (wish) {
    const at = { ...view.aimed(), ...wish };
    view.aim({ azimuth: at.azimuth, elevation: clamp(at.elevation, LIMITS.elevation), distance: clamp(at.distance, LIMITS.distance) });
    car.redraw();
  }
  return view.aimed();
}

function panel(car, api) {
  const group = document.getElementById("buttons");
  for (const name of PARTS) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = TITLES[name];
    button.dataset.part = name;
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => car.set({ [name]: !car.states[name] }));
    car.buttons.set(name, button);
    group.append(button);
  }
  const fields = document.getElementById("fields");
  const inputs = new Map();
  const choice = (name, title, options) => {
    const label = document.createElement("label");
    const select = document.createElement("select");
    for (const option of options) select.append(new Option(option, option));
    select.addEventListener("change", () => api.look({ [name]: select.value }));
    label.append(title, select);
    fields.append(label);
    inputs.set(name, select);
  };
  choice("paint", "Paint", Object.keys(PAINTS));
  choice("finish", "Finish", FINISHES);
  choice("light", "Light", LIGHTS);
  choice("background", "Place", BACKGROUNDS);
  const hour = document.createElement("input");
  Object.assign(hour, { type: "range", min: "0", max: "24", step: "0.25" });
  hour.addEventListener("input", () => api.look({ time: Number(hour.value) }));
  const label = document.createElement("label");
  label.append("Hour", hour);
  inputs.set("time", hour);
  const dice = document.createElement("button");
  dice.type = "button";
  dice.textContent = "Another look";
  dice.addEventListener("click", () => api.random(Math.random().toString(36).slice(2, 8)));
  fields.append(label, dice);
  document.getElementById("panel").hidden = !settings.ui;
  return (look) => {
    for (const [name, input] of inputs) {
      const value = String(look[name]);
      if (input instanceof HTMLSelectElement && ![...input.options].some((o) => o.value === value)) input.append(new Option(value, value));
      input.value = value;
    }
  };
}

function base64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function widget() {
  if (settings.widget === null) return;
  const script = document.createElement("script");
  script.type = "module";
  script.src = "../widget/tell-tale.js";
  script.addEventListener("error", () => say("The widget could not be loaded from ../widget/tell-tale.js."));
  const element = document.createElement("tell-tale");
  element.setAttribute("mode", settings.widget === "ws" ? "socket" : "local");
  element.setAttribute("for", "#scene");
  for (const name of ["host", "bundle", "rate"]) if (settings[name] !== null) element.setAttribute(name, String(settings[name]));
  document.head.append(script);
  document.body.append(element);
}

function start() {
  document.body.classList.toggle("with-widget", settings.widget !== null);
  for (const complaint of settings.complaints) say(complaint);
  const pixels = settings.width === null ? Infinity : settings.width * settings.height;
  const view = new View(canvas, { antialias: settings.aa, detail: settings.detail, pixels });
  document.body.classList.toggle("software", view.software);
  const car = new Car(view);
  let look = { ...DEFAULT_LOOK };
  let showLook = () => {};

  const api = {
    ready: Promise.resolve(),
    /** The states asked for: {front_left: boolean, ...}. */
    state: () => ({ ...car.states }),
    set: (states, options) => car.set(states, options),
    look: (wishes) => {
      if (wishes !== undefined) {
        look = { ...look, ...readLook(wishes) };
        view.dress(look);
        showLook(look);
        car.redraw();
      }
      return { ...look };
    },
    random: (seed) => api.look(randomLook(seed)),
    camera: (wish) => move(view, car, wish),
    settled: () => car.settled(),
    whenSettled: () => car.whenSettled(),
    visibility: () => view.visibility(),
    /** The small picture the visibility is counted from, for tests and the curious; pixels as base64. */
    ids: () => {
      const { width, height, pixels } = view.visible.draw(view.openness);
      return { width, height, pixels: base64(pixels) };
    },
  };
  showLook = panel(car, api);
  frame(view);
  orbit(view, car);
  api.look(settings.look);
  if (settings.camera) api.camera(settings.camera);
  car.set(Object.fromEntries(settings.open.map((name) => [name, true])), { animate: false });
  car.mirrorState();

  window.addEventListener("resize", () => {
    frame(view);
    car.redraw();
  });
  let lost = null;
  canvas.addEventListener("webglcontextlost", (event) => {
    event.preventDefault();
    lost = say("The graphics were taken away; the picture comes back as soon as they do.");
  });
  canvas.addEventListener("webglcontextrestored", () => {
    lost?.remove();
    view.restore();
    car.redraw();
  });
  api.ready = car.whenSettled();
  return api;
}

try {
  window.car = start();
  widget();
} catch (error) {
  say(`The car cannot be drawn: ${error.message}. This page needs WebGL 2.`);
  throw error;
}
