// gguf_agrees.mjs ID.json ID.onnx: what llama.cpp makes of a network's GGUF file, against ONNX Runtime on
// the same network. Prints the mean and the largest Kullback-Leibler divergence of a position, and how
// many tokens of the example llama.cpp's tokeniser gives back from their text, up to its last space.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
const modules = createRequire(resolve("package.json"));
const ort = modules("onnxruntime-node");
const { getLlama } = await import(modules.resolve("node-llama-cpp"));

const network = JSON.parse(readFileSync(process.argv[2], "utf8"));
const tokens = network.example.tokens;
const session = await ort.InferenceSession.create(process.argv[3]);
const input = new ort.Tensor("int64", BigInt64Array.from(tokens, BigInt), [1, tokens.length]);
const { logits } = await session.run({ tokens: input });

const llama = await getLlama({ gpu: false, build: "never", progressLogs: false, logLevel: "error" });
const model = await llama.loadModel({ modelPath: join(dirname(process.argv[2]), network.weights) });
const context = await model.createContext({ contextSize: tokens.length + 1, batchSize: tokens.length });
const predictions = await context.getSequence().controlledEvaluate(
  tokens.map((token) => [token, { generateNext: { probabilities: true } }]),
);
const words = logits.dims[2];
let largest = 0;
let sum = 0;
predictions.forEach(({ next }, p) => {
  const row = Array.from(logits.data.subarray(p * words, (p + 1) * words));
  const top = Math.max(...row);
  const weights = row.map((x) => Math.exp(x - top));
  const total = weights.reduce((a, b) => a + b, 0);
  const listed = weights.reduce((a, _, token) => a + next.probabilities.get(token), 0); // of rounded numbers
  let divergence = 0;
  weights.forEach((w, token) => (divergence += (w / total) * Math.log((w / total) * (listed / next.probabilities.get(token)))));
  largest = Math.max(largest, divergence);
  sum += divergence;
});

const again = model.tokenize(model.detokenize(tokens), false);
let same = 0;
while (same < tokens.length && again[same] === tokens[same]) ++same;
const lastSpace = tokens.findLastIndex((token) => model.detokenize([token]).startsWith(" "));
console.log(JSON.stringify({ positions: predictions.length, divergence: sum / predictions.length, largest, same, until: lastSpace }));
