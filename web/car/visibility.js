// Counts the pixels that show the state of each part. Knows poses and the camera, and nothing of looks.

import * as THREE from "three";
import { PARTS } from "./look.js";
import { carObject } from "./assemble.js";

/** Width of the small picture; counts are scaled up to the canvas. */
const WIDTH = 160;
const MAX_HEIGHT = 240;
/** Each pixel is one byte: the part seen there as it is (1 to 5, 0 for none) in these bits, ... */
const SEEN = 7;
/** ... and for each part a bit, this one moved up by its place: it would be seen there in its other place. */
const ELSEWHERE = 8;

const VERTEX = "void main() { gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.); }";
const FRAGMENT = "uniform float id; void main() { gl_FragColor = vec4(id / 255., 0., 0., 1.); }";

/**
 * Draws parts as numbers: first all as they are, then each part in its other place, tested against the depth of all.
 * A pixel shows the state of a part when the part is seen there, or would be if it alone were in the other place.
 *
 * The part as it is may hide itself in its other place, and that changes nothing: where it does, it is itself seen.
 * So one drawing of the car and one more of its five parts count the same pixels as six of the whole car.
 * Glass is not drawn: what is seen through a window counts.
 */
export class Visibility {
  constructor(renderer, model, camera) {
    this.renderer = renderer;
    this.camera = camera;
    const parts = Object.fromEntries(PARTS.map((name) => [name, model[name]]));
    // What lies under a part hides no part, but would stick out through the hood in its other place.
    const outer = Object.fromEntries(Object.entries(model).filter(([, part]) => !part.under));
    this.car = carObject(outer, { solid: new THREE.Material() });
    this.others = carObject(parts, { solid: new THREE.Material() });
    for (const group of this.car.root.children) for (const mesh of group.children) mesh.material = numbered(PARTS.indexOf(group.name) + 1);
    for (const group of this.others.root.children) {
      const place = PARTS.indexOf(group.name);
      for (const mesh of group.children) mesh.material = added(ELSEWHERE << place, place + 1);
    }
    this.scene = new THREE.Scene().add(this.car.root);
    this.otherScene = new THREE.Scene().add(this.others.root);
    /** The same plain car, for whoever else wants to draw it cheaply. */
    this.proxy = { scene: this.scene, pose: this.car.pose };
  }

  setDrive(drive) {
    this.car.setDrive(drive);
  }

  /**
   * @param {Record<string, number>} openness
   * @returns {{width: number, height: number, pixels: Uint8Array}} from the lowest row up, bits as above
   */
  draw(openness) {
    const width = WIDTH;
    const height = Math.max(16, Math.min(MAX_HEIGHT, Math.round(WIDTH / this.camera.aspect)));
    if (this.target?.height !== height) {
      this.target?.dispose();
      this.target = new THREE.WebGLRenderTarget(width, height, { format: THREE.RedFormat, type: THREE.UnsignedByteType, stencilBuffer: true });
    }
    const r = this.renderer;
    this.car.pose(openness);
    this.others.pose(Object.fromEntries(PARTS.map((name) => [name, openness[name] > 0.5 ? 0 : 1])));
    r.setRenderTarget(this.target);
    r.setClearColor(0x000000, 0);
    r.clear();
    r.render(this.scene, this.camera);
    r.render(this.otherScene, this.camera);
    const pixels = new Uint8Array(width * height);
    r.readRenderTargetPixels(this.target, 0, 0, width, height, pixels);
    r.setRenderTarget(null);
    return { width, height, pixels };
  }

  /** @param {Record<string, number>} openness @param {number} area of the canvas, in pixels */
  count(openness, area) {
    const { pixels } = this.draw(openness);
    const counts = new Array(PARTS.length).fill(0);
    for (const pixel of pixels) {
      if (pixel === 0) continue;
      const seen = pixel & SEEN;
      for (let n = 0; n < PARTS.length; n++) if (seen === n + 1 || pixel & (ELSEWHERE << n)) counts[n]++;
    }
    return Object.fromEntries(PARTS.map((name, n) => [name, Math.round((counts[n] * area) / pixels.length)]));
  }
}

function numbered(id) {
  return new THREE.ShaderMaterial({ vertexShader: VERTEX, fragmentShader: FRAGMENT, uniforms: { id: { value: id } }, side: THREE.DoubleSide });
}

/** Adds its number to what is there, once a pixel: the stencil remembers which part was the last to do so. */
function added(id, part) {
  const material = numbered(id);
  Object.assign(material, {
    depthWrite: false, blending: THREE.CustomBlending, blendEquation: THREE.AddEquation, blendSrc: THREE.OneFactor, blendDst: THREE.OneFactor,
    stencilWrite: true, stencilRef: part, stencilFunc: THREE.NotEqualStencilFunc, stencilZPass: THREE.ReplaceStencilOp,
  });
  return material;
}
