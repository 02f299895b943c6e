// Turns the model's parts into three.js objects that hinge. Knows nothing of what they look like.

import * as THREE from "three";

const byte = (v) => Math.round(255 * Math.min(1, Math.max(0, v)));

/** Pairs of surface and mesh as one buffer, moved so that `at` is its origin. */
function geometry(pairs, at) {
  pairs = [...pairs].sort((a, b) => b[0].paint - a[0].paint); // the skin hides what is inside: draw it first
  let [vertices, indices] = [0, 0];
  for (const [, mesh] of pairs) {
    vertices += mesh.p.length / 3;
    indices += mesh.t.length;
  }
  const position = new Float32Array(3 * vertices);
  const normal = new Int16Array(4 * vertices);
  const colour = new Uint8Array(4 * vertices);
  const surface = new Uint8Array(4 * vertices);
  const index = new Uint32Array(indices);
  let [v, i] = [0, 0];
  for (const [look, mesh] of pairs) {
    const base = v;
    for (let k = 0; k < mesh.p.length; k += 3, v++) {
      for (let q = 0; q < 3; q++) {
        position[3 * v + q] = mesh.p[k + q] - at[q];
        normal[4 * v + q] = Math.round(32767 * mesh.n[k + q]);
      }
      colour.set([byte(look.colour[0]), byte(look.colour[1]), byte(look.colour[2]), byte(look.glow)], 4 * v);
      surface.set([byte(look.paint), byte(look.rough), byte(look.metal), byte(look.ao)], 4 * v);
    }
    for (const t of mesh.t) index[i++] = base + t;
  }
  const out = new THREE.BufferGeometry();
  out.setAttribute("position", new THREE.BufferAttribute(position, 3));
  const normals = new THREE.InterleavedBuffer(normal, 4);
  out.setAttribute("normal", new THREE.InterleavedBufferAttribute(normals, 3, 0, true));
  out.setAttribute("colour", new THREE.BufferAttribute(colour, 4, true));
  out.setAttribute("surface", new THREE.BufferAttribute(surface, 4, true));
  out.setIndex(new THREE.BufferAttribute(index, 1));
  return out;
}

/**
 * @param {ReturnType<import("./model.js").buildCar>} model
 * @param {{solid: THREE.Material, closed?: THREE.Material, glass?: THREE.Material}} materials glass is left out where there
 * is none; `closed` is for what is never seen from behind
 */
export function carObject(model, materials) {
  const root = new THREE.Group();
  const pivots = {};
  const wheels = {};
  const hidden = [];
  for (const [name, part] of Object.entries(model)) {
    const at = part.hinge?.at ?? [0, 0, 0];
    const group = new THREE.Group();
    group.position.set(...at);
    group.name = name;
    const closed = ([look]) => look.closed && Boolean(materials.closed);
    const pairs = { closed: part.solid.filter(closed), solid: part.solid.filter((pair) => !closed(pair)), glass: part.glass };
    for (const kind of ["closed", "solid", "glass"]) {
      if (!materials[kind] || pairs[kind].length === 0) continue;
      const mesh = new THREE.Mesh(geometry(pairs[kind], at), materials[kind]);
      mesh.frustumCulled = false;
      mesh.renderOrder = kind === "glass" ? 1 : part.hinge ? 0 : 0.2; // doors hide the cabin: draw them first
      group.add(mesh);
    }
    root.add(group);
    if (part.hinge) pivots[name] = { group, axis: new THREE.Vector3(...part.hinge.axis), angle: part.hinge.angle };
    if (part.under) hidden.push([part.under, group]);
    if (part.drive) wheels[part.drive] = group;
  }
  return {
    root,
    /** @param {Record<string, number>} openness 0 to 1 for each part */
    pose(openness) {
      for (const [name, pivot] of Object.entries(pivots)) {
        pivot.group.quaternion.setFromAxisAngle(pivot.axis, pivot.angle * (openness[name] ?? 0));
      }
      for (const [cover, group] of hidden) group.visible = (openness[cover] ?? 0) > 0;
      root.updateMatrixWorld(true);
    },
    /** Shows the steering wheel of that side. @param {string} drive left, right or none */
    setDrive(drive) {
      for (const [side, group] of Object.entries(wheels)) group.visible = side === drive;
    },
  };
}
