// Runs a bundle's models in onnxruntime-web on its golden inputs.
// node golden_web.mjs VENDOR_FOLDER BUNDLE MODEL... -> one JSON line: {MODEL: largest difference of a probability}
import fs from "node:fs";
import { pathToFileURL } from "node:url";

const [vendor, bundle, ...models] = process.argv.slice(2);
const ort = await import(pathToFileURL(`${vendor}/onnxruntime-web/ort.wasm.min.mjs`));
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = `${pathToFileURL(`${vendor}/onnxruntime-web`)}/`;
ort.env.logLevel = "error";

/** The arrays of an uncompressed .npz: name to {shape, bytes}. */
function readNpz(buffer) {
  const arrays = {};
  for (let at = 0; buffer.readUInt32LE(at) === 0x04034b50; ) {
    const size = buffer.readUInt32LE(at + 18);
    const nameEnd = at + 30 + buffer.readUInt16LE(at + 26);
    const start = nameEnd + buffer.readUInt16LE(at + 28);
    const npy = buffer.subarray(start, start + size);
    const headerEnd = 10 + npy.readUInt16LE(8);
    const shape = /\(([^)]*)\)/.exec(npy.toString("latin1", 10, headerEnd))[1];
    arrays[buffer.toString("utf8", at + 30, nameEnd).replace(/\.npy$/, "")] = {
      shape: shape.split(",").filter((part) => part.trim()).map(Number),
      bytes: new Uint8Array(npy.subarray(headerEnd)),
    };
    at = start + size;
  }
  return arrays;
}

const golden = readNpz(fs.readFileSync(`${bundle}/golden.npz`));
const expected = new Float32Array(golden["out.probabilities"].bytes.buffer);
const image = new ort.Tensor("uint8", golden.inputs.bytes, golden.inputs.shape);
const report = {};
for (const model of models) {
  const session = await ort.InferenceSession.create(fs.readFileSync(`${bundle}/${model}`));
  const { probabilities } = await session.run({ image });
  report[model] = Math.max(...expected.map((value, i) => Math.abs(value - probabilities.data[i])));
}
console.log(JSON.stringify(report));
