// Triangle meshes as plain arrays: clip, mirror, merge, edge skirts. Knows nothing of cars or of WebGL.

/**
 * A triangle soup with shared vertices: `p` positions and `n` normals (3 numbers a vertex), `t` indices (3 a triangle).
 * @typedef {{p: number[], n: number[], t: number[]}} Mesh
 */

/** @returns {Mesh} */
export const empty = () => ({ p: [], n: [], t: [] });

/** @param {Mesh[]} meshes @returns {Mesh} */
export function join(...meshes) {
  const out = empty();
  for (const m of meshes) {
    const base = out.p.length / 3;
    for (const x of m.p) out.p.push(x);
    for (const x of m.n) out.n.push(x);
    for (const i of m.t) out.t.push(i + base);
  }
  return out;
}

/** The mirror image through the plane x = 0, triangles turned so that they still face outwards. @param {Mesh} m @returns {Mesh} */
export function mirror(m) {
  const out = { p: m.p.slice(), n: m.n.slice(), t: m.t.slice() };
  for (let i = 0; i < out.p.length; i += 3) {
    out.p[i] = -out.p[i];
    out.n[i] = -out.n[i];
  }
  for (let i = 0; i < out.t.length; i += 3) [out.t[i + 1], out.t[i + 2]] = [out.t[i + 2], out.t[i + 1]];
  return out;
}

/** Seen from the other side. @param {Mesh} m @returns {Mesh} */
export function flip(m) {
  const out = { p: m.p.slice(), n: m.n.map((x) => -x), t: m.t.slice() };
  for (let i = 0; i < out.t.length; i += 3) [out.t[i + 1], out.t[i + 2]] = [out.t[i + 2], out.t[i + 1]];
  return out;
}

/**
 * Cuts a mesh where `f` is zero. Vertices on a cut edge are found by regula falsi, so a cut along a curve is smooth.
 * @param {Mesh} m
 * @param {(x: number, y: number, z: number) => number} f negative inside
 * @returns {[Mesh, Mesh]} what lies inside (f < 0) and outside
 */
export function split(m, f) {
  const { p, n, t } = m;
  const count = p.length / 3;
  const value = new Float64Array(count);
  let negative = 0;
  for (let i = 0; i < count; i++) {
    value[i] = f(p[3 * i], p[3 * i + 1], p[3 * i + 2]);
    if (value[i] < 0) negative++;
  }
  if (negative === 0) return [empty(), m];
  if (negative === count) return [m, empty()];
  const halves = [new Half(m, f, value), new Half(m, f, value)];
  for (let i = 0; i < t.length; i += 3) {
    const [v0, v1, v2] = [t[i], t[i + 1], t[i + 2]];
    const [i0, i1, i2] = [value[v0] < 0, value[v1] < 0, value[v2] < 0];
    const inner = i0 + i1 + i2;
    if (inner === 3 || inner === 0) {
      const half = halves[inner === 3 ? 0 : 1];
      half.t.push(half.keep(v0), half.keep(v1), half.keep(v2));
      continue;
    }
    const lone = inner === 1; // the corner that stands alone lies inside
    const [a, b, c] = i0 === lone ? [v0, v1, v2] : i1 === lone ? [v1, v2, v0] : [v2, v0, v1];
    const alone = halves[lone ? 0 : 1];
    const pair = halves[lone ? 1 : 0];
    alone.t.push(alone.keep(a), alone.cross(a, b), alone.cross(a, c));
    pair.t.push(pair.cross(a, b), pair.keep(b), pair.keep(c));
    pair.t.push(pair.cross(a, b), pair.keep(c), pair.cross(a, c));
  }
  return halves.map((half) => ({ p: half.p, n: half.n, t: half.t }));
}

/** One side of a cut while it is being made. */
class Half {
  constructor(m, f, value) {
    Object.assign(this, { m, f, value, p: [], n: [], t: [], cut: new Map(), kept: new Int32Array(value.length).fill(-1) });
  }

  keep(i) {
    if (this.kept[i] < 0) {
      const { p, n } = this.m;
      this.kept[i] = this.p.length / 3;
      this.p.push(p[3 * i], p[3 * i + 1], p[3 * i + 2]);
      this.n.push(n[3 * i], n[3 * i + 1], n[3 * i + 2]);
    }
    return this.kept[i];
  }

  cross(i, j) {
    if (i > j) [i, j] = [j, i];
    const key = i * this.value.length + j;
    let at = this.cut.get(key);
    if (at === undefined) {
      const { p, n } = this.m;
      at = this.p.length / 3;
      this.cut.set(key, at);
      const s = zero(this.f, p, i, j, this.value[i], this.value[j]);
      const mixed = (list, k) => list[3 * i + k] + s * (list[3 * j + k] - list[3 * i + k]);
      const [x, y, z] = [mixed(n, 0), mixed(n, 1), mixed(n, 2)];
      const length = Math.sqrt(x * x + y * y + z * z) || 1;
      this.p.push(mixed(p, 0), mixed(p, 1), mixed(p, 2));
      this.n.push(x / length, y / length, z / length);
    }
    return at;
  }
}

function zero(f, p, i, j, fi, fj) {
  let [a, b, fa, fb] = [0, 1, fi, fj];
  let s = fa / (fa - fb);
  for (let k = 0; k < 3; k++) {
    const at = (q) => p[3 * i + q] + s * (p[3 * j + q] - p[3 * i + q]);
    const v = f(at(0), at(1), at(2));
    if (Math.abs(v) < 1e-5) break;
    if (v < 0 === fa < 0) [a, fa] = [s, v];
    else [b, fb] = [s, v];
    s = a + ((b - a) * fa) / (fa - fb);
  }
  return Math.min(1, Math.max(0, s));
}

/** Keeps what lies where `f` is negative. */
export const inside = (m, f) => split(m, f)[0];
/** Keeps what lies where `f` is not negative. */
export const outside = (m, f) => split(m, f)[1];

/**
 * The edges that belong to one triangle alone, as vertex pairs in the triangle's own turn.
 * @param {Mesh} m @param {(p: number[]) => boolean} where only edges both of whose ends pass
 */
export function rim(m, where = () => true) {
  const count = m.p.length / 3;
  // Vertices at one place count as one, so that the seam of two joined meshes is no rim.
  const place = new Map();
  const same = new Int32Array(count).fill(-1);
  for (let i = 0; i < count; i++) {
    const [x, y, z] = [m.p[3 * i], m.p[3 * i + 1], m.p[3 * i + 2]];
    if (!where([x, y, z])) continue;
    const key = (Math.round(x * 4e3) * 65536 + Math.round(y * 4e3)) * 65536 + Math.round(z * 4e3);
    if (!place.has(key)) place.set(key, i);
    same[i] = place.get(key);
  }
  const seen = new Map();
  for (let i = 0; i < m.t.length; i += 3) {
    for (let k = 0; k < 3; k++) {
      const a = m.t[i + k];
      const b = m.t[i + ((k + 1) % 3)];
      if (same[a] < 0 || same[b] < 0 || same[a] === same[b]) continue;
      const key = Math.min(same[a], same[b]) * count + Math.max(same[a], same[b]);
      seen.set(key, seen.has(key) ? null : [a, b]);
    }
  }
  return [...seen.values()].filter((edge) => edge !== null);
}

/**
 * A wall along the rim of a mesh: from each rim vertex to where `to` moves it.
 * @param {Mesh} m
 * @param {(p: number[], n: number[]) => number[]} to
 * @param {(p: number[]) => boolean} [where] only edges both of whose ends pass
 * @returns {Mesh}
 */
export function skirt(m, to, where = () => true) {
  const out = empty();
  const at = (i) => [m.p[3 * i], m.p[3 * i + 1], m.p[3 * i + 2]];
  for (const [a, b] of rim(m, where)) {
    const [pa, pb] = [at(a), at(b)];
    const qa = to(pa, [m.n[3 * a], m.n[3 * a + 1], m.n[3 * a + 2]]);
    const qb = to(pb, [m.n[3 * b], m.n[3 * b + 1], m.n[3 * b + 2]]);
    const u = pb.map((v, k) => v - pa[k]);
    const d = qa.map((v, k) => v - pa[k]);
    const n = [d[1] * u[2] - d[2] * u[1], d[2] * u[0] - d[0] * u[2], d[0] * u[1] - d[1] * u[0]];
    const length = Math.hypot(...n) || 1;
    const base = out.p.length / 3;
    for (const p of [pa, pb, qb, qa]) {
      out.p.push(...p);
      out.n.push(n[0] / length, n[1] / length, n[2] / length);
    }
    out.t.push(base, base + 2, base + 1, base, base + 3, base + 2);
  }
  return out;
}

/** Moves every vertex. @param {Mesh} m @param {(p: number[], n: number[]) => number[]} to @returns {Mesh} */
export function moved(m, to) {
  const out = { p: [], n: m.n.slice(), t: m.t.slice() };
  for (let i = 0; i < m.p.length; i += 3) out.p.push(...to(m.p.slice(i, i + 3), m.n.slice(i, i + 3)));
  return out;
}

/**
 * A grid of points as a mesh, normals from its neighbours.
 * @param {number} rows @param {number} columns
 * @param {(r: number, c: number) => number[]} at
 * @returns {Mesh}
 */
export function grid(rows, columns, at) {
  const out = empty();
  for (let r = 0; r <= rows; r++) for (let c = 0; c <= columns; c++) out.p.push(...at(r / rows, c / columns));
  const w = columns + 1;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const i = r * w + c;
      out.t.push(i, i + 1, i + w + 1, i, i + w + 1, i + w);
    }
  }
  return smooth(out);
}

/** Normals anew from the triangles, averaged by area. @param {Mesh} m @returns {Mesh} */
export function smooth(m) {
  const n = new Array(m.p.length).fill(0);
  for (let i = 0; i < m.t.length; i += 3) {
    const [a, b, c] = [3 * m.t[i], 3 * m.t[i + 1], 3 * m.t[i + 2]];
    const u = [m.p[b] - m.p[a], m.p[b + 1] - m.p[a + 1], m.p[b + 2] - m.p[a + 2]];
    const v = [m.p[c] - m.p[a], m.p[c + 1] - m.p[a + 1], m.p[c + 2] - m.p[a + 2]];
    const x = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    for (const k of [a, b, c]) for (let q = 0; q < 3; q++) n[k + q] += x[q];
  }
  for (let i = 0; i < n.length; i += 3) {
    const length = Math.hypot(n[i], n[i + 1], n[i + 2]) || 1;
    for (let q = 0; q < 3; q++) n[i + q] /= length;
  }
  return { p: m.p, n, t: m.t };
}

/** A box with rounded edges, by its middle and half sizes. @returns {Mesh} */
export function box(cx, cy, cz, hx, hy, hz, radius = 0.02, steps = box.steps) {
  steps = Math.min(steps, box.most);
  const r = steps === 0 ? 0 : Math.min(radius, hx, hy, hz);
  const faces = [];
  const n = 2 * steps + 1;
  const coordinate = (i, half) => (i <= steps ? -half + (r * i) / (steps || 1) : half - (r * (n - i)) / (steps || 1));
  for (let axis = 0; axis < 3; axis++) {
    for (const sign of [-1, 1]) {
      const half = [hx, hy, hz];
      const [u, v] = [(axis + 1) % 3, (axis + 2) % 3];
      const face = empty();
      for (let i = 0; i <= n; i++) {
        for (let j = 0; j <= n; j++) {
          const q = [0, 0, 0];
          q[axis] = sign * half[axis];
          q[u] = coordinate(i, half[u]);
          q[v] = coordinate(j, half[v]);
          const core = q.map((x, k) => Math.min(half[k] - r, Math.max(r - half[k], x)));
          const d = q.map((x, k) => x - core[k]);
          const length = Math.hypot(...d) || 1;
          face.n.push(...d.map((x) => x / length));
          face.p.push(cx + core[0] + (r * d[0]) / length, cy + core[1] + (r * d[1]) / length, cz + core[2] + (r * d[2]) / length);
        }
      }
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          const k = i * (n + 1) + j;
          const quad = [k, k + n + 1, k + n + 2, k, k + n + 2, k + 1];
          face.t.push(...(sign > 0 ? quad : [quad[0], quad[2], quad[1], quad[3], quad[5], quad[4]]));
        }
      }
      faces.push(face);
    }
  }
  return join(...faces);
}

/** Steps of a rounding unless told, and at most; a plain copy of a car is built with none. */
box.steps = 1;
box.most = 4;

/**
 * A profile turned about the x axis: `profile` holds [radius, x] from inside to outside.
 * @param {number[][]} profile @param {number} steps @returns {Mesh}
 */
export function turned(profile, steps) {
  return grid(profile.length - 1, steps, (r, c) => {
    const [radius, x] = profile[Math.round(r * (profile.length - 1))];
    const angle = c * 2 * Math.PI;
    return [x, radius * Math.cos(angle), radius * Math.sin(angle)];
  });
}
