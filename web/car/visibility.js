// Counts the pixels that show the state of each part. Knows poses and the camera, and nothing of looks.

import * as THREE from "three";
import { PARTS } from "./look.js";
import { carObject } from "./assemble.js";

/** Width of one small picture; counts are scaled up to the canvas. */
const WIDTH = 160;
const MAX_HEIGHT = 240;
/** Part n is drawn as (n + 1) * STEP. */
const STEP = 40;

/**
 * Draws parts as numbers, six small pictures in one target: all parts as they are, then each part alone in its other
 * place. A pixel shows the state of a part when the part is seen there, or would be if it were in the other place.
 * Glass is not drawn: what is seen through a window counts.
 */
export class Visibility {
  constructor(renderer, model, camera) {
    this.renderer = renderer;
    this.camera = camera;
    this.material = new THREE.ShaderMaterial({
      vertexShader: "void main() { gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.); }",
      fragmentShader: "uniform float id; void main() { gl_FragColor = vec4(id, 0., 0., 1.); }",
      uniforms: { id: { value: 0 } }, side: THREE.DoubleSide,
    });
    const car = carObject(model, { solid: this.material });
    this.car = car;
    for (const group of car.root.children) {
      const id = ((PARTS.indexOf(group.name) + 1) * STEP) / 255;
      const material = id === 0 ? this.material : this.material.clone();
      material.uniforms.id.value = id;
      for (const mesh of group.children) mesh.material = material;
    }
    this.scene = new THREE.Scene().add(car.root);
    /** The same plain car, for whoever else wants to draw it cheaply. */
    this.proxy = { scene: this.scene, pose: car.pose };
  }

  setDrive(drive) {
    this.car.setDrive(drive);
  }

  /**
   * @param {Record<string, number>} openness
   * @returns {{width: number, height: number, pixels: Uint8Array}} six pictures, one above the other
   */
  draw(openness) {
    const width = WIDTH;
    const height = Math.max(16, Math.min(MAX_HEIGHT, Math.round(WIDTH / this.camera.aspect)));
    const shots = PARTS.length + 1;
    if (this.target?.height !== height * shots) {
      this.target?.dispose();
      this.target = new THREE.WebGLRenderTarget(width, height * shots, { format: THREE.RedFormat, type: THREE.UnsignedByteType });
    }
    const r = this.renderer;
    r.setRenderTarget(this.target);
    r.setClearColor(0x000000, 0);
    this.target.viewport.set(0, 0, width, height * shots);
    this.target.scissorTest = false;
    r.setRenderTarget(this.target);
    r.clear();
    for (let shot = 0; shot < shots; shot++) {
      const name = PARTS[shot - 1];
      this.car.pose(shot === 0 ? openness : { ...openness, [name]: openness[name] > 0.5 ? 0 : 1 });
      this.target.viewport.set(0, shot * height, width, height);
      r.setRenderTarget(this.target);
      r.render(this.scene, this.camera);
    }
    const pixels = new Uint8Array(width * height * shots);
    r.readRenderTargetPixels(this.target, 0, 0, width, height * shots, pixels);
    r.setRenderTarget(null);
    return { width, height, pixels };
  }

  /** @param {Record<string, number>} openness @param {number} area of the canvas, in pixels */
  count(openness, area) {
    const { width, height, pixels } = this.draw(openness);
    const one = width * height;
    const counts = new Array(PARTS.length).fill(0);
    for (let n = 0; n < PARTS.length; n++) {
      const id = (n + 1) * STEP;
      const other = (n + 1) * one;
      for (let i = 0; i < one; i++) if (pixels[i] === id || pixels[other + i] === id) counts[n]++;
    }
    return Object.fromEntries(PARTS.map((name, n) => [name, Math.round((counts[n] * area) / one)]));
  }
}
