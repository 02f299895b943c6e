// The surroundings: sky, ground and lights, as numbers and as one GLSL function. Knows nothing of the car.

import { BACKGROUNDS, hex } from "./look.js";

const RADIANS = Math.PI / 180;
export const MAX_LAMPS = 6;

const mix = (a, b, s) => a.map((v, k) => v + s * (b[k] - v));
const step = (a, b, x) => {
  const s = Math.min(1, Math.max(0, (x - a) / (b - a)));
  return s * s * (3 - 2 * s);
};
const scaled = (a, s) => a.map((v) => v * s);

/** sRGB hex to linear numbers. @param {string} text */
export function linear(text) {
  return [1, 3, 5].map((at) => {
    const v = parseInt(text.slice(at, at + 2), 16) / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  });
}

const direction = (azimuth, elevation) => [
  Math.sin(azimuth * RADIANS) * Math.cos(elevation * RADIANS),
  Math.sin(elevation * RADIANS),
  Math.cos(azimuth * RADIANS) * Math.cos(elevation * RADIANS),
];

/** Sun and sky at an hour of the day. @param {number} time */
function daylight(time) {
  const height = 64 * Math.sin(((time - 6) / 12) * Math.PI);
  const day = step(-4, 18, height);
  const dusk = step(-10, 2, height) * (1 - step(8, 30, height));
  let top = mix([0.012, 0.018, 0.045], [0.1, 0.26, 0.62], day);
  let horizon = mix([0.06, 0.065, 0.1], [0.55, 0.7, 0.88], day);
  horizon = mix(horizon, [1.0, 0.42, 0.16], 0.75 * dusk);
  top = mix(top, [0.16, 0.16, 0.34], 0.4 * dusk);
  const sun = scaled(mix([1.0, 0.42, 0.15], [1.0, 0.95, 0.86], step(0, 30, height)), 3.2 * step(-3, 8, height));
  // At night the moon stands in for the sun: dim, blue, high enough to show the car.
  const moon = scaled([0.35, 0.45, 0.7], 0.9 * (1 - day));
  return {
    height, day, dusk, top, horizon,
    key: sun.map((v, k) => Math.max(v, moon[k])),
    azimuth: (time - 12) * 15,
    elevation: height > 3 ? height : Math.max(8, 40 - Math.abs(height) * 0.2),
    tint: mix(mix([0.42, 0.5, 0.78], [1, 1, 1], day), [1.08, 0.84, 0.66], 0.6 * dusk),
  };
}

/**
 * Light set-ups: lamps are soft boxes seen only in reflections, `key` a lamp that also casts the shadow.
 * A lamp: azimuth, elevation, half width, half height (all degrees), colour.
 */
const SETUPS = {
  studio: {
    ambient: [0.62, 0.64, 0.68], key: { azimuth: 40, elevation: 62, colour: [1.1, 1.08, 1.02] }, sky: 0.7,
    lamps: [[0, 88, 70, 16, [5, 5, 5.2]], [75, 32, 12, 26, [3.2, 3.2, 3.4]], [-75, 32, 12, 26, [2.6, 2.7, 3]], [180, 34, 30, 9, [2.4, 2.4, 2.4]]],
  },
  natural: { ambient: [0.5, 0.5, 0.5], key: null, sky: 1, lamps: [] },
  overcast: {
    ambient: [0.8, 0.84, 0.9], key: { azimuth: 10, elevation: 80, colour: [0.35, 0.36, 0.38] }, sky: 1,
    lamps: [[0, 90, 80, 70, [0.9, 0.95, 1.0]]], flat: true,
  },
  side: {
    ambient: [0.28, 0.29, 0.32], key: { azimuth: 82, elevation: 24, colour: [2.2, 2.1, 1.9] }, sky: 0.45,
    lamps: [[82, 26, 20, 22, [7, 6.8, 6.2]], [-120, 40, 8, 20, [0.7, 0.8, 1]]],
  },
  rim: {
    ambient: [0.2, 0.21, 0.25], key: { azimuth: 168, elevation: 38, colour: [1.9, 1.95, 2.2] }, sky: 0.35,
    lamps: [[150, 36, 10, 30, [6, 6.4, 7]], [-150, 36, 10, 30, [6, 6.4, 7]], [0, 85, 40, 6, [1.6, 1.6, 1.8]]],
  },
  warm: {
    ambient: [0.56, 0.46, 0.36], key: { azimuth: -50, elevation: 34, colour: [2.0, 1.3, 0.7] }, sky: 0.7,
    lamps: [[-50, 36, 22, 14, [6, 3.9, 2.0]], [120, 50, 16, 16, [1.6, 1.2, 0.9]], [30, 85, 50, 10, [1.8, 1.5, 1.1]]],
  },
  neon: {
    ambient: [0.2, 0.18, 0.3], key: { azimuth: 20, elevation: 70, colour: [0.5, 0.45, 0.7] }, sky: 0.3,
    lamps: [[70, 18, 40, 3, [8, 0.7, 4.2]], [-70, 18, 40, 3, [0.5, 4.4, 8]], [180, 30, 30, 3, [3.5, 1, 7]], [0, 86, 30, 5, [1.2, 1.2, 1.5]]],
  },
  flash: {
    ambient: [0.34, 0.34, 0.35], key: { azimuth: 6, elevation: 28, colour: [1.9, 1.9, 1.95] }, sky: 0.5,
    lamps: [[4, 27, 7, 7, [16, 16, 16.5]], [-170, 60, 20, 20, [0.6, 0.6, 0.65]]],
  },
};

/** What each background is made of: its floor and wall colours, and how far daylight reaches into it. */
const PLACES = {
  studio: { kind: 0, floor: [0.42, 0.43, 0.45], wall: [0.5, 0.52, 0.55], outdoors: 0 },
  showroom: { kind: 1, floor: [0.3, 0.3, 0.31], wall: [0.62, 0.62, 0.6], outdoors: 0.1 },
  street: { kind: 2, floor: [0.11, 0.112, 0.118], wall: [0.36, 0.3, 0.26], outdoors: 1 },
  garage: { kind: 3, floor: [0.2, 0.2, 0.195], wall: [0.33, 0.33, 0.32], outdoors: 0 },
  desert: { kind: 4, floor: [0.5, 0.36, 0.22], wall: [0.34, 0.22, 0.16], outdoors: 1 },
  meadow: { kind: 4, floor: [0.1, 0.19, 0.05], wall: [0.07, 0.13, 0.08], outdoors: 1 },
  wall: { kind: 5, floor: [0.3, 0.29, 0.28], wall: [0.42, 0.2, 0.14], outdoors: 0.8 },
  tiles: { kind: 6, floor: [0.5, 0.49, 0.46], wall: [0.46, 0.5, 0.52], outdoors: 0.2 },
  checker: { kind: 7, floor: [0.62, 0.62, 0.6], wall: [0.08, 0.08, 0.085], outdoors: 0.1 },
  white: { kind: 8, floor: [0.92, 0.92, 0.92], wall: [0.92, 0.92, 0.92], outdoors: 0 },
  grey: { kind: 8, floor: [0.3, 0.3, 0.3], wall: [0.3, 0.3, 0.3], outdoors: 0 },
  black: { kind: 8, floor: [0.026, 0.026, 0.029], wall: [0.022, 0.022, 0.025], outdoors: 0 },
};

/**
 * The numbers of a look's surroundings.
 * @param {import("./look.js").Look} look
 */
export function surroundings(look) {
  const plain = BACKGROUNDS.includes(look.background) ? null : linear(hex(look.background));
  const place = plain ? { kind: 8, floor: plain, wall: plain, outdoors: 0 } : PLACES[look.background];
  const setup = SETUPS[look.light];
  const sky = daylight(look.time);
  const tint = mix([1, 1, 1], sky.tint, 0.45 + 0.55 * place.outdoors);
  const bright = 0.55 + 0.45 * sky.day;
  const own = setup.key ?? { azimuth: sky.azimuth, elevation: sky.elevation, colour: scaled(sky.key, place.outdoors > 0.5 ? 1 : 0.55) };
  const level = setup.key ? bright + (1 - bright) * 0.6 : 1;
  const outdoorLevel = 0.12 + 0.88 * Math.max(sky.day, 0.35 * sky.dusk);
  const grey = setup.flat ? 0.75 : 0;
  const pale = (c) => mix(c, [0.62, 0.66, 0.7].map((v) => v * outdoorLevel), grey);
  const ambient = mix(
    setup.ambient.map((v, k) => v * tint[k] * level),
    scaled(mix(sky.top, sky.horizon, 0.6), 1.3),
    setup.key ? 0.3 * place.outdoors : 0.35 + 0.6 * place.outdoors,
  );
  // However dark it is, an eye or a camera still makes out the car.
  const least = Math.max(1, 0.32 / (0.3 * ambient[0] + 0.5 * ambient[1] + 0.2 * ambient[2]));
  return {
    kind: place.kind,
    floor: place.floor,
    wall: place.wall,
    skyTop: pale(sky.top),
    skyHorizon: pale(sky.horizon),
    sky: setup.sky,
    night: 1 - sky.day,
    outdoors: place.outdoors,
    ambient: scaled(ambient, least),
    turn: look.turn * RADIANS,
    key: direction(own.azimuth + look.turn, own.elevation),
    keyColour: own.colour.map((v, k) => v * (setup.key ? tint[k] * level : 1)),
    lamps: setup.lamps.map(([azimuth, elevation, width, height, colour]) => ({
      direction: direction(azimuth + look.turn, elevation),
      across: direction(azimuth + look.turn + 90, 0),
      size: [Math.tan(Math.min(80, width) * RADIANS), Math.tan(Math.min(80, height) * RADIANS)],
      colour: colour.map((v, k) => v * tint[k] * (0.6 + 0.4 * level)),
    })),
  };
}

/**
 * GLSL: `vec3 world(vec3 from, vec3 ray, out float floorShare)` is the light that comes along a ray from the
 * surroundings; `floorShare` says how much of it is the floor near the car, which takes shadows.
 */
export const WORLD = /* glsl */ `
uniform vec3 floorColour, wallColour, skyTop, skyHorizon, ambient, key, keyColour;
uniform float night, turn, outdoors;

float hash(vec2 p) { vec3 q = fract(vec3(p.xyx) * .1031); q += dot(q, q.yzx + 33.33); return fract((q.x + q.y) * q.z); }
float noise(vec2 p) {
  vec2 i = floor(p), f = fract(p); f = f * f * (3. - 2. * f);
  return mix(mix(hash(i), hash(i + vec2(1, 0)), f.x), mix(hash(i + vec2(0, 1)), hash(i + vec2(1, 1)), f.x), f.y);
}
// A line of half width w about multiples of 1, softened by the size of a pixel.
float lines(float x, float w, float soft) { float d = abs(fract(x + .5) - .5); return 1. - smoothstep(w, w + soft, d); }

vec3 skyLight(vec3 d) {
  float up = max(d.y, 0.);
  vec3 c = mix(skyHorizon, skyTop, pow(up, .45));
  float s = max(dot(d, key), 0.);
  c += keyColour * (.25 * pow(s, 24.) + .06 * pow(s, 4.)) * outdoors;
  #if KIND == 2 || KIND == 4 || KIND == 5
  float cloud = noise(d.xz / (up + .18) * 1.6) * .6 + noise(d.xz / (up + .18) * 4.1) * .4;
  c = mix(c, c * .8 + .3 * (skyHorizon + .08 * keyColour), smoothstep(.5, .85, cloud) * smoothstep(.02, .25, d.y) * .8);
  #endif
  return c;
}

vec3 world(vec3 from, vec3 ray, out float floorShare) {
  float ct = cos(turn), st = sin(turn);
  vec3 o = vec3(ct * from.x - st * from.z, from.y, st * from.x + ct * from.z);
  vec3 d = vec3(ct * ray.x - st * ray.z, ray.y, st * ray.x + ct * ray.z);
  vec3 lit = ambient + keyColour * max(key.y, 0.) * .32;
  float down = d.y < -1e-4 ? -o.y / d.y : 1e4;
  vec3 p = o + d * down;
  float far = length(p.xz);
  floorShare = 0.;
  vec3 c;
  #if KIND == 0
    // A studio cove: floor, wall and the curve between are one surface that darkens with height.
    float t = d.y < 0. ? smoothstep(4., 15., far) : 1.;
    vec3 wall = wallColour * mix(1.25, .32, smoothstep(-.05, .75, d.y)) * ambient * 1.35;
    float pool = 1. - .5 * smoothstep(1., 9., far);
    c = mix(floorColour * lit * (.55 + .65 * pool), wall, t);
    floorShare = 1. - t;
  #elif KIND == 8
    float t = d.y < 0. ? smoothstep(5., 16., far) : 1.;
    c = wallColour * mix(1., .93, t) * (.25 + .75 * min(vec3(1.1), lit));
    floorShare = 1. - t;
  #elif KIND == 4
    float n = noise(p.xz * .7) * .5 + noise(p.xz * 3.1) * .3 + noise(p.xz * 11.) * .2 * (1. - smoothstep(4., 16., down));
    float ridge = .03 + .1 * noise(vec2(atan(d.x, d.z) * 3.3, 1.)) + .03 * noise(vec2(atan(d.x, d.z) * 13., 5.));
    vec3 hill = mix(wallColour * lit, skyHorizon * .8, .45);
    vec3 ground = floorColour * (.65 + .7 * n) * lit;
    ground = mix(ground, hill, smoothstep(14., 70., far));
    c = d.y < 0. ? ground : mix(skyLight(d), hill, 1. - smoothstep(ridge - .006, ridge + .006, d.y));
    floorShare = d.y < 0. ? 1. - smoothstep(14., 40., far) : 0.;
  #else
    // A room or a street: walls at +-X, ends at +-Z (rooms), open above (street, wall).
    #if KIND == 2
      vec2 half_ = vec2(8.5, 120.); float top = 9.;
    #elif KIND == 5
      vec2 half_ = vec2(4.6, 60.); float top = 4.4;
    #elif KIND == 3
      vec2 half_ = vec2(11., 16.); float top = 3.1;
    #else
      vec2 half_ = vec2(12., 14.); float top = 5.;
    #endif
    #if KIND == 5
      // One wall alone, behind the car seen from its left.
      float side = d.x < -1e-4 ? (-half_.x - o.x) / d.x : 1e4;
      side = side > 0. ? side : 1e4;
      float end = 1e4;
    #else
      float side = abs(d.x) > 1e-4 ? (sign(d.x) * half_.x - o.x) / d.x : 1e4;
      float end = abs(d.z) > 1e-4 ? (sign(d.z) * half_.y - o.z) / d.z : 1e4;
      side = side > 0. ? side : 1e4; end = end > 0. ? end : 1e4;
    #endif
    float wallAt = min(side, end);
    if (down < wallAt) {
      float soft = .0016 * down;
      c = floorColour * lit;
      float fade = 1. - smoothstep(8., 40., down);
      #if KIND == 2
        c *= .8 + .3 * noise(p.xz * 40.) * fade + .2 * noise(p.xz * 1.3);
        float dash = step(.45, fract(p.z / 6.)) ;
        float mark = (1. - smoothstep(.07, .07 + soft, abs(p.x - 2.6))) * dash + (1. - smoothstep(.06, .06 + soft, abs(p.x + 2.3)));
        c = mix(c, vec3(.62) * lit, mark * .85);
        float kerb = smoothstep(4.6, 4.6 + soft, abs(p.x + .8));
        vec3 pave = vec3(.3, .29, .275) * lit * (1. - .35 * max(lines(p.x / .8, .015, soft), lines(p.z / .8, .015, soft)) * fade);
        c = mix(c, pave, kerb);
      #elif KIND == 3
        c *= .8 + .25 * noise(p.xz * 2.2) + .12 * noise(p.xz * 19.) * fade;
        float bay = 1. - smoothstep(.05, .05 + soft, abs(abs(p.x) - 1.6));
        c = mix(c, vec3(.75, .6, .12) * lit, bay * .8 * step(abs(p.z), 3.2));
      #elif KIND == 6
        vec2 q = p.xz / .9;
        float tone = hash(floor(q + .5));
        c *= .82 + .28 * tone;
        c *= 1. - .5 * max(lines(q.x + .5, .012, soft), lines(q.y + .5, .012, soft)) * fade;
      #elif KIND == 7
        vec2 q = floor(p.xz / 1.1);
        c = mix(wallColour, floorColour, mod(q.x + q.y, 2.)) * lit;
      #elif KIND == 5
        c *= .75 + .3 * noise(p.xz * 5.) + .2 * noise(p.xz * .8);
      #else
        c *= .92 + .1 * noise(p.xz * .5);
        c *= 1. - .25 * max(lines(p.x / 2.4, .002, soft), lines(p.z / 2.4, .002, soft)) * fade;
      #endif
      floorShare = 1. - smoothstep(5., 12., far);
    } else {
      vec3 w = o + d * wallAt;
      vec2 q = vec2(side < end ? w.z : w.x, w.y);
      vec3 face = wallColour * (ambient + keyColour * .18);
      #if KIND == 2
        float house = floor(q.x / 9.);
        float tone = hash(vec2(house, sign(w.x)));
        float roof = 6. + 6. * hash(vec2(house, 3. + sign(w.x)));
        vec2 cell = vec2(fract(q.x / 1.8), fract(q.y / 2.6));
        float pane = step(.28, cell.x) * step(cell.x, .72) * step(.3, cell.y) * step(cell.y, .82);
        vec2 id = floor(q / vec2(1.8, 2.6));
        face *= mix(vec3(.7, .8, .95), vec3(1.35, 1.2, 1.), tone) * (.9 + .15 * noise(q * 3.));
        vec3 glass = skyHorizon * .25 + vec3(.02);
        glass += night * step(.6, hash(id + house)) * vec3(1., .66, .3) * .8;
        float fade = 1. - smoothstep(20., 70., wallAt);
        c = mix(face, glass, pane * (.4 + .6 * fade));
        c = mix(c, skyLight(d), max(step(roof, q.y), smoothstep(50., 110., wallAt)));
      #elif KIND == 5
        vec2 b = q / vec2(.5, .22); b.x += .5 * mod(floor(b.y), 2.);
        float soft = .01 * wallAt;
        float joint = max(lines(b.x + .5, .02, soft), lines(b.y + .5, .045, soft)) * (1. - smoothstep(6., 22., wallAt));
        c = face * (.75 + .5 * hash(floor(b)));
        c = mix(c, vec3(.42, .4, .37) * (ambient + keyColour * .18), joint * .8);
        c = q.y > top || wallAt > 9e3 ? skyLight(d) : c;
        c = mix(c, skyLight(d), smoothstep(20., 50., wallAt));
      #else
        c = face;
        float lift = q.y / top;
        c *= .8 + .35 * lift;
        #if KIND == 1
          float panel = lines(q.x / 4., .012, .004);
          c *= 1. - .35 * panel;
          c += vec3(1.5, 1.45, 1.35) * ambient * smoothstep(.006, .0, abs(lift - .62) - .012);
        #elif KIND == 3
          c *= .85 + .25 * noise(q * 1.7);
          c = mix(c, vec3(.7, .55, .1) * ambient, step(.18, lift) * step(lift, .3) * .7);
          float pillar = step(.82, fract(q.x / 5.));
          c *= 1. - .3 * pillar;
        #elif KIND == 6
          c *= .9 + .2 * hash(floor(q / .6));
          c *= 1. - .3 * max(lines(q.x / .6, .02, .012), lines(q.y / .6, .02, .012));
        #endif
        if (q.y > top) {
          float ceil_ = (top - o.y) / d.y;
          vec3 r = o + d * ceil_;
          c = wallColour * ambient * .55;
          float tube = step(abs(fract(r.x / 3.2 + .5) - .5), .06) * step(abs(fract(r.z / 4. + .5) - .5), .38);
          c = mix(c, vec3(2.4) * (ambient + .3), tube);
        }
      #endif
    }
  #endif
  return c;
}
`;
