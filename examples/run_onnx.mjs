// Runs an exported network in ONNX Runtime and compares its loss with the recorded one:
//   npm install onnxruntime-node --ignore-scripts
//   node examples/run_onnx.mjs FOLDER/ID.json
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
const ort = createRequire(resolve("package.json"))("onnxruntime-node"); // of the working folder

const network = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { tokens, loss, loss_int8 } = network.example;
const int8 = network.weights.endsWith(".int8.onnx"); // in the accelerator's integers also softmax, GELU ...
const [recorded, tolerance] = int8 ? [loss_int8, 0.03 * loss_int8] : [loss, 1e-4];
const session = await ort.InferenceSession.create(join(dirname(process.argv[2]), network.weights));
const input = new ort.Tensor("int64", BigInt64Array.from(tokens.slice(0, -1), BigInt), [1, tokens.length - 1]);
const { logits } = await session.run({ tokens: input });

let sum = 0;
for (let p = 0; p + 1 < tokens.length; ++p) {
  const row = logits.data.subarray(p * logits.dims[2], (p + 1) * logits.dims[2]);
  const top = row.reduce((a, b) => Math.max(a, b));
  sum += top + Math.log(row.reduce((a, b) => a + Math.exp(b - top), 0)) - row[tokens[p + 1]];
}
const here = sum / (tokens.length - 1);
console.log(`loss here ${here.toFixed(6)} recorded ${recorded.toFixed(6)}`);
if (!(Math.abs(here - recorded) < tolerance)) process.exit(1);
