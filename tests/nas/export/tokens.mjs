// The tokens of a text, by the `tokenizers` library: node tokens.mjs FOLDER TEXT. FOLDER has
// tokenizer.json and tokenizer_config.json. Prints {"tokens", "text"}, the second decoded again.
import {readFileSync} from "node:fs";
import {createRequire} from "node:module";

const {Tokenizer} = createRequire(process.cwd() + "/")("@huggingface/tokenizers");
const [folder, file] = process.argv.slice(2);
const json = name => JSON.parse(readFileSync(`${folder}/${name}`, "utf8"));
const tokenizer = new Tokenizer(json("tokenizer.json"), json("tokenizer_config.json"));
const {ids} = tokenizer.encode(readFileSync(file, "utf8"), {add_special_tokens: false});
console.log(JSON.stringify({tokens: ids, text: tokenizer.decode(ids)}));
