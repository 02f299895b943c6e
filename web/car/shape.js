// The car's form: smooth surfaces as functions, and outlines on them. Metres; x to the car's left, y up, z forward.
// Knows nothing of triangles, paint or hinges. Everything is mirror-symmetric: functions take |x|.

/** A natural cubic spline through points [t, value] in order of t; straight on beyond its ends. @param {number[][]} points */
export function spline(points) {
  const n = points.length;
  const t = points.map((p) => p[0]);
  const v = points.map((p) => p[1]);
  const bend = new Array(n).fill(0); // second derivatives, by the tridiagonal sweep
  const sweep = new Array(n).fill(0);
  for (let i = 1; i < n - 1; i++) {
    const s = (t[i] - t[i - 1]) / (t[i + 1] - t[i - 1]);
    const p = s * bend[i - 1] + 2;
    bend[i] = (s - 1) / p;
    const jump = (v[i + 1] - v[i]) / (t[i + 1] - t[i]) - (v[i] - v[i - 1]) / (t[i] - t[i - 1]);
    sweep[i] = ((6 * jump) / (t[i + 1] - t[i - 1]) - s * sweep[i - 1]) / p;
  }
  bend[n - 1] = 0;
  for (let i = n - 2; i >= 0; i--) bend[i] = bend[i] * bend[i + 1] + sweep[i];
  bend[0] = 0;
  const slope = (i, j, at) => {
    const h = t[j] - t[i];
    return (v[j] - v[i]) / h + (at === i ? -h * (2 * bend[i] + bend[j]) / 6 : h * (bend[i] + 2 * bend[j]) / 6);
  };
  const [first, last] = [slope(0, 1, 0), slope(n - 2, n - 1, n - 1)];
  return (x) => {
    if (x <= t[0]) return v[0] + first * (x - t[0]);
    if (x >= t[n - 1]) return v[n - 1] + last * (x - t[n - 1]);
    let i = 0;
    while (x > t[i + 1]) i++;
    const h = t[i + 1] - t[i];
    const a = (t[i + 1] - x) / h;
    const b = 1 - a;
    return a * v[i] + b * v[i + 1] + (((a * a * a - a) * bend[i] + (b * b * b - b) * bend[i + 1]) * h * h) / 6;
  };
}

/** The larger of two distances, its corner rounded over about k metres (cubic, so that reflections flow round it). */
export function blend(a, b, k) {
  const h = Math.max(k - Math.abs(a - b), 0) / k;
  return Math.max(a, b) + (h * h * h * k) / 6;
}

const step = (a, b, x) => {
  const s = Math.min(1, Math.max(0, (x - a) / (b - a)));
  return s * s * (3 - 2 * s);
};
const bump = (x, middle, width) => Math.exp(-(((x - middle) / width) ** 2));

/** Further than this from an outline's bounds, the distance to the bounds does. */
const FAR = 0.12;

/** Distance to a polygon of [u, v], its corners rounded by r; the points are the middles of the roundings. */
export function outline(points, r) {
  const n = points.length;
  const [us, vs] = [0, 1].map((k) => Float64Array.from(points, (p) => p[k]));
  const [lowU, highU, lowV, highV] = [Math.min(...us) - r, Math.max(...us) + r, Math.min(...vs) - r, Math.max(...vs) + r];
  return (u, v) => {
    const bounds = Math.max(lowU - u, u - highU, lowV - v, v - highV);
    if (bounds > FAR) return bounds;
    let best = Infinity;
    let sign = 1;
    for (let i = 0, j = n - 1; i < n; j = i++) {
      const ex = us[j] - us[i];
      const ey = vs[j] - vs[i];
      const wx = u - us[i];
      const wy = v - vs[i];
      const s = Math.min(1, Math.max(0, (wx * ex + wy * ey) / (ex * ex + ey * ey)));
      const dx = wx - ex * s;
      const dy = wy - ey * s;
      best = Math.min(best, dx * dx + dy * dy);
      const c = (v >= vs[i]) + (v < vs[j]) + (ex * wy > ey * wx);
      if (c === 0 || c === 3) sign = -sign;
    }
    return sign * Math.sqrt(best) - r;
  };
}

export const WHEEL = { front: 1.42, rear: -1.4, height: 0.345, radius: 0.345, arch: 0.388 };

// --- The lower body -------------------------------------------------------------------------------------------------

const plan = spline([[-2.3, 0.79], [-1.9, 0.872], [-1.4, 0.912], [-0.6, 0.918], [0.4, 0.914], [1.4, 0.905], [1.9, 0.862], [2.3, 0.77]]);
const section = spline([[0.15, -0.075], [0.25, -0.045], [0.36, -0.018], [0.5, -0.008], [0.62, -0.014], [0.74, -0.006], [0.8, 0], [0.88, -0.02], [0.96, -0.06], [1.1, -0.15]]);
const spine = spline([[-2.32, 1.03], [-2.1, 1.04], [-1.8, 1.035], [-1.4, 1.015], [-0.5, 0.985], [0.5, 0.965], [0.95, 0.95], [1.3, 0.905], [1.7, 0.84], [2.05, 0.75], [2.3, 0.655]]);
const nose = spline([[0.15, -0.2], [0.22, -0.09], [0.32, -0.01], [0.42, 0.005], [0.52, -0.01], [0.6, -0.025], [0.68, -0.06], [0.78, -0.14]]);
const tail = spline([[0.15, 0.3], [0.24, 0.12], [0.34, 0.02], [0.46, 0], [0.6, 0.015], [0.72, 0.06], [0.82, 0.085], [0.95, 0.06], [1.06, 0.0]]);

const nearest = (y, z) => Math.min(Math.hypot(z - WHEEL.front, y - WHEEL.height), Math.hypot(z - WHEEL.rear, y - WHEEL.height));

/** Half width of the body side. */
export function width(y, z) {
  const crease = 0.785 + 0.018 * z * -0.5; // the line along the doors rises to the rear
  const shift = y - (crease - 0.79);
  let w = plan(z) + section(shift);
  w += 0.013 * bump(shift, 0.792, 0.034); // the crease itself
  w -= 0.014 * bump(shift, 0.7, 0.05) * step(2.0, 1.2, Math.abs(z)); // light falls off below it
  w += 0.02 * bump(y, 0.3, 0.05) * step(1.1, 0.8, Math.abs(z)); // sill
  const r = nearest(y, z);
  w += 0.034 * bump(r, WHEEL.arch, 0.075) * step(0.95, 0.6, y); // wheel arches stand out
  return w;
}

/** Height of hood, shoulders and deck. */
export function top(x, z) {
  const ax = Math.abs(x);
  let h = spine(z) - 0.075 * ax * ax;
  h += 0.009 * bump(ax, 0.5, 0.11) * step(0.9, 1.3, z) * step(2.3, 1.5, z); // two folds along the hood
  h -= 0.004 * bump(ax, 0.26, 0.16) * step(0.9, 1.3, z) * step(2.25, 1.6, z);
  h += 0.022 * bump(z, -2.2, 0.09); // the lip of the deck
  return h;
}

const round = (ax) => 0.13 * (ax / 0.8) ** 2 + 0.1 * (ax / 0.8) ** 4;
export const front = (x, y) => 2.28 + nose(y) - round(Math.abs(x));
export const rear = (x, y) => -2.3 + tail(y) + 0.85 * round(Math.abs(x));

/** Below zero inside the lower body. */
export function body(x, y, z) {
  const ax = Math.abs(x);
  let f = blend(ax - width(y, z), y - top(x, z), 0.13);
  if (z > 1.2) f = blend(f, z - front(x, y), 0.16);
  if (z < -1.2) f = blend(f, rear(x, y) - z, 0.14);
  return blend(f, 0.185 - y, 0.05);
}

// --- The greenhouse ---------------------------------------------------------------------------------------------------

const roofline = spline([[-2.1, 0.985], [-1.85, 1.075], [-1.6, 1.172], [-1.3, 1.28], [-1.0, 1.366], [-0.6, 1.424], [-0.2, 1.444], [0.15, 1.43], [0.5, 1.385], [0.8, 1.3]]);
const shoulder = spline([[-2.1, 0.56], [-1.7, 0.665], [-1.3, 0.745], [-0.8, 0.795], [-0.2, 0.81], [0.4, 0.8], [0.9, 0.765], [1.3, 0.72]]);

export const sideGlass = (y, z) => shoulder(z) - 0.36 * (y - 0.95) - 0.3 * Math.max(0, y - 0.95) ** 2;
export const roof = (x, z) => roofline(z) - 0.1 * x * x;
const SCREEN_SLOPE = 1.86;
/** Where along the car the windscreen is. */
export const screen = (x, y) => 1.2 - SCREEN_SLOPE * (y - 0.93) - 0.26 * x * x;

/** Below zero inside the greenhouse. */
export function greenhouse(x, y, z) {
  const ax = Math.abs(x);
  const f = blend(ax - sideGlass(y, z), y - roof(x, z), 0.2);
  return blend(f, (z - screen(x, y)) / Math.hypot(1, SCREEN_SLOPE), 0.13);
}

// --- Outlines on them: functions of (x, y, z), below zero inside ------------------------------------------------------

const sideOnly = (f) => (x, y, z) => Math.max(f(z, y), 0.3 - Math.abs(x));
const arches = (r) => (z, y) => r - nearest(y, z);

const frontDoor = outline([[0.9, 0.3], [0.915, 0.7], [0.885, 0.92], [0.82, 0.972], [0.235, 1.315], [0.05, 1.345], [-0.09, 1.352], [-0.09, 0.3]], 0.028);
const rearDoor = outline([[-0.152, 0.3], [-0.152, 1.352], [-0.45, 1.335], [-0.78, 1.272], [-1.06, 1.165], [-1.2, 1.09], [-1.225, 1.0], [-1.17, 0.8], [-1.1, 0.7], [-0.86, 0.3]], 0.028);
const frontPane = outline([[0.735, 0.985], [0.215, 1.285], [0.04, 1.309], [-0.055, 1.314], [-0.055, 1.0]], 0.018);
const rearPane = outline([[-0.187, 1.002], [-0.187, 1.314], [-0.45, 1.297], [-0.76, 1.236], [-1.03, 1.132], [-1.1, 1.085], [-1.08, 1.03]], 0.018);

export const DOORS = {
  front: { outline: sideOnly(frontDoor), pane: sideOnly(frontPane), hinge: { z: 0.935, y: 0.6 } },
  rear: {
    outline: sideOnly((z, y) => Math.max(rearDoor(z, y), arches(WHEEL.arch + 0.055)(z, y))),
    pane: sideOnly(rearPane),
    hinge: { z: -0.13, y: 0.6 },
  },
};

export const arch = sideOnly((z, y) => nearest(y, z) - WHEEL.arch);

/** Seen from above: between the screen and the lights. */
export function hood(x, y, z) {
  const ax = Math.abs(x);
  const back = 1.285 - 0.27 * x * x - z;
  const fore = z - (2.135 - 0.2 * x * x - 0.12 * x ** 4);
  const side = ax - (0.7 - 0.06 * step(1.3, 2.1, z));
  return Math.max(blend(blend(back, fore, 0.1), side, 0.1), 0.55 - y);
}

/** The dark strip below the screen. */
export const cowl = (x, y, z) => Math.max(1.1 - 0.27 * x * x - z, z - (1.285 - 0.27 * x * x), Math.abs(x) - 0.66, 0.8 - y);

const screenFrame = outline([[-0.1, 0.98], [0.56, 0.965], [0.475, 1.335], [0.3, 1.358], [-0.1, 1.366]], 0.05);
export const windscreen = (x, y, z) => Math.max(screenFrame(Math.abs(x), y), 0.1 - z);

const rearFrame = outline([[-0.1, -0.94], [0.38, -0.985], [0.455, -1.25], [0.425, -1.56], [0.3, -1.655], [-0.1, -1.69]], 0.085);
export const rearScreen = (x, y, z) => Math.max(rearFrame(Math.abs(x), z), 0.95 - y);

const headlamp = outline([[0.5, 0.628], [0.66, 0.62], [1.0, 0.66], [1.0, 0.72], [0.7, 0.695], [0.52, 0.662]], 0.016);
export const headlight = (x, y, z) => Math.max(headlamp(Math.abs(x), y), 1.86 + 0.5 * (0.7 - y) - z);
const brow = outline([[0.5, 0.664], [0.7, 0.695], [1.0, 0.722], [1.0, 0.709], [0.7, 0.68], [0.52, 0.652]], 0.004);
export const daylamp = (x, y, z) => Math.max(brow(Math.abs(x), y), headlight(x, y, z) + 0.01);

const taillamp = outline([[0.42, 0.86], [0.62, 0.835], [1.0, 0.84], [1.0, 0.93], [0.62, 0.915], [0.42, 0.886]], 0.014);
export const taillight = (x, y, z) => Math.max(taillamp(Math.abs(x), y), z + 1.93 - 0.4 * (y - 0.88));
const lightbar = outline([[-0.1, 0.872], [0.5, 0.872], [0.5, 0.876], [-0.1, 0.876]], 0.011);
export const bar = (x, y, z) => Math.max(lightbar(Math.abs(x), y), z + 2);

const mouth = outline([[-0.1, 0.325], [0.5, 0.325], [0.6, 0.43], [0.42, 0.465], [-0.1, 0.475]], 0.03);
export const grille = (x, y, z) => Math.max(mouth(Math.abs(x), y), 1.9 - z);
const slot = outline([[-0.1, 0.606], [0.37, 0.612], [0.385, 0.626], [-0.1, 0.63]], 0.01);
export const upperGrille = (x, y, z) => Math.max(slot(Math.abs(x), y), 1.9 - z);
const fog = outline([[0.72, 0.36], [0.8, 0.38], [0.8, 0.47], [0.74, 0.46]], 0.014);
export const intake = (x, y, z) => Math.max(fog(Math.abs(x), y), 1.7 - z);

/** Plastic along the bottom: lower at the doors, higher under the bumpers. */
export const skirtline = (x, y, z) => y - (0.255 + 0.05 * step(1.9, 2.15, z) + 0.13 * step(-1.95, -2.2, z) * step(0.75, 0.5, Math.abs(x)));

/** The trunk lid: from the rear screen over the lip down to the bumper. */
export function lid(x, y, z) {
  const ax = Math.abs(x);
  return blend(blend(ax - 0.61 + 0.12 * Math.max(0, 0.9 - y), 0.655 - y, 0.08), z + 1.815 - 0.1 * ax * ax, 0.08);
}
