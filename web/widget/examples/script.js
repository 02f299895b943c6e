import { drawLamps } from "./lamps.js";

drawLamps(/** @type {any} */ (document.querySelector("canvas")), /** @type {any} */ (document.getElementById("lamps")));
