// The car as parts: what does not move, four doors, a hood, and a steering wheel for either side.

import { box } from "./mesh.js";
import { bay, cabin, halfWheels, steering, underside } from "./inner.js";
import { halfSkin, mirrored, whole } from "./skin.js";
import { DOORS, width } from "./shape.js";

const DOOR_ANGLE = { front: 64, rear: 66 };
const HOOD_ANGLE = 52;
const RADIANS = Math.PI / 180;

/**
 * @typedef {[typeof import("./looks.js").PAINT, import("./mesh.js").Mesh][]} Pairs
 * @typedef {object} Part
 * @property {Pairs} solid
 * @property {Pairs} glass
 * @property {{at: number[], axis: number[], angle: number} | null} hinge radians when open
 * @property {string} [drive] shown only where the steering wheel is on this side
 * @property {string} [under] shown only while this part is not shut
 */

/** @param {number} detail 1 for what is seen; about 0.5 for a plain copy that is only counted @returns {Record<string, Part>} */
export function buildCar(detail = 1) {
  box.most = detail === 1 ? 4 : 0;
  const skin = halfSkin(detail);
  const body = [...whole(skin.body.solid), ...whole(halfWheels(detail)), ...cabin(), ...underside()];
  const parts = { body: { solid: body, glass: whole(skin.body.glass), hinge: null } };
  for (const [end, { hinge }] of Object.entries(DOORS)) {
    const at = [width(hinge.y, hinge.z) - 0.035, 0, hinge.z];
    const angle = -DOOR_ANGLE[end] * RADIANS;
    parts[`${end}_left`] = { ...skin[end], hinge: { at, axis: [0, 1, 0], angle } };
    parts[`${end}_right`] = {
      solid: mirrored(skin[end].solid), glass: mirrored(skin[end].glass),
      hinge: { at: [-at[0], 0, at[2]], axis: [0, 1, 0], angle: -angle },
    };
  }
  parts.hood = { solid: whole(skin.hood.solid), glass: [], hinge: { at: [0, 0.93, 1.24], axis: [1, 0, 0], angle: -HOOD_ANGLE * RADIANS } };
  parts.bay = { solid: bay(), glass: [], hinge: null, under: "hood" };
  for (const [drive, side] of [["left", 1], ["right", -1]]) {
    parts[`wheel_${drive}`] = { solid: steering(side, detail), glass: [], hinge: null, drive };
  }
  return parts;
}
