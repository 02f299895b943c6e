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

/** Edges with both ends further than this from f = 0 are left alone. */
const REFINE_NEAR = 0.07;

/**
 * Halves the edges near f = 0 that are longer than `size`, so that something thinner than the triangles can be cut out.
 * Whether an edge is halved depends on the edge alone: no cracks.
 * @param {Mesh} m @param {(x: number, y: number, z: number) => number} f @param {number} size @returns {Mesh}
 */
export function refine(m, f, size) {
  for (let pass = 0; pass < 4; pass++) {
    const out = { p: m.p.slice(), n: m.n.slice(), t: [] };
    const count = m.p.length / 3;
    const made = new Map();
    const near = new Uint8Array(count);
    for (let i = 0; i < count; i++) near[i] = Math.abs(f(m.p[3 * i], m.p[3 * i + 1], m.p[3 * i + 2])) < REFINE_NEAR ? 1 : 0;
    const middle = (i, j) => {
      if (!near[i] && !near[j]) return -1;
      if (i > j) [i, j] = [j, i];
      const key = i * count + j;
      let at = made.get(key);
      if (at === undefined) {
        const [x, y, z] = [0, 1, 2].map((k) => (m.p[3 * i + k] + m.p[3 * j + k]) / 2);
        const length = Math.hypot(m.p[3 * i] - m.p[3 * j], m.p[3 * i + 1] - m.p[3 * j + 1], m.p[3 * i + 2] - m.p[3 * j + 2]);
        at = -1;
        if (length > size && Math.abs(f(x, y, z)) < length) {
          at = out.p.length / 3;
          const n = [0, 1, 2].map((k) => m.n[3 * i + k] + m.n[3 * j + k]);
          const norm = Math.hypot(...n) || 1;
          out.p.push(x, y, z);
          out.n.push(n[0] / norm, n[1] / norm, n[2] / norm);
        }
        made.set(key, at);
      }
      return at;
    };
    for (let i = 0; i < m.t.length; i += 3) {
      const v = [m.t[i], m.t[i + 1], m.t[i + 2]];
      if (!near[v[0]] && !near[v[1]] && !near[v[2]]) {
        out.t.push(v[0], v[1], v[2]);
        continue;
      }
      const e = [middle(v[0], v[1]), middle(v[1], v[2]), middle(v[2], v[0])];
      const cut = e.filter((q) => q >= 0).length;
      if (cut === 0) out.t.push(...v);
      else if (cut === 3) out.t.push(v[0], e[0], e[2], e[0], v[1], e[1], e[2], e[1], v[2], e[0], e[1], e[2]);
      else {
        // Turn the triangle until its first edge is the one alone: the only one halved, or the only one whole.
        const k = e.findIndex((q) => q >= 0 === (cut === 1));
        const [a, b, c] = [v[k], v[(k + 1) % 3], v[(k + 2) % 3]];
        const [ab, bc, ca] = [e[k], e[(k + 1) % 3], e[(k + 2) % 3]];
        if (cut === 1) out.t.push(a, ab, c, ab, b, c);
        else out.t.push(c, ca, bc, ca, a, b, ca, b, bc);
      }
    }
    m = out;
    if (![...made.values()].some((q) => q >= 0)) break;
  }
  return m;
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
    const [ux, uy, uz] = [pb[0] - pa[0], pb[1] - pa[1], pb[2] - pa[2]];
    const [dx, dy, dz] = [qa[0] - pa[0], qa[1] - pa[1], qa[2] - pa[2]];
    const n = [dy * uz - dz * uy, dz * ux - dx * uz, dx * uy - dy * ux];
    const length = Math.hypot(n[0], n[1], n[2]) || 1;
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
  for (let i = 0; i < m.p.length; i += 3) {
    const q = to([m.p[i], m.p[i + 1], m.p[i + 2]], [m.n[i], m.n[i + 1], m.n[i + 2]]);
    out.p.push(q[0], q[1], q[2]);
  }
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
  const { p, t } = m;
  const n = new Array(p.length).fill(0);
  for (let i = 0; i < t.length; i += 3) {
    const [a, b, c] = [3 * t[i], 3 * t[i + 1], 3 * t[i + 2]];
    const [ux, uy, uz] = [p[b] - p[a], p[b + 1] - p[a + 1], p[b + 2] - p[a + 2]];
    const [vx, vy, vz] = [p[c] - p[a], p[c + 1] - p[a + 1], p[c + 2] - p[a + 2]];
    const [x, y, z] = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
    for (let k = 0; k < 3; k++) {
      const at = 3 * t[i + k];
      n[at] += x;
      n[at + 1] += y;
      n[at + 2] += z;
    }
  }
  for (let i = 0; i < n.length; i += 3) {
    const length = Math.hypot(n[i], n[i + 1], n[i + 2]) || 1;
    n[i] /= length;
    n[i + 1] /= length;
    n[i + 2] /= length;
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
    const angle = -c * 2 * Math.PI;
    return [x, radius * Math.cos(angle), radius * Math.sin(angle)];
  });
}
