// The car's parts as buffers. Knows nothing of light or of the page.
import { box, join } from "./mesh.js";

const PAINT = { colour: [1, 1, 1], paint: 1, rough: 0.3, metal: 0, ao: 1, glow: 0 };
const DARK = { colour: [0.03, 0.03, 0.035], paint: 0, rough: 0.8, metal: 0, ao: 0.8, glow: 0 };
const GLASS = { colour: [0.02, 0.03, 0.03], paint: 0, rough: 0.05, metal: 0, ao: 1, glow: 0 };

export function buildCar() {
  const parts = { body: { solid: [[PAINT, join(box(0, 0.45, 0, 0.8, 0.15, 2.2, 0.1), box(0, 0.7, -1.6, 0.85, 0.25, 0.6, 0.1))], [DARK, box(0, 0.3, 0, 0.6, 0.05, 2.1)]], glass: [[GLASS, box(0, 1.2, -0.2, 0.7, 0.2, 0.9, 0.1)]], hinge: null } };
  for (const side of [1, -1]) {
    const name = side > 0 ? "left" : "right";
    for (const [end, z] of [["front", 0.45], ["rear", -0.6]]) {
      parts[`${end}_${name}`] = {
        solid: [[PAINT, box(side * 0.87, 0.7, z, 0.04, 0.3, 0.5, 0.03)]], glass: [[GLASS, box(side * 0.8, 1.2, z, 0.02, 0.18, 0.4)]],
        hinge: { at: [side * 0.86, 0, z + 0.5], axis: [0, side, 0], angle: (-65 * Math.PI) / 180 },
      };
    }
  }
  parts.hood = { solid: [[PAINT, box(0, 0.9, 1.6, 0.75, 0.03, 0.6, 0.02)]], glass: [], hinge: { at: [0, 0.9, 1.0], axis: [1, 0, 0], angle: (-55 * Math.PI) / 180 } };
  return parts;
}
