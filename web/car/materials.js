// The car's own shaders: cheap enough for software rendering. Knows nothing of shapes.

import * as THREE from "three";
import { TONE } from "./stage.js";

const VERTEX = /* glsl */ `
attribute vec4 colour; // rgb, glow
attribute vec4 surface; // paint share, roughness, metalness, ambient share
varying vec4 vColour, vSurface; varying vec3 vNormal, vPlace;
void main() {
  vColour = colour; vSurface = surface;
  vec4 place = modelMatrix * vec4(position, 1.);
  vPlace = place.xyz;
  vNormal = mat3(modelMatrix) * normal; // parts only turn and move
  gl_Position = projectionMatrix * viewMatrix * place;
}`;

const FRAGMENT = /* glsl */ `
uniform samplerCube around; uniform vec3 key, keyColour, paint, rimColour; uniform float exposure, glowLevel, levels;
uniform vec3 finish; // roughness, metalness, coat
varying vec4 vColour, vSurface; varying vec3 vNormal, vPlace;
${TONE}
void main() {
  vec3 n = normalize(vNormal);
  vec3 v = normalize(cameraPosition - vPlace);
  bool back = !gl_FrontFacing;
  if (back) n = -n;
  float painted = vSurface.x > .75 ? 1. : 0.;
  float rim = vSurface.x > .25 && vSurface.x < .75 ? 1. : 0.;
  vec3 base = painted > 0. ? paint * vColour.rgb : rim > 0. ? rimColour * vColour.rgb : vColour.rgb;
  float rough = painted > 0. ? finish.x : vSurface.y;
  float metal = painted > 0. ? finish.y : vSurface.z;
  float coat = painted * finish.z;
  float ao = vSurface.w;
  if (back) { base = vec3(.02); metal = 0.; rough = .9; coat = 0.; ao = min(ao, .5); }
  float facing = max(dot(n, v), 0.);
  float edge = pow(1. - facing, 5.);
  vec3 r = reflect(-v, n);
  // The ground close by darkens what looks down at it.
  float lift = clamp(vPlace.y * 1.6 + .25 + .5 * n.y, .25, 1.);
  vec3 soft = textureLod(around, n, levels - 1.5).rgb * ao * lift;
  float lambert = max(dot(n, key), 0.) * mix(1., ao, .8);
  vec3 f0 = mix(vec3(.04), base, metal);
  vec3 diffuse = base * (1. - metal * .75) * (soft + keyColour * lambert * .32);
  vec3 shine = textureLod(around, r, rough * levels).rgb * (f0 + (max(vec3(1. - rough), f0) - f0) * edge);
  vec3 h = normalize(v + key);
  float gloss = 2. / max(.003, rough * rough * rough * rough);
  float spot = pow(max(dot(n, h), 0.), min(gloss, 4000.)) * min(gloss + 2., 300.) * .04 * step(0., dot(n, key));
  vec3 c = diffuse + (shine + f0 * spot * keyColour) * ao;
  if (coat > 0.) {
    float share = coat * (.045 + .95 * edge);
    vec3 top = textureLod(around, r, .3).rgb;
    float glint = pow(max(dot(n, h), 0.), 1500.) * 6. * step(0., dot(n, key));
    c = c * (1. - share) + share * top * ao + coat * glint * keyColour * ao * .5;
  }
  c += vColour.rgb * vColour.a * glowLevel;
  gl_FragColor = vec4(tone(c * exposure), 1.);
}`;

const GLASS_FRAGMENT = /* glsl */ `
uniform samplerCube around; uniform vec3 key, keyColour; uniform float exposure, tint;
varying vec4 vColour, vSurface; varying vec3 vNormal, vPlace;
${TONE}
void main() {
  vec3 n = normalize(vNormal);
  vec3 v = normalize(cameraPosition - vPlace);
  if (dot(n, v) < 0.) n = -n;
  float share = .04 + .9 * pow(1. - max(dot(n, v), 0.), 5.);
  vec3 c = textureLod(around, reflect(-v, n), .4).rgb * share * 1.3;
  c += pow(max(dot(n, normalize(v + key)), 0.), 900.) * keyColour * 2.;
  float cover = clamp(max(share * 1.3, tint), 0., .95);
  c += vColour.rgb * tint * .5;
  gl_FragColor = vec4(tone(c * exposure / cover), cover);
}`;

/** @param {Record<string, {value: unknown}>} shared uniforms of the surroundings */
export function carMaterials(shared) {
  const own = {
    paint: { value: new THREE.Vector3() }, rimColour: { value: new THREE.Vector3() }, finish: { value: new THREE.Vector3() },
    glowLevel: { value: 1 }, tint: { value: 0.25 },
  };
  const uniforms = { ...shared, ...own };
  return {
    own,
    solid: new THREE.ShaderMaterial({ vertexShader: VERTEX, fragmentShader: FRAGMENT, uniforms, side: THREE.DoubleSide }),
    glass: new THREE.ShaderMaterial({
      vertexShader: VERTEX, fragmentShader: GLASS_FRAGMENT, uniforms, side: THREE.DoubleSide, transparent: true, depthWrite: false,
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
