/** Texts to input_ids and attention_mask, int64 [1, L], with the tokenizer.json that the manifest carries. */

import { Tokenizer } from "./vendor/tokenizers.js";
import { bertNormalizer } from "./normalize-bert.js";
import { offsetsOf } from "./offsets-text.js";

const CHARACTERS_PER_TOKEN = 64;

/**
 * @param {object} manifest the model's manifest
 * @returns {(text: string) => Promise<object>} what turns a text into the model's inputs
 */
export function makePreprocessor(manifest) {
  const { tokenizer: written, max_length: longest, pad_id: padding } = manifest.preprocess;
  const document = JSON.parse(written);
  const tokenizer = makeTokenizer(document);
  return async (text) => {
    const looked = enough(tokenizer, text.replace(/\p{Surrogate}/gu, "\ufffd"), longest);
    const ids = encode(tokenizer, looked, longest);
    const row = BigInt64Array.from(ids.length ? ids : [padding], BigInt);
    return {
      input_ids: { type: "int64", data: row, dims: [1, row.length] },
      attention_mask: { type: "int64", data: new BigInt64Array(row.length).fill(1n), dims: [1, row.length] },
      context: contextOf(tokenizer, document, looked, longest),
    };
  };
}

/** Where the tokens begin and end in the text; those around it at its beginning, and nowhere. */
function contextOf(tokenizer, document, text, longest) {
  const { before, after } = specials(tokenizer);
  const tokens = tokenizer.encode(text, { add_special_tokens: false }).tokens;
  const own = tokens.slice(0, longest - before.length - after.length);
  const none = (ids) => ids.map(() => [0, 0]);
  const normalize = tokenizer.normalizer && ((character) => tokenizer.normalizer(character));
  const cut = tokens.length > own.length ? `Only the first ${longest} tokens were read.` : "";
  return { text, cut, offsets: [...none(before), ...offsetsOf(text, own, document, normalize), ...none(after)] };
}

// What Rust's regular expressions take for a part of a word; the package's Whitespace means ASCII letters only.
const WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";
const WORDS = { type: "Split", pattern: { Regex: `[${WORD}]+|[^${WORD}\\s]+` }, behavior: "Removed", invert: true };

/** The package's tokenizer, mended where it differs from the Rust one: see also normalize-bert.js. */
function makeTokenizer(document) {
  const tokenizer = new Tokenizer({ ...document, pre_tokenizer: mended(document.pre_tokenizer) }, {});
  if (document.model.type === "WordLevel") tokenizer.model.unk_token_id = document.model.vocab[document.model.unk_token];
  if (document.normalizer?.type === "BertNormalizer") tokenizer.normalizer = bertNormalizer(document.normalizer);
  return tokenizer;
}

function mended(splitting) {
  if (splitting?.type === "Sequence") return { ...splitting, pretokenizers: splitting.pretokenizers.map(mended) };
  return splitting?.type === "Whitespace" ? WORDS : splitting;
}

/** The text, or so many of its first words that they are more than `longest` tokens. */
function enough(tokenizer, text, longest) {
  for (let units = 2 * CHARACTERS_PER_TOKEN * longest; units < text.length; units *= 2) {
    const part = firstWords(text, units);
    if (tokenizer.encode(part).ids.length > longest) return part;
  }
  return text;
}

/** The words that end within the first UTF-16 units; of a word that alone is longer, its first ones. */
function firstWords(text, units) {
  const part = text.slice(0, units).replace(/[\ud800-\udbff]$/, "");
  let end = part.length;
  if (!/\s/.test(text[end])) while (end > 0 && !/\s/.test(part[end - 1])) end -= 1;
  return end ? part.slice(0, end) : part;
}

/** Token numbers, cut so that the special tokens around the text stay. */
function encode(tokenizer, text, longest) {
  const ids = tokenizer.encode(text).ids;
  if (ids.length <= longest) return ids;
  const bare = tokenizer.encode(text, { add_special_tokens: false }).ids;
  const { before, after } = specials(tokenizer);
  return [...before, ...bare.slice(0, longest - before.length - after.length), ...after];
}

/** What the tokenizer puts before and after every text, found by one token between them. */
function specials(tokenizer) {
  const probe = "a";
  const bare = tokenizer.encode(probe, { add_special_tokens: false }).ids;
  const whole = tokenizer.encode(probe).ids;
  const extra = whole.length - bare.length;
  const start = Array.from({ length: extra + 1 }, (_, at) => at).find((at) =>
    bare.every((id, i) => whole[at + i] === id),
  );
  return { before: whole.slice(0, start), after: whole.slice(start + bare.length) };
}
