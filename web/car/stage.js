// Draws the surroundings, keeps them as a map for reflections, and casts the car's shadow on the ground.

import * as THREE from "three";
import { MAX_LAMPS, WORLD } from "./world.js";

/**
 * GLSL: linear light to what a screen shows: a filmic curve (after Narkowicz 2015), then sRGB by square roots
 * (after Chilliant 2012), which software rendering does much faster than pow.
 */
export const TONE = /* glsl */ `
vec3 tone(vec3 c) {
  c *= .8;
  c = clamp(c * (2.51 * c + .03) / (c * (2.43 * c + .59) + .14), 0., 1.);
  vec3 a = sqrt(c), b = sqrt(a), d = sqrt(b);
  return max(.662002687 * a + .684122060 * b - .323583601 * d - .0225411470 * c, 0.);
}`;

/**
 * GLSL: where on the map of the surroundings a direction lies. The map is a disc, straight up in its middle and straight
 * down along its rim (the sphere map of OpenGL 1.2, looking up): one cheap look-up, where a cube costs six faces.
 */
export const MAP = /* glsl */ `
vec2 onMap(vec3 d) { return .5 + .496 * d.xz * inversesqrt(max(2. + 2. * d.y, .004)); }`;

/** Side of that map in pixels: less where there is no graphics hardware. */
const MAP_SIZE = { hardware: 256, software: 128 };
/** Side of the shadow's map in pixels, and samples to each side of one that is blurred. */
const SHADOW = { hardware: { size: 256, taps: 7 }, software: { size: 96, taps: 3 } };
/** How far the two shadows are blurred, in sides of the map. */
const SOFT = { sun: 0.02, contact: 0.05 };
/** Half the side of the square of ground that takes a shadow, in metres. */
const REACH = 5;

const SCREEN_VERTEX = /* glsl */ `
varying vec2 vAt; void main() { vAt = position.xy; gl_Position = vec4(position.xy, 1., 1.); }`;

const BEHIND = /* glsl */ `
uniform mat4 unproject; uniform vec3 eye; uniform sampler2D shadow; uniform float exposure;
varying vec2 vAt;
${WORLD}${TONE}
void main() {
  vec4 p = unproject * vec4(vAt, 1., 1.);
  vec3 ray = normalize(p.xyz / p.w - eye);
  float onFloor;
  vec3 c = world(eye, ray, onFloor);
  if (onFloor > 0.) {
    vec3 g = eye - ray * eye.y / ray.y;
    vec2 at = g.xz / ${(2 * REACH).toFixed(1)} + .5;
    vec2 inside = step(abs(at - .5), vec2(.5));
    if (inside.x * inside.y > 0.) {
      vec2 s = texture2D(shadow, at).rg;
      float sunShare = dot(keyColour, vec3(.33)) * max(key.y, 0.) * .32 / (dot(ambient, vec3(.33)) + dot(keyColour, vec3(.33)) * max(key.y, 0.) * .32 + 1e-4);
      float keep = (1. - .92 * s.g * s.g) * (1. - s.r * sunShare * .9);
      c *= mix(1., keep, onFloor);
    }
  }
  gl_FragColor = vec4(tone(c * exposure), 1.);
}`;

const MAP_FRAGMENT = /* glsl */ `
#define LAMPS ${MAX_LAMPS}
uniform vec3 lampAt[LAMPS], lampAcross[LAMPS], lampColour[LAMPS]; uniform vec2 lampSize[LAMPS]; uniform float skyShare;
varying vec2 vAt;
${WORLD}
void main() {
  vec2 q0 = vAt / .992;
  float rr = min(dot(q0, q0), 1.);
  q0 *= inversesqrt(max(dot(q0, q0), 1.));
  vec2 flat_ = q0 * 2. * sqrt(1. - rr);
  vec3 d = vec3(flat_.x, 1. - 2. * rr, flat_.y);
  float onFloor;
  vec3 c = world(vec3(0., .7, 0.), d, onFloor);
  if (d.y >= 0.) c *= skyShare;
  // Under the car and close by the ground is in its own shade.
  c *= mix(1., .55, onFloor * smoothstep(-.25, -.9, d.y));
  for (int i = 0; i < LAMPS; i++) {
    float front = dot(d, lampAt[i]);
    if (front <= 0.) continue;
    vec3 up = cross(lampAt[i], lampAcross[i]);
    vec2 q = abs(vec2(dot(d, lampAcross[i]), dot(d, up))) / front;
    vec2 s = smoothstep(lampSize[i] * 1.12 + .02, lampSize[i] * .9, q);
    c += lampColour[i] * s.x * s.y;
  }
  gl_FragColor = vec4(min(c, vec3(24.)), 1.);
}`;

const FLAT_VERTEX = /* glsl */ `
uniform vec3 lean; // metres along x and z for each metre of height
void main() {
  vec4 p = modelMatrix * vec4(position, 1.);
  vec2 at = (p.xz - lean.xz * max(p.y, 0.)) / ${REACH.toFixed(1)};
  gl_Position = vec4(at, clamp(p.y * .1, -1., 1.), 1.);
}`;

const BLUR_FRAGMENT = /* glsl */ `
uniform sampler2D source; uniform vec2 along; varying vec2 vAt;
void main() {
  vec2 at = vAt * .5 + .5;
  float sum = 0., weight = 0.;
  for (int i = -TAPS; i <= TAPS; i++) {
    float f = float(i) / float(TAPS);
    float w = exp(-2.5 * f * f);
    sum += w * texture2D(source, at + along * f).r;
    weight += w;
  }
  gl_FragColor = vec4(sum / weight);
}`;

const vectors = (n, make) => Array.from({ length: n }, make);

export class Surroundings {
  /** @param {THREE.WebGLRenderer} renderer @param {boolean} software whether the processor does the drawing */
  constructor(renderer, software) {
    this.renderer = renderer;
    const uniform = (value) => ({ value });
    this.world = {
      floorColour: uniform(new THREE.Vector3()), wallColour: uniform(new THREE.Vector3()), skyTop: uniform(new THREE.Vector3()),
      skyHorizon: uniform(new THREE.Vector3()), ambient: uniform(new THREE.Vector3()), key: uniform(new THREE.Vector3()),
      keyColour: uniform(new THREE.Vector3()), night: uniform(0), turn: uniform(0), outdoors: uniform(0), exposure: uniform(1),
    };
    const size = software ? MAP_SIZE.software : MAP_SIZE.hardware;
    this.map = new THREE.WebGLRenderTarget(size, size, {
      type: THREE.HalfFloatType, depthBuffer: false, generateMipmaps: true,
      minFilter: THREE.LinearMipmapNearestFilter, magFilter: THREE.LinearFilter,
    });
    /** What the car's materials read. */
    this.shared = { ...this.world, around: uniform(this.map.texture), levels: uniform(Math.log2(size) - 1) };

    const { size: side, taps } = software ? SHADOW.software : SHADOW.hardware;
    const target = (format) => new THREE.WebGLRenderTarget(side, side, { depthBuffer: false, format, type: THREE.UnsignedByteType });
    /** Red: the sun's shadow. Green: the dark contact under the car, straight down. */
    this.shadow = target(THREE.RGFormat);
    [this.sharp, this.half] = [target(THREE.RedFormat), target(THREE.RedFormat)];
    this.contactOf = ""; // the pose the contact was drawn for: it does not depend on the light
    this.flat = new THREE.ShaderMaterial({
      vertexShader: FLAT_VERTEX, fragmentShader: "void main() { gl_FragColor = vec4(1.); }", side: THREE.DoubleSide,
      depthTest: false, depthWrite: false, uniforms: { lean: uniform(new THREE.Vector3()) },
    });
    this.blur = new THREE.ShaderMaterial({
      vertexShader: SCREEN_VERTEX, fragmentShader: BLUR_FRAGMENT, depthTest: false, depthWrite: false, defines: { TAPS: taps },
      uniforms: { source: uniform(null), along: uniform(new THREE.Vector2()) },
    });
    this.behind = new THREE.ShaderMaterial({
      vertexShader: SCREEN_VERTEX, fragmentShader: BEHIND, depthTest: true, depthWrite: false, defines: { KIND: 0 },
      uniforms: { ...this.world, unproject: uniform(new THREE.Matrix4()), eye: uniform(new THREE.Vector3()), shadow: uniform(this.shadow.texture) },
    });
    this.sphere = new THREE.ShaderMaterial({
      vertexShader: SCREEN_VERTEX, fragmentShader: MAP_FRAGMENT, depthTest: false, depthWrite: false, defines: { KIND: 0 },
      uniforms: {
        ...this.world, skyShare: uniform(1), lampAt: uniform(vectors(MAX_LAMPS, () => new THREE.Vector3(0, 1, 0))),
        lampAcross: uniform(vectors(MAX_LAMPS, () => new THREE.Vector3(1, 0, 0))), lampColour: uniform(vectors(MAX_LAMPS, () => new THREE.Vector3())),
        lampSize: uniform(vectors(MAX_LAMPS, () => new THREE.Vector2(0.1, 0.1))),
      },
    });
    const plane = new THREE.BufferGeometry();
    plane.setAttribute("position", new THREE.Float32BufferAttribute([-1, -1, 0, 3, -1, 0, -1, 3, 0], 3));
    /** Fills what the car leaves free: part of the scene, drawn after all that is solid. */
    this.backdrop = new THREE.Mesh(plane, this.behind);
    this.backdrop.frustumCulled = false;
    this.backdrop.renderOrder = 0.5;
    this.backdrop.onBeforeRender = (_renderer, _scene, camera) => {
      const u = this.behind.uniforms;
      u.unproject.value.multiplyMatrices(camera.matrixWorld, camera.projectionMatrixInverse);
      u.eye.value.copy(camera.position);
    };
    this.screen = new THREE.Mesh(plane, this.blur);
    this.screen.frustumCulled = false;
    this.screenScene = new THREE.Scene().add(this.screen);
    this.noCamera = new THREE.OrthographicCamera();
  }

  /** @param {ReturnType<import("./world.js").surroundings>} around @param {number} exposure */
  set(around, exposure) {
    const w = this.world;
    for (const name of ["skyTop", "skyHorizon", "ambient", "key", "keyColour"]) w[name].value.set(...around[name]);
    w.floorColour.value.set(...around.floor);
    w.wallColour.value.set(...around.wall);
    for (const name of ["night", "turn", "outdoors"]) w[name].value = around[name];
    w.exposure.value = exposure;
    this.backdrop.material = this.ofKind(this.behind, around.kind);
    const u = this.sphere.uniforms;
    u.skyShare.value = around.sky;
    for (let i = 0; i < MAX_LAMPS; i++) {
      const lamp = around.lamps[i];
      u.lampColour.value[i].set(...(lamp?.colour ?? [0, 0, 0]));
      if (!lamp) continue;
      u.lampAt.value[i].set(...lamp.direction);
      u.lampAcross.value[i].set(...lamp.across);
      u.lampSize.value[i].set(...lamp.size);
    }
    this.screen.material = this.ofKind(this.sphere, around.kind);
    this.renderer.setRenderTarget(this.map);
    this.renderer.render(this.screenScene, this.noCamera);
    this.renderer.setRenderTarget(null);
  }

  /**
   * A material for one kind of surroundings. One for each is kept: a material that changes its kind has its program
   * thrown away and compiled anew, which takes longer than drawing.
   * @param {THREE.ShaderMaterial} material @param {number} kind
   */
  ofKind(material, kind) {
    if (material.defines.KIND === kind) return material;
    const kinds = (material.userData.kinds ??= new Map());
    if (!kinds.has(kind)) {
      const twin = material.clone();
      twin.uniforms = material.uniforms;
      twin.defines = { ...material.defines, KIND: kind };
      kinds.set(kind, twin);
    }
    return kinds.get(kind);
  }

  /** @param {{scene: THREE.Scene, pose: (openness: Record<string, number>) => void}} proxy */
  castShadow(proxy, openness) {
    proxy.pose(openness);
    const key = this.world.key.value;
    const slope = Math.min(2.2, Math.hypot(key.x, key.z) / Math.max(key.y, 0.05));
    const length = Math.hypot(key.x, key.z) || 1;
    this.flatten(proxy.scene, (key.x / length) * slope, (key.z / length) * slope, SOFT.sun, [true, false]);
    const pose = JSON.stringify(openness);
    if (pose === this.contactOf) return;
    this.flatten(proxy.scene, 0, 0, SOFT.contact, [false, true]);
    this.contactOf = pose;
  }

  /** Everything made on the graphics side is gone: draw it all again. */
  forget() {
    this.contactOf = "";
  }

  /** The scene flattened on the ground, leaning so far along x and z for each metre of height, blurred, into one channel. */
  flatten(scene, x, z, soft, [red, green]) {
    const r = this.renderer;
    r.setRenderTarget(this.sharp);
    r.setClearColor(0x000000, 0);
    r.clear();
    this.flat.uniforms.lean.value.set(x, 0, z);
    scene.overrideMaterial = this.flat;
    r.render(scene, this.noCamera);
    scene.overrideMaterial = null;
    this.screen.material = this.blur;
    this.blur.uniforms.source.value = this.sharp.texture;
    this.blur.uniforms.along.value.set(soft, 0);
    r.setRenderTarget(this.half);
    r.render(this.screenScene, this.noCamera);
    this.blur.uniforms.source.value = this.half.texture;
    this.blur.uniforms.along.value.set(0, soft);
    r.setRenderTarget(this.shadow);
    const gl = r.getContext(); // three.js masks all channels or none
    gl.colorMask(red, green, false, false);
    r.render(this.screenScene, this.noCamera);
    gl.colorMask(true, true, true, true);
    r.setRenderTarget(null);
  }
}
