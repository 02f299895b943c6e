// Reads the page's address. Knows which parameters there are, and nothing of what they do.

import { FIELDS, PARTS, randomLook } from "./look.js";

const flag = { wants: "0 or 1", read: (text) => ({ 0: false, 1: true })[text] ?? null };
const integer = (low, high) => ({
  wants: `a whole number from ${low} to ${high}`,
  read: (text) => (/^\d+$/.test(text) && +text >= low && +text <= high ? +text : null),
});
const text = { wants: "some text", read: (value) => (value === "" ? null : value) };

/** The parameters beside those of a look. */
const OTHERS = {
  seed: text,
  camera: {
    wants: "azimuth,elevation,distance: degrees, degrees (-5 to 89), metres (3 to 20)",
    read: (value) => {
      const numbers = value.split(",").map((part) => (part.trim() === "" ? NaN : Number(part)));
      if (numbers.length < 2 || numbers.length > 3 || !numbers.every(Number.isFinite)) return null;
      const [azimuth, elevation, distance] = numbers;
      if (elevation < -5 || elevation > 89 || (distance !== undefined && (distance < 3 || distance > 20))) return null;
      return { azimuth, elevation, ...(distance === undefined ? {} : { distance }) };
    },
  },
  open: {
    wants: `names out of ${PARTS.join(", ")}, with commas between`,
    read: (value) => {
      const names = value.split(",").map((name) => name.trim()).filter(Boolean);
      return names.every((name) => PARTS.includes(name)) ? names : null;
    },
  },
  anim: flag,
  ui: flag,
  aa: flag,
  detail: {
    wants: "a number from 0.3 to 1",
    read: (value) => (Number(value) >= 0.3 && Number(value) <= 1 ? Number(value) : null),
  },
  width: integer(64, 4096),
  height: integer(64, 4096),
  dpr: {
    wants: "a number from 0.25 to 4",
    read: (value) => (Number(value) >= 0.25 && Number(value) <= 4 ? Number(value) : null),
  },
  widget: { wants: "ws or local", read: (value) => (["ws", "local"].includes(value) ? value : null) },
  bundle: text,
  host: text,
  rate: {
    wants: "frames a second from 0 to 60",
    read: (value) => (value !== "" && Number(value) >= 0 && Number(value) <= 60 ? Number(value) : null),
  },
};

/**
 * @typedef {object} Settings
 * @property {Partial<import("./look.js").Look>} look what the address says of the look, the rest drawn where it has a seed
 * @property {string[]} open
 * @property {{azimuth: number, elevation: number, distance?: number} | null} camera
 * @property {boolean} anim @property {boolean} ui 
 * @property {boolean | null} aa smooth edges; null leaves it to the page
 * @property {number | null} detail of the car's surface; null is all of it
 * @property {number | null} width @property {number | null} height @property {number | null} dpr
 * @property {string | null} seed @property {string | null} widget @property {string | null} bundle
 * @property {string | null} host @property {number | null} rate
 * @property {string[]} complaints one line for each parameter that was unknown or did not fit; it is then left out
 */

/** @param {URLSearchParams} query @returns {Settings} */
export function readParams(query) {
  const known = { ...FIELDS, ...OTHERS };
  const complaints = [];
  const got = {};
  for (const [name, value] of query) {
    if (!Object.hasOwn(known, name)) {
      complaints.push(`${name} is no parameter of this page. It knows ${Object.keys(known).join(", ")}.`);
      continue;
    }
    const read = known[name].read(value);
    if (read === null) complaints.push(`${name}: expected ${known[name].wants}, got "${value}".`);
    else got[name] = read;
  }
  if ((got.width === undefined) !== (got.height === undefined)) {
    complaints.push(`${got.width === undefined ? "height" : "width"} alone: expected width and height together.`);
    delete got.width;
    delete got.height;
  }
  const look = got.seed === undefined ? {} : randomLook(got.seed);
  for (const name of Object.keys(FIELDS)) if (name in got) look[name] = got[name];
  const rest = Object.fromEntries(Object.keys(OTHERS).map((name) => [name, got[name] ?? null]));
  return { ...rest, look, open: got.open ?? [], anim: got.anim ?? true, ui: got.ui ?? true, complaints };
}
