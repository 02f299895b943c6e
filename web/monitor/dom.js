// Small tools for building the page: elements, words and numbers. Knows nothing of the server.

/**
 * @typedef {{prob: number, pred: number, state: "on" | "off" | "unsure", count?: number, area_px?: number, area_mm2?: number,
 *   regions?: {area_px: number, area_mm2?: number}[]}} Reading
 * @typedef {Record<string, Reading>} Readings
 * @typedef {{low: number, high: number}} Cut
 * @typedef {{bundle: string, kind: string, names: string[], thresholds: Record<string, Cut>, rival: string | null,
 *   project: string | null, streams: boolean, kept: {pictures: number, bytes: number, unsure: number, file: string | null, keep_days: number,
 *   keep_bytes: number}}} About
 * @typedef {{id: number, at_s: number, via: string, age_ms: number, infer_ms: number, size: [number, number], unsure: boolean,
 *   result: Readings, sent: boolean}} Kept
 */

/**
 * An element with properties, attributes (`aria-*`, `data-*`, `role`, `for`) and children.
 * @param {string} tag @param {Record<string, any>} [props] @param {...(Node | string)} children @returns {any}
 */
export const make = (tag, props = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key.includes("-") || key === "role" || key === "for") element.setAttribute(key, String(value));
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else Reflect.set(element, key, value);
  }
  element.append(...children);
  return element;
};

/** @param {string} name front_left becomes front left */
export const pretty = (name) => name.replaceAll("_", " ");
/** @param {number} value */
export const percent = (value) => `${Math.round(value * 100)} %`;
/** @param {number | null | undefined} ms */
export const millis = (ms) => (ms == null ? "–" : ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
/** @param {number} bytes */
export const megabytes = (bytes) => (bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`);
/** @param {number} at_s */
export const clock = (at_s) => new Date(at_s * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

/** Kinds that say what is there rather than what is on. */
const FINDS = new Set(["mask", "locate"]);
/** @param {string} kind of task @param {"on" | "off" | "unsure"} state */
export const word = (kind, state) => (!FINDS.has(kind) || state === "unsure" ? state : state === "on" ? "found" : "none");

/** Where a probability falls. @param {number} p @param {Cut} cut @returns {"on" | "off" | "unsure"} */
export const stateOf = (p, cut) => (p >= cut.high ? "on" : p <= cut.low ? "off" : "unsure");

/**
 * What an answer says in a few words, and how it looks.
 * @param {Readings} result @param {string} kind @returns {{text: string, state: "on" | "off" | "unsure"}}
 */
export const verdict = (result, kind) => {
  const of = (/** @type {string} */ state) => Object.keys(result).filter((name) => result[name].state === state).map(pretty);
  const on = of("on");
  const unsure = of("unsure");
  const none = FINDS.has(kind) ? "nothing found" : "all off";
  const parts = [on.length ? on.join(", ") : unsure.length ? "" : none, unsure.length ? `unsure: ${unsure.join(", ")}` : ""];
  return { text: parts.filter(Boolean).join(" · "), state: on.length ? "on" : unsure.length ? "unsure" : "off" };
};

/** A list with a line for each name. @param {Readings} result @param {string} kind */
export const readings = (result, kind) =>
  make("ul", { className: "readings" }, ...Object.entries(result).map(([name, r]) => {
    const area = r.area_mm2 !== undefined ? ` · ${Number(r.area_mm2.toPrecision(3))} mm²` : r.area_px !== undefined ? ` · ${r.area_px} px` : "";
    return make("li", { className: "reading" },
      make("span", { className: "name", title: pretty(name), textContent: pretty(name) }),
      make("span", { className: `chip ${r.state}`, textContent: word(kind, r.state) }),
      make("span", { className: `bar ${r.state}`, "aria-hidden": "true" }, make("i", { style: `width:${r.prob * 100}%` })),
      make("span", { className: "more", textContent: r.count ? `${r.count}${area}` : percent(r.prob) }));
  }));

/**
 * Buttons of which one is pressed.
 * @param {string} label @param {[string, string][]} choices value and text @param {string} chosen @param {(value: string) => void} choose
 */
export const tabs = (label, choices, chosen, choose) => {
  const group = make("div", { className: "tabs", role: "group", "aria-label": label });
  for (const [value, text] of choices) {
    group.append(make("button", {
      type: "button", textContent: text, "aria-pressed": String(value === chosen),
      onclick: (/** @type {Event} */ event) => {
        for (const each of group.children) each.setAttribute("aria-pressed", String(each === event.currentTarget));
        choose(value);
      },
    }));
  }
  return group;
};

/** JSON of the server; its own words when it refuses. @param {string} path @param {RequestInit} [options] */
export const ask = async (path, options) => {
  const response = await fetch(path, options).catch(() => {
    throw new Error("the server does not answer");
  });
  const message = await response.json().catch(() => ({ message: `${response.status} without a reason` }));
  if (!response.ok) throw new Error(message.message);
  return message;
};

/**
 * Let files be dropped on an element.
 * @param {HTMLElement} element @param {(file: File) => void} take
 */
export const takeDrops = (element, take) => {
  element.addEventListener("dragover", (event) => {
    event.preventDefault();
    element.classList.add("over");
  });
  element.addEventListener("dragleave", () => element.classList.remove("over"));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    element.classList.remove("over");
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
  });
};

/** A labelled button that opens a file. @param {string} id @param {string} text @param {(file: File) => void} take */
export const fileButton = (id, text, take) => [
  make("input", {
    type: "file", id, accept: "image/jpeg,image/png,image/webp",
    onchange: (/** @type {any} */ event) => {
      if (event.target.files[0]) take(event.target.files[0]);
      event.target.value = "";
    },
  }),
  make("label", { className: "button", for: id, textContent: text }),
];
