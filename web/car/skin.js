// The outer skin: lays the car's surfaces, then cuts doors, hood, glass, lights and gaps out of them.
// Works on the half x >= 0; model.js mirrors it.

import { box, flip, join, mirror, moved, outside, refine, skirt, split } from "./mesh.js";
import { half } from "./surface.js";
import * as shape from "./shape.js";
import * as made from "./looks.js";

/** Half the width of the gaps between panels, metres. */
const GAP = 0.0045;
const DOOR_DEPTH = 0.085;

const lerp = (a, b, s) => a + s * (b - a);

/** Half the lower body. @param {number} detail 1 for what is seen, less for what is only counted */
function lowerBody(detail) {
  const [nz, ny, nx] = [86, 17, 15].map((n) => Math.round(n * detail));
  const corner = 0.74;
  const [frontTop, rearTop, bottom] = [0.73, 0.98, 0.19];
  const side = (u, v) => {
    const end = u === 0 || u === 1;
    let z = lerp(shape.rear(corner, rearTop), shape.front(corner, frontTop), u);
    const high = u === 1 ? frontTop : u === 0 ? rearTop : shape.top(shape.width(0.85, z), z);
    const y = lerp(bottom, high, v);
    z = lerp(shape.rear(corner, y), shape.front(corner, y), u);
    return [end ? corner : shape.width(y, z), y, z];
  };
  const top = (u, v) => {
    if (v === 1) return side(u, 1);
    const x = v * side(u, 1)[0];
    const z = lerp(shape.rear(x, rearTop), shape.front(x, frontTop), u);
    return [x, u === 1 ? frontTop : u === 0 ? rearTop : shape.top(x, z), z];
  };
  const end = (where, high) => (u, v) => {
    const y = lerp(bottom, high, u);
    return [corner * v, y, where(corner * v, y)];
  };
  return half([[nz, ny, side], [nz, nx, top], [ny, nx, end(shape.front, frontTop)], [ny, nx, end(shape.rear, rearTop)]], shape.body);
}

function greenhouse(detail) {
  const [nz, ny, nx] = [60, 12, 12].map((n) => Math.round(n * detail));
  const [edge, low, high, back] = [0.62, 0.86, 1.37, -2.08];
  const side = (u, v) => {
    let z = lerp(back, shape.screen(edge, high), u);
    const up = u === 1 ? high : shape.roof(shape.sideGlass(1.3, z), z);
    const y = lerp(low, Math.max(low + 0.05, up), v);
    z = lerp(back, shape.screen(edge, y), u);
    return [u === 1 ? edge : shape.sideGlass(y, z), y, z];
  };
  const top = (u, v) => {
    if (v === 1) return side(u, 1);
    const x = v * side(u, 1)[0];
    const z = lerp(back, shape.screen(x, high), u);
    return [x, u === 1 ? high : shape.roof(x, z), z];
  };
  const screen = (u, v) => [edge * v, lerp(low, high, u), shape.screen(edge * v, lerp(low, high, u))];
  return half([[nz, ny, side], [nz, nx, top], [ny, nx, screen]], shape.greenhouse);
}

const inward = (depth) => (p, n) => p.map((v, k) => v - depth * n[k]);
const sideways = (depth) => (p) => [Math.max(0.02, p[0] - depth), p[1], p[2]];

/** A panel with its edge, its distance function shifted by the gap: [panel, rest with the gap taken out]. */
function cutPanel(mesh, f) {
  const [panel, others] = split(mesh, (x, y, z) => f(x, y, z) + GAP);
  return [panel, outside(others, (x, y, z) => f(x, y, z) - GAP)];
}

const onOutline = (f, shift) => (p) => Math.abs(f(p[0], p[1], p[2]) - shift) < 0.012;

/** One door: frame and skin, pane, inner card. @returns {{solid: any[], glass: any[]}} */
function door(panel, { outline, pane, hinge }, detail) {
  const [glass, skin] = split(panel, pane);
  const [seal, sheet] = split(skin, (x, y, z) => pane(x, y, z) - 0.014);
  const solid = [[made.PAINT, sheet], [made.RUBBER, seal]];
  const onEdge = onOutline(outline, -GAP);
  // The edge all round, as deep as the door below the belt and as the frame above it.
  const depth = (p) => lerp(DOOR_DEPTH, 0.045, Math.min(1, Math.max(0, (p[1] - 0.88) / 0.08)));
  const shell = join(sheet, seal);
  solid.push([made.JAMB, skirt(join(shell, glass), (p) => sideways(depth(p))(p), onEdge)]);
  solid.push([made.RUBBER, skirt(shell, inward(0.02), onOutline(pane, 0))]);
  // Inside: the same sheet moved in and turned round, dark card below the belt, frame above it.
  const inner = flip(moved(join(sheet, seal), (p) => sideways(depth(p))(p)));
  const [frame, card] = split(inner, (x, y) => 0.945 - y);
  const [soft, hard] = split(card, (x, y, z) => Math.max(Math.abs(y - 0.74) - 0.09, outline(x + DOOR_DEPTH, y, z) + 0.07));
  solid.push([made.CABIN, frame], [made.CARD, hard], [made.CARD_SOFT, soft]);
  if (detail >= made.FITTED) solid.push(...doorFittings(hinge));
  return { solid, glass: [[made.GLASS, moved(glass, inward(0.007))]] };
}

function doorFittings(hinge) {
  const rear = hinge.z < 0;
  const z = rear ? -0.98 : 0.045;
  const x = shape.width(0.815, z);
  const inner = shape.width(0.6, z) - DOOR_DEPTH;
  const middle = hinge.z - 0.52;
  return [
    [made.PAINT, box(x + 0.012, 0.825, z, 0.012, 0.0135, 0.105, 0.012)],
    [made.GAP, box(x - 0.002, 0.822, z, 0.006, 0.028, 0.085, 0.006)],
    [made.CARD, box(inner - 0.035, 0.655, middle, 0.035, 0.025, 0.22, 0.02)],
    [made.CHROME, box(inner - 0.012, 0.8, middle + 0.16, 0.012, 0.012, 0.05, 0.008)],
    [made.TRIM, box(inner - 0.002, 0.42, hinge.z - 0.25, 0.01, 0.07, 0.09, 0.01)],
  ];
}

/** The wing mirror, on the front door. @param {number} detail */
function wingMirror(detail) {
  const at = [0.965, 1.005, 0.715];
  const most = box.most;
  box.most = detail === 1 ? 4 : 2; // sharp edges do for seats behind glass, not for this
  const shell = moved(box(...at, 0.105, 0.066, 0.062, 0.058, 4), (p) => [p[0], p[1], p[2] - 0.25 * (p[0] - at[0]) - 0.06 * Math.abs(p[1] - at[1])]);
  box.most = most;
  const [glassy, body] = split(shell, (x, y, z) => z + 0.25 * (x - at[0]) - at[2] + 0.056);
  return [[made.PAINT, body], [made.MIRROR, glassy], [made.TRIM, box(0.855, 0.965, 0.73, 0.05, 0.02, 0.03, 0.018)]];
}

/**
 * @param {number} detail
 * @returns the half skin: `body`, `front`, `rear` (doors) and `hood`, each {solid, glass}
 */
export function halfSkin(detail) {
  const low = outside(lowerBody(detail), (x, y, z) => Math.max(shape.greenhouse(x, y, z) + 0.002, shape.top(x, z) - 0.09 - y));
  const high = outside(greenhouse(detail), (x, y, z) => shape.body(x, y, z) + 0.002);
  let shell = outside(join(low, high), shape.arch);
  const parts = {};
  const jambs = [];
  const holes = [];
  for (const name of ["front", "rear"]) {
    const { outline } = shape.DOORS[name];
    const [panel, rest] = cutPanel(shell, outline);
    shell = rest;
    parts[name] = door(panel, shape.DOORS[name], detail);
    holes.push(outline);
  }
  const [hoodPanel, rest] = cutPanel(shell, shape.hood);
  shell = rest;
  const nearHole = (p) => holes.some((f) => onOutline(f, GAP)(p));
  const openings = skirt(shell, (p) => sideways(p[1] > 0.93 ? 0.06 : 0.13)(p), nearHole);
  jambs.push([made.JAMB, openings]);
  jambs.push([made.JAMB, skirt(shell, (p) => [p[0] - Math.sign(p[0]) * 0.012, p[1] - 0.05, p[2]], onOutline(shape.hood, GAP))]);
  jambs.push([made.WELL, skirt(shell, sideways(0.09), onOutline(shape.arch, 0))]);
  parts.hood = hood(hoodPanel);
  parts.body = bodySkin(shell, detail);
  parts.body.solid.push(...jambs);
  if (detail >= made.FITTED) parts.front.solid.push(...wingMirror(detail));
  return parts;
}

function hood(panel) {
  const under = flip(moved(panel, (p, n) => inward(0.028)(p, n)));
  const [pad, frame] = split(under, (x, y, z) => shape.hood(x, y, z) + 0.16);
  return {
    solid: [[made.PAINT, panel], [made.JAMB, skirt(panel, inward(0.028), onOutline(shape.hood, -GAP))], [made.JAMB, frame], [made.PAD, moved(pad, (p) => [p[0], p[1] - 0.012, p[2]])]],
    glass: [],
  };
}

/** What does not move: glass, lights, grilles, gaps and trim are cut out of the shell one after the other. */
function bodySkin(shell, detail) {
  const solid = [];
  const glass = [];
  const take = (f, look) => {
    const [piece, others] = split(shell, f);
    shell = others;
    if (look) solid.push([look, piece]);
    return piece;
  };
  const takeLine = (f) => {
    const [piece, others] = split(shell, (x, y, z) => f(x, y, z) - GAP);
    const [middle, line] = split(piece, (x, y, z) => f(x, y, z) + GAP);
    solid.push([made.GAP, line]);
    shell = join(others, middle);
  };
  for (const f of [shape.windscreen, shape.rearScreen]) {
    glass.push([made.GLASS, take(f)]);
    take((x, y, z) => f(x, y, z) - 0.028, made.TRIM);
  }
  take(shape.cowl, made.PLASTIC);
  if (detail === 1) for (const f of [shape.daylamp, shape.bar, shape.taillight, shape.upperGrille]) shell = refine(shell, f, 0.034);
  take(shape.daylamp, made.DAYLAMP);
  take((x, y, z) => shape.headlight(x, y, z) + 0.035, made.REFLECTOR);
  take(shape.headlight, made.LENS);
  take((x, y, z) => shape.headlight(x, y, z) - 0.006, made.GAP);
  take(shape.bar, made.TAILBAR);
  take((x, y, z) => shape.taillight(x, y, z) + 0.02, made.TAILBAR);
  take(shape.taillight, made.TAIL);
  take((x, y, z) => shape.taillight(x, y, z) - 0.006, made.GAP);
  for (const f of [shape.grille, shape.upperGrille, shape.intake]) {
    take(f, made.MESH);
    take((x, y, z) => f(x, y, z) - 0.012, made.TRIM);
  }
  takeLine(shape.lid);
  take(shape.skirtline, made.PLASTIC);
  solid.push([made.PAINT, shell]);
  return { solid, glass };
}

/** The whole of a part that crosses the middle. */
export const whole = (pairs) => pairs.map(([look, mesh]) => [look, join(mesh, mirror(mesh))]);
export const mirrored = (pairs) => pairs.map(([look, mesh]) => [look, mirror(mesh)]);
