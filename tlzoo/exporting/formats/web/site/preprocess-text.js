/** Texts to input_ids and attention_mask, int64 [1, L], with the tokenizer.json that the manifest carries. */

import { Tokenizer } from "./vendor/tokenizers.js";
import { makeTokenFinder } from "./tokens-text.js";

const CHARACTERS_PER_TOKEN = 64;

/**
 * @param {object} manifest the model's manifest
 * @returns {(text: string) => Promise<object>} what turns a text into the model's inputs
 */
export function makePreprocessor(manifest) {
  const { tokenizer: written, max_length: longest, pad_id: padding } = manifest.preprocess;
  const { tokenizer, find } = makeTokenizer(JSON.parse(written));
  return async (text) => {
    const looked = enough(tokenizer, text.replace(/\p{Surrogate}/gu, "\ufffd"), longest);
    const ids = encode(tokenizer, looked, longest);
    const row = BigInt64Array.from(ids.length ? ids : [padding], BigInt);
    return {
      input_ids: { type: "int64", data: row, dims: [1, row.length] },
      attention_mask: { type: "int64", data: new BigInt64Array(row.length).fill(1n), dims: [1, row.length] },
      context: contextOf(tokenizer, find, looked, longest),
    };
  };
}

/** Where the tokens begin and end in the text; those around it at its beginning, and nowhere. */
function contextOf(tokenizer, find, text, longest) {
  const tokens = find(text);
  const { before, after } = specials(tokenizer);
  const own = tokens.slice(0, longest - before.length - after.length);
  const none = (ids) => ids.map(() => [0, 0]);
  const cut = tokens.length > own.length ? `Only the first ${longest} tokens were read.` : "";
  const offsets = [...none(before), ...own.map(({ begin, end }) => [begin, end]), ...none(after)];
  return { text, cut, offsets: offsets.length ? offsets : [[0, 0]] };
}

/** The package's tokenizer, mended where it differs from the Rust one: see also tokens-text.js, its own `find`. */
function makeTokenizer(document) {
  const tokenizer = new Tokenizer({ ...document, pre_tokenizer: mended(document.pre_tokenizer) }, {});
  if (document.model.type === "WordLevel") tokenizer.model.unk_token_id = document.model.vocab[document.model.unk_token];
  const { normalizer, pre_tokenizer: splitter } = tokenizer;
  for (const each of [normalizer, ...(normalizer?.normalizers ?? [])]) {
    if (each?.config.type === "Lowercase") each.normalize = lowercase;
  }
  for (const each of [splitter, ...(splitter?.tokenizers ?? [])]) if (each?.use_regex) each.pattern = BYTE_LEVEL;
  const find = makeTokenFinder(tokenizer, document);
  tokenizer.encode_text = (text) => (text === null ? null : find(text).map(({ token }) => token));
  return { tokenizer, find };
}

// What Rust has for a part of a word, a sign and a blank; in the package a word has ASCII letters only, and a blank may
// be U+FEFF, but not U+0085.
const WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";
const SIGN = "\\p{P}\\u0021-\\u002F\\u003A-\\u0040\\u005B-\\u0060\\u007B-\\u007E";
const BLANK = "\\p{White_Space}";
const PATTERNS = {
  Whitespace: `[${WORD}]+|[^${WORD}${BLANK}]+`,
  WhitespaceSplit: `[^${BLANK}]+`,
  BertPreTokenizer: `[^${BLANK}${SIGN}]+|[${SIGN}]`,
};
const BYTE_LEVEL = new RegExp(
  `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${BLANK}\\p{L}\\p{N}]+|${BLANK}+(?!\\P{White_Space})|${BLANK}+`,
  "gu",
);

// By its place in the word, the package lowers a Greek final sigma.
const lowercase = (text) => Array.from(text, (character) => character.toLowerCase()).join("");

function mended(splitting) {
  if (splitting?.type === "Sequence") return { ...splitting, pretokenizers: splitting.pretokenizers.map(mended) };
  const Regex = PATTERNS[splitting?.type];
  return Regex ? { type: "Split", pattern: { Regex }, behavior: "Removed", invert: true } : splitting;
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
