// What is under and inside the skin: wheels, cabin, engine bay. Knows sizes of the shape, and nothing of cutting it.

import { box, grid, join, mirror, moved, turned } from "./mesh.js";
import { FITTED } from "./looks.js";
import { WHEEL, width } from "./shape.js";
import * as made from "./looks.js";

const SPOKES = 5;

const rotated = (m, angle) => {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const turn = (v) => [v[0], c * v[1] - s * v[2], s * v[1] + c * v[2]];
  const out = { p: [], n: [], t: m.t.slice() };
  for (let i = 0; i < m.p.length; i += 3) {
    out.p.push(...turn(m.p.slice(i, i + 3)));
    out.n.push(...turn(m.n.slice(i, i + 3)));
  }
  return out;
};

/** One wheel at the origin, its outer face towards +x. */
function wheel(detail) {
  const steps = detail === 1 ? 32 : detail < FITTED ? 12 : 20;
  const tyre = turned([[0.235, 0.098], [0.25, 0.112], [0.29, 0.118], [0.325, 0.106], [0.341, 0.085], [0.345, 0.05], [0.345, -0.05], [0.341, -0.085], [0.32, -0.108], [0.235, -0.105]], steps);
  const solid = [[made.TYRE, tyre]];
  if (detail < FITTED) return [...solid, [made.RIM, turned([[0.001, 0.06], [0.24, 0.09]], steps)]];
  const barrel = turned([[0.205, -0.1], [0.215, 0.05], [0.22, 0.098], [0.228, 0.104], [0.24, 0.1]], steps);
  const disc = turned([[0.05, 0.005], [0.165, 0.005], [0.165, -0.015], [0.05, -0.015]], detail === 1 ? 28 : 10);
  const hub = turned([[0.001, 0.078], [0.03, 0.076], [0.052, 0.066], [0.06, 0.03]], detail === 1 ? 20 : 8);
  const spokes = [];
  for (let k = 0; k < SPOKES; k++) {
    for (const side of [-1, 1]) {
      const bar = moved(box(0.07, 0.132, 0, 0.014, 0.096, 0.0135, 0, 0), (p) => {
        const out = (p[1] - 0.036) / 0.192; // 0 at the hub, 1 at the rim
        return [p[0] + 0.024 * out * out - 0.012, p[1], p[2] * (1.25 - 0.35 * out) + side * (0.014 + 0.036 * out)];
      });
      spokes.push(rotated(bar, (k * 2 * Math.PI) / SPOKES));
    }
  }
  return [
    ...solid, [made.RIM, join(barrel, hub, ...spokes)], [made.DISC, disc],
    [made.CALIPER, moved(box(0, 0.12, 0.075, 0.03, 0.06, 0.035, 0.015), (p) => p)],
    [made.WELL, turned([[0.001, -0.03], [0.21, -0.03]], detail === 1 ? 20 : 10)],
  ];
}

const shifted = (m, by) => moved(m, (p) => p.map((v, k) => v + by[k]));

/** The dark shell a wheel stands in: half a barrel from inside the body to the arch. */
function well(z) {
  const r = WHEEL.arch + 0.012;
  const barrel = grid(2, 18, (u, v) => {
    const angle = Math.PI * (1.12 - 1.24 * v);
    const y = WHEEL.height + r * Math.sin(angle);
    const at = z + r * Math.cos(angle);
    return [0.5 + u * (Math.max(0.6, width(Math.max(0.2, y), at) - 0.02) - 0.5), y, at];
  });
  const wall = grid(1, 18, (u, v) => {
    const angle = Math.PI * (1.12 - 1.24 * v);
    return [0.5, WHEEL.height + r * u * Math.sin(angle), z + r * u * Math.cos(angle)];
  });
  return join(barrel, wall);
}

/** Wheels and wells of the left side. */
export function halfWheels(detail) {
  const pairs = [];
  for (const z of [WHEEL.front, WHEEL.rear]) {
    for (const [look, mesh] of wheel(detail)) pairs.push([look, shifted(mesh, [0.785, WHEEL.height, z])]);
    pairs.push([made.WELL, well(z)]);
  }
  return pairs;
}

function seat(x, z) {
  const lean = (m, from) => moved(m, (p) => [p[0], p[1], p[2] - 0.3 * Math.max(0, p[1] - from)]);
  return [
    [made.SEAT, join(
      box(x - 0.2, 0.475, z, 0.06, 0.085, 0.25, 0.05), box(x + 0.2, 0.475, z, 0.06, 0.085, 0.25, 0.05),
      lean(join(box(x - 0.2, 0.78, z - 0.24, 0.055, 0.28, 0.075, 0.05), box(x + 0.2, 0.78, z - 0.24, 0.055, 0.28, 0.075, 0.05)), 0.5),
      lean(box(x, 1.12, z - 0.24, 0.12, 0.085, 0.05, 0.045), 0.5),
    )],
    [made.SEAT_MIDDLE, join(
      box(x, 0.465, z, 0.16, 0.075, 0.25, 0.04), lean(box(x, 0.77, z - 0.245, 0.16, 0.27, 0.06, 0.04), 0.5),
    )],
    [made.CABIN, join(box(x, 0.35, z, 0.2, 0.06, 0.2, 0.02), lean(box(x, 1.03, z - 0.24, 0.05, 0.04, 0.012, 0.008), 0.5))],
  ];
}

/** The cabin; it crosses the middle and is symmetric. */
export function cabin() {
  const bench = moved(box(0, 0.8, -1.12, 0.62, 0.28, 0.08, 0.06), (p) => [p[0], p[1], p[2] - 0.35 * Math.max(0, p[1] - 0.55)]);
  const pairs = [
    [made.CARPET, join(box(0, 0.245, -0.05, 0.8, 0.03, 1.15, 0.01), box(0, 0.32, 0.2, 0.11, 0.1, 0.9, 0.05))],
    [made.CABIN, join(
      box(0, 0.6, 1.02, 0.7, 0.32, 0.05, 0.02), // the wall to the engine
      moved(box(0, 0.83, 0.83, 0.68, 0.1, 0.17, 0.07, 3), (p) => [p[0], p[1] - 0.1 * Math.max(0, 0.75 - p[2]), p[2]]), // dashboard
      box(0, 0.5, 0.24, 0.1, 0.09, 0.36, 0.04), // between the seats
      box(0, 0.905, -1.5, 0.66, 0.02, 0.24, 0.01), // shelf behind the bench
      box(0, 0.6, -1.34, 0.7, 0.3, 0.02, 0.01),
    )],
    [made.SEAT, join(box(0, 0.46, -0.82, 0.64, 0.085, 0.27, 0.06), bench)],
    [made.SEAT_MIDDLE, join(...[-0.33, 0.33].map((x) => moved(box(x, 0.8, -1.105, 0.19, 0.24, 0.085, 0.05), (p) => [p[0], p[1], p[2] - 0.35 * Math.max(0, p[1] - 0.55)])), ...[-0.33, 0.33].map((x) => box(x, 0.475, -0.81, 0.19, 0.085, 0.25, 0.05)))],
    [made.SEAT, join(...[-0.34, 0.34].map((x) => box(x, 1.12, -1.31, 0.12, 0.07, 0.045, 0.04)))],
    [made.SCREEN, box(0, 0.93, 0.66, 0.13, 0.07, 0.01, 0.008)],
  ];
  for (const side of [-1, 1]) {
    pairs.push(...seat(side * 0.37, 0.12));
    // The post between the doors, and the sills.
    pairs.push([made.CABIN, join(
      moved(box(side * 0.745, 0.79, -0.12, 0.03, 0.53, 0.06, 0.02), (p) => [p[0] - side * 0.52 * Math.max(0, p[1] - 0.9), p[1], p[2]]),
      box(side * 0.78, 0.25, -0.05, 0.07, 0.06, 1.0, 0.02),
    )]);
  }
  return pairs;
}

/** A steering wheel. @param {number} side 1 left, -1 right */
export function steering(side, detail) {
  const ring = grid(detail === 1 ? 28 : 14, 6, (u, v) => {
    const [a, b] = [u * 2 * Math.PI, v * 2 * Math.PI];
    const r = 0.175 + 0.014 * Math.cos(b);
    return [r * Math.cos(a), r * Math.sin(a), 0.014 * Math.sin(b)];
  });
  const hub = join(box(0, 0, 0.01, 0.055, 0.045, 0.02, 0.02), box(0, 0, 0.005, 0.165, 0.014, 0.008, 0.006), box(0, -0.08, 0.005, 0.014, 0.08, 0.008, 0.006));
  const lean = (p) => [p[0] + side * 0.37, 0.86 + p[1] * 0.92 + p[2] * 0.38, 0.58 + p[1] * 0.38 + p[2] * 0.92];
  return [[made.CABIN, moved(join(ring, hub, box(0, 0, 0.12, 0.03, 0.03, 0.12, 0.02)), lean)]];
}

/** The engine bay, under the hood; symmetric. */
export function bay() {
  const left = join(
    box(0.6, 0.78, 1.42, 0.06, 0.035, 0.12, 0.03), // strut tower, above the wheel's well
    moved(box(0.67, 0.77, 1.52, 0.03, 0.025, 0.42, 0.02), (p) => [p[0] - 0.35 * Math.max(0, p[2] - 1.6), p[1], p[2]]), // inner wing
  );
  const caps = (x, z) => box(x, 0.8, z, 0.035, 0.015, 0.035, 0.014);
  return [
    [made.BAY, join(box(0, 0.4, 1.6, 0.49, 0.02, 0.5, 0.01), box(0, 0.62, 1.08, 0.66, 0.2, 0.02, 0.01), left, mirror(left))],
    [made.JAMB, join(box(0, 0.655, 2.03, 0.6, 0.035, 0.035, 0.02))],
    [made.BAY, box(0, 0.56, 1.96, 0.5, 0.13, 0.03, 0.01)], // radiator
    [made.ENGINE, join(box(0, 0.69, 1.52, 0.27, 0.075, 0.25, 0.05, 3), box(0, 0.55, 1.55, 0.33, 0.1, 0.28, 0.04))],
    [made.ALLOY, join(...[-0.14, -0.05, 0.05, 0.14].map((x) => box(x, 0.768, 1.5, 0.018, 0.012, 0.18, 0.01)), box(0, 0.62, 1.83, 0.26, 0.04, 0.04, 0.035), box(0.6, 0.822, 1.42, 0.045, 0.008, 0.045, 0.008), box(-0.6, 0.822, 1.42, 0.045, 0.008, 0.045, 0.008))],
    [made.TRIM, join(box(0.385, 0.67, 1.72, 0.1, 0.09, 0.13, 0.02), box(-0.385, 0.67, 1.72, 0.1, 0.09, 0.13, 0.02))],
    [made.TANK, join(box(0.4, 0.7, 1.24, 0.09, 0.08, 0.07, 0.03), box(-0.4, 0.7, 1.24, 0.09, 0.08, 0.07, 0.03))],
    [made.CAP_BLUE, join(caps(0.4, 1.24), caps(-0.4, 1.24))],
    [made.CAP_YELLOW, box(0, 0.785, 1.68, 0.03, 0.014, 0.03, 0.012)],
  ];
}

/** Floor, bumper backs and plates: dark things that close the body. */
export function underside() {
  return [
    [made.WELL, join(box(0, 0.24, 0, 0.66, 0.03, 2.05, 0.02), box(0, 0.6, -1.72, 0.62, 0.2, 0.36, 0.05), box(0, 0.45, 2.02, 0.55, 0.12, 0.02, 0.01))],
    [made.PLATE, join(box(0, 0.715, -2.262, 0.24, 0.052, 0.004, 0.004), box(0, 0.395, 2.285, 0.24, 0.05, 0.006, 0.004))],
  ];
}
