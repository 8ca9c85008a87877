// Reads {"models": [{"file", "sequences": [[token ...] ...]}]} and prints a line per sequence: the sum
// of its next-token losses by ONNX Runtime, all sequences of a model in one batch.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
const ort = createRequire(resolve("package.json"))("onnxruntime-node");

for (const { file, sequences } of JSON.parse(readFileSync(process.argv[2], "utf8")).models) {
  const session = await ort.InferenceSession.create(file);
  const length = sequences[0].length - 1;
  const inputs = sequences.flatMap((tokens) => tokens.slice(0, -1));
  const tokens = new ort.Tensor("int64", BigInt64Array.from(inputs, BigInt), [sequences.length, length]);
  const { logits } = await session.run({ tokens });
  const words = logits.dims[2];
  sequences.forEach((sequence, s) => {
    let sum = 0;
    for (let p = 0; p < length; ++p) {
      const first = (s * length + p) * words;
      const row = Array.from(logits.data.subarray(first, first + words));
      const top = Math.max(...row);
      sum += top + Math.log(row.reduce((a, b) => a + Math.exp(b - top), 0)) - row[sequence[p + 1]];
    }
    console.log(sum);
  });
}
