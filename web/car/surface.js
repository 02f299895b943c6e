// Lays triangles over a surface that is given as a function. Knows nothing of cars.

import { grid, join } from "./mesh.js";

const H = 1e-3;

function gradient(f, x, y, z) {
  const g = [f(x + H, y, z) - f(x - H, y, z), f(x, y + H, z) - f(x, y - H, z), f(x, y, z + H) - f(x, y, z - H)];
  return g.map((v) => v / (2 * H));
}

/**
 * Moves points on to f = 0 by Newton steps along the gradient, and gives them its normal. Points with x = 0 stay there.
 * @param {import("./mesh.js").Mesh} m @param {(x: number, y: number, z: number) => number} f @param {number} steps
 */
export function settle(m, f, steps = 4) {
  for (let i = 0; i < m.p.length; i += 3) {
    let [x, y, z] = [m.p[i], m.p[i + 1], m.p[i + 2]];
    const middle = Math.abs(x) < 1e-9;
    for (let k = 0; k < steps; k++) {
      const d = f(x, y, z);
      if (Math.abs(d) < 5e-5) break;
      const [gx, gy, gz] = [(f(x + H, y, z) - d) / H, (f(x, y + H, z) - d) / H, (f(x, y, z + H) - d) / H];
      const s = d / (gx * gx + gy * gy + gz * gz + 1e-9);
      if (!middle) x = Math.max(1e-6, x - s * gx);
      y -= s * gy;
      z -= s * gz;
    }
    const g = gradient(f, x, y, z);
    if (middle) g[0] = 0;
    const length = Math.hypot(...g) || 1;
    for (let k = 0; k < 3; k++) {
      m.p[i + k] = [x, y, z][k];
      m.n[i + k] = g[k] / length;
    }
  }
  return m;
}

/**
 * Half a surface (x >= 0) from patches, each a function of two numbers 0..1 that starts near it.
 * @param {[number, number, (u: number, v: number) => number[]][]} patches rows, columns, start
 * @param {(x: number, y: number, z: number) => number} f
 */
export function half(patches, f) {
  return join(...patches.map(([rows, columns, at]) => facing(settle(grid(rows, columns, at), f))));
}

/** Turns triangles that look against their own normals. */
function facing(m) {
  const { p, n, t } = m;
  for (let i = 0; i < t.length; i += 3) {
    const [a, b, c] = [3 * t[i], 3 * t[i + 1], 3 * t[i + 2]];
    const [ux, uy, uz] = [p[b] - p[a], p[b + 1] - p[a + 1], p[b + 2] - p[a + 2]];
    const [vx, vy, vz] = [p[c] - p[a], p[c + 1] - p[a + 1], p[c + 2] - p[a + 2]];
    const s = (uy * vz - uz * vy) * (n[a] + n[b] + n[c])
      + (uz * vx - ux * vz) * (n[a + 1] + n[b + 1] + n[c + 1]) + (ux * vy - uy * vx) * (n[a + 2] + n[b + 2] + n[c + 2]);
    if (s < 0) [t[i + 1], t[i + 2]] = [t[i + 2], t[i + 1]];
  }
  return m;
}
