// What the car's parts are made of. Colours are linear; `paint` 1 takes the paint, 0.5 the colour of the rims. `closed`: of
// solid bodies alone, never seen from behind.

/** From this much detail on the car has its fittings: spokes, handles, mirrors. */
export const FITTED = 0.5;

const made = (colour, rough, more = {}) => Object.freeze({ colour, paint: 0, rough, metal: 0, ao: 1, glow: 0, closed: false, ...more });
const grey = (v) => [v, v, v];

export const PAINT = made(grey(1), 0.3, { paint: 1 });
export const JAMB = made(grey(0.8), 0.3, { paint: 1, ao: 0.3 });
export const TRIM = made(grey(0.008), 0.15);
export const GAP = made(grey(0.006), 0.9, { ao: 0.2 });
export const PLASTIC = made(grey(0.018), 0.7, { ao: 0.8 });
export const RUBBER = made(grey(0.014), 0.85);
export const TYRE = made(grey(0.02), 0.75, { ao: 0.9, closed: true });
export const RIM = made(grey(1), 0.22, { paint: 0.5, metal: 0.8, closed: true });
export const DISC = made(grey(0.22), 0.35, { metal: 0.8, ao: 0.5, closed: true });
export const CALIPER = made([0.35, 0.02, 0.02], 0.5, { ao: 0.6, closed: true });
export const WELL = made(grey(0.008), 0.95, { ao: 0.25 });
export const CHROME = made(grey(0.75), 0.08, { metal: 1, closed: true });
export const MIRROR = made(grey(0.8), 0.02, { metal: 1, closed: true });
export const LENS = made([0.03, 0.032, 0.036], 0.04);
export const REFLECTOR = made(grey(0.5), 0.12, { metal: 0.9 });
export const DAYLAMP = made(grey(0.85), 0.2, { glow: 0.55 });
export const TAIL = made([0.42, 0.008, 0.01], 0.06, { glow: 0.18 });
export const TAILBAR = made([0.6, 0.012, 0.015], 0.06, { glow: 0.45 });
export const PLATE = made(grey(0.62), 0.4, { closed: true });
export const MESH = made(grey(0.01), 0.5);
export const CABIN = made(grey(0.022), 0.8, { ao: 0.5 });
export const CARPET = made(grey(0.014), 0.95, { ao: 0.4, closed: true });
export const SEAT = made([0.13, 0.1, 0.08], 0.6, { ao: 0.6, closed: true });
export const SEAT_MIDDLE = made([0.19, 0.15, 0.12], 0.65, { ao: 0.6, closed: true });
export const CARD = made([0.04, 0.038, 0.036], 0.6, { ao: 0.75 });
export const CARD_SOFT = made([0.15, 0.115, 0.09], 0.6, { ao: 0.75 });
export const SCREEN = made([0.008, 0.016, 0.022], 0.1, { glow: 0.3, closed: true });
export const BAY = made(grey(0.03), 0.8, { ao: 0.5 });
export const ENGINE = made(grey(0.06), 0.45, { ao: 0.8, closed: true });
export const ALLOY = made(grey(0.4), 0.35, { metal: 0.7, ao: 0.8, closed: true });
export const CAP_BLUE = made([0.03, 0.12, 0.45], 0.4, { ao: 0.8, closed: true });
export const CAP_YELLOW = made([0.6, 0.42, 0.03], 0.4, { ao: 0.8, closed: true });
export const TANK = made([0.5, 0.52, 0.5], 0.4, { ao: 0.7, closed: true });
export const PAD = made(grey(0.03), 0.95, { ao: 0.7 });
export const GLASS = made([0.01, 0.013, 0.013], 0.03);
