// What a car and its surroundings may look like, and how a seed draws a look. Knows nothing of WebGL or of addresses.

/** The labels, in the order of the buttons. */
export const PARTS = ["front_left", "front_right", "rear_left", "rear_right", "hood"];

/** The texts of the buttons. */
export const TITLES = {
  front_left: "Front Left Door",
  front_right: "Front Right Door",
  rear_left: "Rear Left Door",
  rear_right: "Rear Right Door",
  hood: "Hood",
};

export const PAINTS = {
  red: "#b3121d",
  orange: "#d8560f",
  yellow: "#e2ae12",
  green: "#1d6b3c",
  teal: "#0f6f78",
  blue: "#1648a0",
  navy: "#14213d",
  purple: "#52307c",
  brown: "#54382a",
  beige: "#c2b296",
  white: "#eef0f0",
  silver: "#a9aeb3",
  grey: "#5c6268",
  black: "#0e0f11",
};

export const LIGHTS = ["studio", "natural", "overcast", "side", "rim", "warm", "neon", "flash"];
export const BACKGROUNDS = [
  "studio", "showroom", "street", "garage", "desert", "meadow", "wall", "tiles", "checker", "white", "grey", "black",
];
export const DRIVES = ["left", "right", "none"];
export const RIMS = ["silver", "dark", "two-tone"];
export const FINISHES = ["gloss", "metallic", "satin"];

/** @type {Look} */
export const DEFAULT_LOOK = Object.freeze({
  paint: "red",
  finish: "metallic",
  rims: "silver",
  drive: "left",
  light: "studio",
  background: "studio",
  time: 13,
  turn: 0,
  exposure: 1,
  tint: 0.25,
});

/**
 * @typedef {object} Look
 * @property {string} paint a name of PAINTS or #rrggbb
 * @property {string} finish
 * @property {string} rims
 * @property {string} drive where the steering wheel is
 * @property {string} light
 * @property {string} background a name of BACKGROUNDS or #rrggbb, a plain colour
 * @property {number} time hour of the day, 0 to 24
 * @property {number} turn degrees the surroundings are turned about the car, 0 to 360
 * @property {number} exposure 0.4 to 2.5
 * @property {number} tint of the windows, 0 (clear) to 0.6
 */

const HEX = /^#?[0-9a-f]{6}$|^#?[0-9a-f]{3}$/i;

/** A colour as #rrggbb, or null. @param {string} text */
export function hex(text) {
  if (!HEX.test(text)) return null;
  const digits = text.replace("#", "");
  return "#" + (digits.length === 3 ? [...digits].map((d) => d + d).join("") : digits).toLowerCase();
}

const oneOf = (names) => ({
  wants: "one of " + names.join(", "),
  read: (text) => (names.includes(String(text)) ? String(text) : null),
});
const colourOr = (names) => ({
  wants: `one of ${names.join(", ")}, or a colour such as #2a6f97`,
  read: (text) => (names.includes(String(text)) ? String(text) : hex(String(text))),
});
const number = (low, high, unit) => ({
  wants: `a number from ${low} to ${high}${unit}`,
  read: (text) => {
    const value = typeof text === "number" ? text : String(text).trim() === "" ? NaN : Number(text);
    return Number.isFinite(value) && value >= low && value <= high ? value : null;
  },
});

/** How each part of a look is read: `read` gives null for what does not fit, `wants` says what would. */
export const FIELDS = {
  paint: colourOr(Object.keys(PAINTS)),
  finish: oneOf(FINISHES),
  rims: oneOf(RIMS),
  drive: oneOf(DRIVES),
  light: oneOf(LIGHTS),
  background: colourOr(BACKGROUNDS),
  time: number(0, 24, " (hours)"),
  turn: number(-360, 360, " (degrees)"),
  exposure: number(0.4, 2.5, ""),
  tint: number(0, 0.6, ""),
};

/**
 * Some fields of a look, checked.
 * @param {Record<string, unknown>} wishes
 * @returns {Partial<Look>}
 * @throws {RangeError} naming the field, what it wants and what it got
 */
export function readLook(wishes) {
  const look = {};
  for (const [name, value] of Object.entries(wishes)) {
    if (!(name in FIELDS)) throw new RangeError(`${name}: expected one of ${Object.keys(FIELDS).join(", ")}`);
    const read = FIELDS[name].read(value);
    if (read === null) throw new RangeError(`${name}: expected ${FIELDS[name].wants}, got ${JSON.stringify(value)}`);
    look[name] = read;
  }
  return look;
}

/** Numbers in [0, 1) that depend on the seed alone (FNV-1a into mulberry32). @param {string | number} seed */
export function random(seed) {
  let state = 0x811c9dc5;
  for (const c of String(seed)) state = Math.imul(state ^ c.codePointAt(0), 0x01000193) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A whole look drawn from a seed. @param {string | number} seed @returns {Look} */
export function randomLook(seed) {
  const next = random(seed);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const between = (low, high, digits = 2) => Number((low + next() * (high - low)).toFixed(digits));
  // Every field draws its numbers whether it uses them or not: a new field does not shuffle those before it.
  const named = pick(Object.keys(PAINTS));
  const mixed = hsl(next(), 0.25 + 0.7 * next(), 0.12 + 0.6 * next());
  const paint = next() < 0.5 ? named : mixed;
  const finish = pick(FINISHES);
  const rims = pick(RIMS);
  const drive = pick(["left", "left", "right", "none"]);
  const light = pick(LIGHTS);
  const room = pick(BACKGROUNDS);
  const plain = hsl(next(), 0.6 * next(), 0.15 + 0.7 * next());
  const background = next() < 0.85 ? room : plain;
  return {
    paint, finish, rims, drive, light, background,
    time: between(0, 24), turn: between(0, 360, 1), exposure: between(0.75, 1.3), tint: between(0.05, 0.5),
  };
}

function hsl(h, s, l) {
  const channel = (n) => {
    const k = (n + h * 12) % 12;
    const value = l - s * Math.min(l, 1 - l) * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(255 * value).toString(16).padStart(2, "0");
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}
