// Draws the car in its surroundings, on demand. Knows the canvas, and nothing of the page around it.

import * as THREE from "three";
import { PARTS, PAINTS, DEFAULT_LOOK } from "./look.js";
import { linear, surroundings } from "./world.js";
import { Surroundings } from "./stage.js";
import { carMaterials, setPaint } from "./materials.js";
import { buildCar } from "./model.js";
import { carObject } from "./assemble.js";
import { Visibility } from "./visibility.js";

const RADIANS = Math.PI / 180;
/** What the camera looks at: the middle of the car, a little below its belt. */
export const TARGET = new THREE.Vector3(0, 0.62, 0);
export const LIMITS = { elevation: [-5, 89], distance: [3, 20] };
/** Vertical field of view in degrees of a 4:3 or wider canvas; a narrower one keeps the horizontal field. */
const FIELD = 34;
/** Detail of the plain copy that shadows and visibility are drawn from. */
const COARSE = 0.3;
/** Detail of the car itself where nothing else is asked for: in a small picture software's time goes into triangles. */
const DETAIL = { full: 1, small: 0.6 };
/** Up to so many pixels a picture is small. */
const SMALL = 640 * 480;

/** Whether WebGL runs on the processor, as far as the browser tells. */
function drawnInSoftware() {
  const gl = document.createElement("canvas").getContext("webgl2");
  const named = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = named ? String(gl.getParameter(named.UNMASKED_RENDERER_WEBGL)) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|softpipe|software/i.test(name);
}

export class View {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{antialias: boolean | null, detail: number | null, pixels: number}} options pixels: of the canvas, if they stay
   */
  constructor(canvas, { antialias, detail, pixels }) {
    const software = drawnInSoftware();
    antialias ??= !software; // smooth edges cost software rendering as much again
    this.canvas = canvas;
    this.software = software;
    this.renderer = new THREE.WebGLRenderer({
      canvas, antialias, alpha: false, preserveDrawingBuffer: true, powerPreference: "high-performance",
    });
    this.renderer.autoClear = false;
    this.renderer.toneMapping = THREE.NoToneMapping; // the shaders write what the screen shows
    this.renderer.outputColorSpace = THREE.LinearSRGBColorSpace;
    this.camera = new THREE.PerspectiveCamera(FIELD, 4 / 3, 0.1, 60);
    this.scene = new THREE.Scene();
    this.stage = new Surroundings(this.renderer, software);
    const model = buildCar(detail ?? (software && pixels <= SMALL ? DETAIL.small : DETAIL.full));
    this.materials = carMaterials(this.stage.shared);
    this.car = carObject(model, this.materials);
    this.scene.add(this.car.root, this.stage.backdrop);
    this.visible = new Visibility(this.renderer, buildCar(COARSE), this.camera);
    this.shadowStale = true;
    /** How far each part is open, 0 to 1. @type {Record<string, number>} */
    this.openness = Object.fromEntries(PARTS.map((name) => [name, 0]));
    this.car.pose(this.openness);
    this.aim({ azimuth: 38, elevation: 16, distance: 7.4 });
    this.dress(DEFAULT_LOOK);
  }

  /** @param {number} width CSS pixels @param {number} height @param {number} ratio canvas pixels for each */
  resize(width, height, ratio, { style }) {
    this.renderer.setPixelRatio(ratio);
    this.renderer.setSize(width, height, style);
    const aspect = width / height;
    this.camera.aspect = aspect;
    const across = 2 * Math.atan(Math.tan((FIELD * RADIANS) / 2) * (4 / 3));
    this.camera.fov = aspect >= 4 / 3 ? FIELD : (2 * Math.atan(Math.tan(across / 2) / aspect)) / RADIANS;
    this.camera.updateProjectionMatrix();
  }

  /** Degrees, degrees, metres. Azimuth 0 looks at the front, 90 at the car's own left side. */
  aim({ azimuth, elevation, distance }) {
    const [a, e] = [azimuth * RADIANS, elevation * RADIANS];
    this.camera.position.set(Math.sin(a) * Math.cos(e), Math.sin(e), Math.cos(a) * Math.cos(e)).multiplyScalar(distance).add(TARGET);
    this.camera.lookAt(TARGET);
    this.camera.updateMatrixWorld();
  }

  /** @returns {{azimuth: number, elevation: number, distance: number}} */
  aimed() {
    const d = this.camera.position.clone().sub(TARGET);
    const distance = d.length();
    const round = (v) => Math.round(v * 1e4) / 1e4;
    return {
      azimuth: round((Math.atan2(d.x, d.z) / RADIANS + 360) % 360),
      elevation: round(Math.asin(d.y / distance) / RADIANS),
      distance: round(distance),
    };
  }

  /** @param {import("./look.js").Look} look */
  dress(look) {
    this.lookNow = look;
    const around = surroundings(look);
    this.stage.set(around, look.exposure);
    setPaint(this.materials, linear(PAINTS[look.paint] ?? look.paint), look, around);
    this.car.setDrive(look.drive);
    this.visible.setDrive(look.drive);
    this.shadowStale = true;
  }

  /** @param {Record<string, number>} openness */
  pose(openness) {
    Object.assign(this.openness, openness);
    this.car.pose(this.openness);
    this.shadowStale = true;
  }

  /** Draws one picture. */
  render() {
    if (this.renderer.getContext().isContextLost()) return;
    if (this.shadowStale) {
      this.stage.castShadow(this.visible.proxy, this.openness);
      this.shadowStale = false;
    }
    this.renderer.setRenderTarget(null);
    this.renderer.clear();
    this.renderer.render(this.scene, this.camera);
  }

  /** After a lost context: everything kept on the graphics side is made again. */
  restore() {
    this.stage.forget();
    this.dress(this.lookNow);
  }

  /** Canvas pixels that show the state of each part. @returns {Record<string, number>} */
  visibility() {
    return this.visible.count(this.openness, this.canvas.width * this.canvas.height);
  }
}
