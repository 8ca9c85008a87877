// Runs an exported network in llama.cpp and compares its loss with the recorded one:
//   npm install node-llama-cpp --omit=optional --ignore-scripts
//   npm install @node-llama-cpp/linux-x64 --omit=optional --ignore-scripts
//   node examples/run_gguf.mjs FOLDER/ID.json
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
const modules = createRequire(resolve("package.json")); // of the working folder
const { getLlama } = await import(modules.resolve("node-llama-cpp"));

const network = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { tokens, loss } = network.example;
const llama = await getLlama({ gpu: false, build: "never", progressLogs: false, logLevel: "error" });
const model = await llama.loadModel({ modelPath: join(dirname(process.argv[2]), network.weights) });
const context = await model.createContext({ contextSize: tokens.length, batchSize: tokens.length });
const predictions = await context.getSequence().controlledEvaluate(
  tokens.slice(0, -1).map((token) => [token, { generateNext: { probabilities: true } }]),
);
let sum = 0;
predictions.forEach(({ next }, p) => (sum -= Math.log(next.probabilities.get(tokens[p + 1]))));
const here = sum / predictions.length;
console.log(`loss here ${here.toFixed(6)} recorded ${loss.toFixed(6)}`);
// llama.cpp keeps keys, values and a table of GELU in 16 bits.
process.exit(Math.abs(here - loss) < 2e-3 ? 0 : 1);
