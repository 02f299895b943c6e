// Copies the npm files the pages use from node_modules/ into vendor/, with their licences. Run: npm run vendor
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const files = {
  three: [
    ["build/three.module.min.js", "three.module.min.js"],
    ["build/three.core.min.js", "three.core.min.js"],
    ["examples/jsm/controls/OrbitControls.js", "addons/controls/OrbitControls.js"],
    ["examples/jsm/environments/RoomEnvironment.js", "addons/environments/RoomEnvironment.js"],
    ["examples/jsm/geometries/RoundedBoxGeometry.js", "addons/geometries/RoundedBoxGeometry.js"],
    ["examples/jsm/utils/BufferGeometryUtils.js", "addons/utils/BufferGeometryUtils.js"],
    ["LICENSE", "LICENSE"],
  ],
  "onnxruntime-web": [
    ["dist/ort.wasm.min.mjs", "ort.wasm.min.mjs"],
    ["dist/ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.mjs"],
    ["dist/ort-wasm-simd-threaded.wasm", "ort-wasm-simd-threaded.wasm"],
  ],
  lit: [["LICENSE", "LICENSE"]],
  uplot: [
    ["dist/uPlot.esm.js", "uPlot.esm.js"],
    ["dist/uPlot.min.css", "uPlot.min.css"],
    ["LICENSE", "LICENSE"],
  ],
};

const vendor = join(here, "vendor");
rmSync(vendor, { recursive: true, force: true });
const versions = {};
for (const [name, list] of Object.entries(files)) {
  const source = join(here, "node_modules", name);
  if (!existsSync(source)) throw new Error(`${source} is missing: run npm ci in ${here} first`);
  versions[name] = JSON.parse(readFileSync(join(source, "package.json"), "utf8")).version;
  for (const [from, to] of list) {
    mkdirSync(dirname(join(vendor, name, to)), { recursive: true });
    cpSync(join(source, from), join(vendor, name, to));
  }
}
// lit ships as small modules that import one another by name: the import map on each page points at these folders.
for (const name of ["lit", "lit-html", "lit-element", "@lit/reactive-element"]) {
  const source = join(here, "node_modules", name);
  versions[name] = JSON.parse(readFileSync(join(source, "package.json"), "utf8")).version;
  for (const file of readdirSync(source, { recursive: true })) {
    if (!file.endsWith(".js") || file.includes("node_modules") || file.includes("node/") || file.includes("development/")) continue;
    mkdirSync(dirname(join(vendor, name, file)), { recursive: true });
    cpSync(join(source, file), join(vendor, name, file));
  }
}
writeFileSync(join(vendor, "versions.json"), JSON.stringify(versions, null, 2) + "\n");
console.log("vendor/:", Object.entries(versions).map(([n, v]) => `${n} ${v}`).join(", "));
