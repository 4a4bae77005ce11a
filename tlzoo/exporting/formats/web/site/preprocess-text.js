/** Texts to input_ids and attention_mask, int64 [1, L], with the tokenizer.json that the manifest carries. */

import { Tokenizer } from "./vendor/tokenizers.js";
import { makeTokenFinder } from "./tokens-text.js";

const UNITS_PER_TOKEN = 128;
const LEAST_UNITS = 8192; // more than the longest word that a WordPiece vocabulary takes apart

/**
 * @param {object} manifest the model's manifest
 * @returns {(text: string) => Promise<object>} what turns a text into the model's inputs
 */
export function makePreprocessor(manifest) {
  const { tokenizer: written, max_length: longest, pad_id: padding } = manifest.preprocess;
  const { truncation_side: side = "right", lowercase: lowers = false, known_tokens: known } = manifest.preprocess;
  const { tokenizer, find } = makeTokenizer(JSON.parse(written));
  const { before, after } = specials(tokenizer);
  const room = longest - before.length - after.length;
  return async (text) => {
    const clean = text.replace(/\p{Surrogate}/gu, "\ufffd");
    const { tokens, all } = decided(find, lowers ? clean.toLowerCase() : clean, room, side);
    const ids = [...before, ...tokens.map(({ token }) => idOf(tokenizer, token)), ...after];
    const strange = ids.find((id) => known && id >= known);
    if (strange !== undefined) throw new Error(`The network does not know token ${tokenizer.id_to_token(strange)}.`);
    const row = BigInt64Array.from(ids.length ? ids : [padding], BigInt);
    const places = (lowers ? original(clean, tokens) : tokens).map(({ begin, end }) => [begin, end]);
    const none = (numbers) => numbers.map(() => [0, 0]);
    const offsets = [...none(before), ...places, ...none(after)];
    const cut = all ? "" : `Only the ${side === "left" ? "last" : "first"} ${longest} tokens were read.`;
    return {
      input_ids: { type: "int64", data: row, dims: [1, row.length] },
      attention_mask: { type: "int64", data: new BigInt64Array(row.length).fill(1n), dims: [1, row.length] },
      context: { text: clean, cut, offsets: offsets.length ? offsets : [[0, 0]] },
    };
  };
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
  return { tokenizer, find: makeTokenFinder(tokenizer, document) };
}

// What Rust has for a part of a word, a sign, a number and a blank; in the package a word has ASCII letters only, a number
// ASCII digits, and a blank may be U+FEFF, but not U+0085.
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
  const split = (Regex, behavior, invert) => ({ type: "Split", pattern: { Regex }, behavior, invert });
  const Regex = PATTERNS[splitting?.type];
  if (Regex) return split(Regex, "Removed", true);
  if (splitting?.type === "Digits") return split(splitting.individual_digits ? "\\p{N}" : "\\p{N}+", "Isolated", false);
  if (splitting?.type === "Punctuation") {
    if (splitting.behavior === "Contiguous") return split(`[${SIGN}]+`, "Isolated", false);
    return split(`[${SIGN}]`, splitting.behavior, false);
  }
  return splitting;
}

/**
 * The tokens of the text that are kept, and whether these are all. Of a long text so much is read that there are more
 * than enough, and all that are kept are of the half that is far from the cut.
 */
function decided(find, text, room, side) {
  const last = side === "left";
  const kept = (tokens) => (last ? tokens.slice(-room) : tokens.slice(0, room));
  for (let units = Math.max(LEAST_UNITS, UNITS_PER_TOKEN * room); units < text.length; units *= 2) {
    const part = last ? lastWords(text, units) : firstWords(text, units);
    const shift = last ? text.length - part.length : 0;
    const tokens = find(part);
    const own = kept(tokens);
    const near = ({ begin, end }) => (last ? begin < part.length / 2 : end > part.length / 2);
    if (tokens.length > room && !own.some(near)) return { tokens: own.map((token) => moved(token, shift)), all: false };
  }
  const tokens = find(text);
  return { tokens: kept(tokens), all: tokens.length <= room };
}

const moved = ({ token, begin, end }, by) => ({ token, begin: begin + by, end: end + by });

/** The words that end within the first UTF-16 units; of a word that alone is longer, its first ones. */
function firstWords(text, units) {
  const part = text.slice(0, units).replace(/[\ud800-\udbff]$/, "");
  let end = part.length;
  if (!/\s/.test(text[end])) while (end > 0 && !/\s/.test(part[end - 1])) end -= 1;
  return end ? part.slice(0, end) : part;
}

/** The words that begin within the last UTF-16 units; of a word that alone is longer, its last ones. */
function lastWords(text, units) {
  const part = text.slice(-units).replace(/^[\udc00-\udfff]/, "");
  let begin = 0;
  if (!/\s/.test(text[text.length - part.length - 1])) {
    while (begin < part.length && !/\s/.test(part[begin])) begin += 1;
  }
  return begin < part.length ? part.slice(begin) : part;
}

/** The places of tokens in a text from those in the lowered one, where a character may have become several. */
function original(text, tokens) {
  const origin = Array.from(text).flatMap((character, at) => Array(character.toLowerCase().length).fill(at));
  let end = 0;
  const places = Array.from(text, (character) => ({ begin: end, end: (end += character.length) }));
  return tokens.map(({ begin, end: after }) =>
    begin < after ? { begin: places[origin[begin]].begin, end: places[origin[after - 1]].end } : { begin: 0, end: 0 },
  );
}

const idOf = ({ added_tokens_map: added, model }, token) =>
  added.get(token)?.id ?? model.tokens_to_ids.get(token) ?? model.unk_token_id;

/** The numbers of what the tokenizer puts before and after every text. */
function specials(tokenizer) {
  const text = "\0";
  const whole = tokenizer.post_processor ? tokenizer.post_processor([text], null, true).tokens : [text];
  const ids = (tokens) => tokens.map((token) => idOf(tokenizer, token));
  const at = whole.indexOf(text);
  return { before: ids(whole.slice(0, at)), after: ids(whole.slice(at + 1)) };
}
