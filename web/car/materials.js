// The car's own shaders: cheap enough for software rendering. Knows nothing of shapes.

import * as THREE from "three";
import { MAP, TONE } from "./stage.js";

const VERTEX = /* glsl */ `
attribute vec4 colour; // rgb, glow
attribute vec4 surface; // paint share, roughness, metalness, ambient share
uniform sampler2D around; uniform vec3 key, keyColour, paint, rimColour, finish; uniform float levels, glowLevel;
centroid varying vec3 vNormal, vPlace, vShine, vGlow, vKind; centroid varying vec4 vDiffuse;
${MAP}
void main() {
  vec4 place = modelMatrix * vec4(position, 1.);
  vPlace = place.xyz;
  vec3 n = mat3(modelMatrix) * normal; // parts only turn and move
  vNormal = n;
  bool painted = surface.x > .75, rim = surface.x > .25 && surface.x < .75;
  vec3 base = colour.rgb * (painted ? paint : rim ? rimColour : vec3(1.));
  float metal = painted ? finish.y : surface.z;
  float rough = painted ? finish.x : surface.y;
  // Soft light comes from the most blurred surroundings; the ground close by darkens what looks down at it.
  float lift = clamp(vPlace.y * 1.6 + .25 + .5 * n.y, .25, 1.);
  vDiffuse = vec4(base * (1. - metal * .75), surface.w);
  vShine = mix(vec3(.04), base, metal);
  vGlow = vDiffuse.rgb * textureLod(around, onMap(n), levels - 2.).rgb * surface.w * lift + colour.rgb * colour.a * glowLevel;
  vKind = vec3(rough, painted ? finish.z : 0., surface.w);
  gl_Position = projectionMatrix * viewMatrix * place;
}`;

const FRAGMENT = /* glsl */ `
uniform sampler2D around; uniform vec3 key, keyColour; uniform float exposure, levels;
centroid varying vec3 vNormal, vPlace, vShine, vGlow, vKind; centroid varying vec4 vDiffuse;
${MAP}${TONE}
void main() {
  if (!gl_FrontFacing) { // the inside of a sheet: lining
    gl_FragColor = vec4(tone(vec3(dot(vGlow, vec3(.33)) * exposure * .12)), 1.);
    return;
  }
  vec3 n = normalize(vNormal);
  vec3 v = normalize(cameraPosition - vPlace);
  float rough = vKind.x, coat = vKind.y, ao = vKind.z;
  float facing = max(dot(n, v), .07); // at the very rim a reflection would sparkle
  float e = 1. - facing, edge = e * e; edge = edge * edge * e;
  vec3 r = 2. * dot(n, v) * n - v;
  vec2 at = onMap(r);
  float lambert = max(dot(n, key), 0.);
  // One highlight for the base and one for the coat (GGX, Walter et al. 2007, without its masking term).
  float nh = max(dot(n, normalize(v + key)), 0.);
  float a2 = max(rough * rough * rough * rough, .0004);
  float d = nh * nh * (a2 - 1.) + 1.;
  float spot = lambert * min(a2 / (12.57 * d * d), 12.);
  vec3 shine = textureLod(around, at, floor(rough * levels + .5)).rgb * (vShine + max(1. - rough - vShine, 0.) * edge);
  vec3 c = vGlow + vDiffuse.rgb * keyColour * lambert * .32 * mix(1., ao, .8) + (shine + vShine * spot * keyColour) * ao;
  if (coat > 0.) {
    float share = coat * (.045 + .95 * edge);
    d = nh * nh * (.0006 - 1.) + 1.;
    float glint = lambert * min(.0006 / (12.57 * d * d), 20.);
    c = c * (1. - share) + share * (textureLod(around, at, 0.).rgb + glint * keyColour) * ao;
  }
  gl_FragColor = vec4(tone(c * exposure), 1.);
}`;

const GLASS_VERTEX = /* glsl */ `
centroid varying vec3 vNormal, vPlace;
void main() {
  vec4 place = modelMatrix * vec4(position, 1.);
  vPlace = place.xyz;
  vNormal = mat3(modelMatrix) * normal;
  gl_Position = projectionMatrix * viewMatrix * place;
}`;

const GLASS_FRAGMENT = /* glsl */ `
uniform sampler2D around; uniform vec3 key, keyColour; uniform float exposure, tint;
centroid varying vec3 vNormal, vPlace;
${MAP}${TONE}
void main() {
  vec3 n = normalize(vNormal);
  vec3 v = normalize(cameraPosition - vPlace);
  if (dot(n, v) < 0.) n = -n;
  float e = 1. - dot(n, v);
  float share = .04 + .9 * e * e * e * e * e;
  float nh = max(dot(n, normalize(v + key)), 0.);
  float d = nh * nh * (.001 - 1.) + 1.;
  vec3 c = textureLod(around, onMap(2. * dot(n, v) * n - v), 0.).rgb * share * 1.3 + min(.001 / (12.57 * d * d), 12.) * keyColour * share;
  float cover = clamp(max(share * 1.3, tint), 0., .95);
  gl_FragColor = vec4(tone(c * exposure / cover), cover);
}`;

/** @param {Record<string, {value: unknown}>} shared uniforms of the surroundings */
export function carMaterials(shared) {
  const own = {
    paint: { value: new THREE.Vector3() }, rimColour: { value: new THREE.Vector3() }, finish: { value: new THREE.Vector3() },
    glowLevel: { value: 1 }, tint: { value: 0.25 },
  };
  const uniforms = { ...shared, ...own };
  const solid = new THREE.ShaderMaterial({ vertexShader: VERTEX, fragmentShader: FRAGMENT, uniforms, side: THREE.DoubleSide });
  const closed = new THREE.ShaderMaterial({ vertexShader: VERTEX, fragmentShader: FRAGMENT, uniforms, side: THREE.FrontSide });
  return {
    own,
    solid,
    closed, // half its triangles look away, and cost nothing
    glass: new THREE.ShaderMaterial({
      vertexShader: GLASS_VERTEX, fragmentShader: GLASS_FRAGMENT, uniforms, side: THREE.DoubleSide, transparent: true, depthWrite: false,
    }),
  };
}

const FINISH = { gloss: [0.5, 0, 1], metallic: [0.36, 0.55, 1], satin: [0.45, 0.25, 0.15] };
const RIM = { silver: [0.62, 0.63, 0.65], dark: [0.045, 0.046, 0.05], "two-tone": [0.25, 0.25, 0.26] };

/** @param {ReturnType<typeof carMaterials>} materials @param {number[]} paint linear @param {import("./look.js").Look} look */
export function setPaint(materials, paint, look, around) {
  materials.own.paint.value.set(...paint);
  materials.own.finish.value.set(...FINISH[look.finish]);
  materials.own.rimColour.value.set(...RIM[look.rims]);
  materials.own.glowLevel.value = 0.6 + 2.4 * around.night;
  materials.own.tint.value = look.tint;
}
