/**
 * The tokens of a text and where they begin and end, as Hugging Face's Rust tokenizers count them; the JavaScript
 * package says neither. A token is a part of a piece (what the pre-tokenizer makes of the text), a piece a part of the
 * normalised text, and each normalised character knows where it comes from. Places are UTF-16 units of the text.
 */

import { bertNormalizer } from "./normalize-bert.js";

const BLANK = /[\p{White_Space}\x1c-\x1f]/u; // as Python has them
const BYTE = /^<0x([0-9A-F]{2})>$/;
const LOOK_AHEAD = 64;

/**
 * @param {object} tokenizer the package's
 * @param {object} document the tokenizer.json
 * @returns {(text: string) => {token: string, begin: number, end: number}[]} those of the text alone, without special
 *   ones around it; begin and end are equal for one that is nowhere
 */
export function makeTokenFinder(tokenizer, document) {
  const normalize = makeNormalizer(tokenizer, document);
  const bytes = usesBytes(document);
  const added = (units, splitter) => splitAdded(units, splitter, tokenizer.added_tokens_map);
  const pieces = (units, section) => {
    const options = { section_index: section };
    const made = tokenizer.pre_tokenizer ? tokenizer.pre_tokenizer(joined(units), options) : [joined(units)];
    return placed(made, units, bytes).flatMap((piece) => tokensOf(piece, tokenizer.model, bytes));
  };
  const find = (text) =>
    added(unitsOf(text), tokenizer.splitter_unnormalized).flatMap((section, number) => {
      if (section.token) return [section];
      const parts = added(normalize(section.units), tokenizer.splitter_normalized);
      return parts.flatMap((part) => (part.token ? [part] : pieces(part.units, number)));
    });
  let last = { text: null, tokens: [] }; // the same text is asked for several times
  return (text) => {
    if (text !== last.text) last = { text, tokens: find(text).map((token) => withoutBlanks(text, token)) };
    return last.tokens;
  };
}

const joined = (units) => units.map(({ character }) => character).join("");

function unitsOf(text) {
  let end = 0;
  return Array.from(text, (character) => ({ character, begin: end, end: (end += character.length) }));
}

const usesBytes = ({ pre_tokenizer: splitting, decoder }) =>
  [splitting, ...(splitting?.pretokenizers ?? []), decoder].some((each) => each?.type === "ByteLevel");

/** The tokens of the text's own that a splitter finds, and what lies between them. */
function splitAdded(units, splitter, known) {
  const sections = splitter.split(joined(units));
  const found = [];
  let at = 0;
  for (const text of sections) {
    const own = units.slice(at, (at += Array.from(text).length));
    const token = known.get(text);
    found.push(token ? { token: text, begin: own[0].begin, end: own.at(-1).end, rules: token } : { units: own });
  }
  found.forEach(({ rules }, number) => {
    if (rules?.lstrip) trim(found[number - 1], "pop", -1);
    if (rules?.rstrip) trim(found[number + 1], "shift", 0);
  });
  return found.filter((each) => each.token || each.units.length);
}

function trim(section, remove, at) {
  while (section?.units?.length && /\s/.test(section.units.at(at).character)) section.units[remove]();
}

/** The tokenizer's normaliser, on characters with places. */
function makeNormalizer(tokenizer, document) {
  if (document.normalizer?.type === "BertNormalizer") return bertNormalizer(document.normalizer);
  return tokenizer.normalizer ? (units) => aligned(units, tokenizer.normalizer) : (units) => units;
}

/**
 * The normalised characters with places. One that is composed of several has the place of the first of them that begins
 * a character of the text, one of several that a character became the place of that one.
 */
function aligned(units, normalize) {
  const parts = units.flatMap(({ character, begin, end }) =>
    Array.from(normalize(character).normalize("NFD"), (_, at) => ({ begin, end, inserted: at > 0 })),
  );
  const made = units.map(({ character }) => normalize(character).normalize("NFD")).join("");
  const sorted = Array.from(made.normalize("NFD")); // marks in their order, as the normalised text has them
  let at = 0;
  let place = { begin: units[0]?.begin ?? 0, end: units[0]?.end ?? 0 };
  return Array.from(normalize(joined(units)), (character) => {
    const wanted = Array.from(character.normalize("NFD"));
    const first = at + Math.max(0, sorted.slice(at, at + LOOK_AHEAD).indexOf(wanted[0]));
    const own = parts.slice(first, (at = first + wanted.length));
    const { begin, end } = own.find(({ inserted }) => !inserted) ?? place;
    place = { begin, end };
    return { character, ...place };
  });
}

/** The pieces in units (characters, or bytes) with places; a unit that the text does not have has the next one's. */
function placed(pieces, units, bytes) {
  const whole = bytes ? units.flatMap(asBytes) : units;
  const after = whole.at(-1)?.end ?? 0;
  let at = 0;
  return pieces.map((text) => {
    const wanted = bytes ? Array.from(text, (shown) => BYTES.get(shown)) : Array.from(text);
    at = startOf(wanted, whole, at);
    return wanted.map((character) => {
      const { begin, end } = whole[at] ?? { begin: after, end: after };
      if (at < whole.length && same(character, whole[at].character)) at += 1;
      return { character, begin, end };
    });
  });
}

const asBytes = ({ character, begin, end }) =>
  Array.from(new TextEncoder().encode(character), (byte) => ({ character: byte, begin, end }));

const same = (wanted, character) => wanted === character || (wanted === "▁" && character === " ");

/** Where a piece begins in the text: behind what the pre-tokenizer left out, or here, where it added something. */
function startOf(wanted, whole, at) {
  for (let start = at; start + wanted.length <= whole.length; start += 1) {
    if (wanted.every((character, i) => same(character, whole[start + i].character))) return start;
  }
  return at;
}

/** The tokens that the model makes of a piece: one after another they are the piece. */
function tokensOf(piece, model, bytes) {
  const text = piece.map(({ character }) => (bytes ? SHOWN[character] : character)).join("");
  const tokens = model([text]);
  if (tokens.length === 1) return [{ token: tokens[0], ...placeOf(piece, 0, piece.length) }];
  let [at, left] = [0, 0]; // `left` bytes of this character
  return tokens.map((token, number) => {
    const first = at;
    if (BYTE.test(token) && !bytes) {
      left ||= new TextEncoder().encode(piece[at]?.character ?? " ").length;
      left -= 1;
      if (!left) at += 1;
      return { token, ...placeOf(piece, first, first + 1) };
    }
    if (token !== model.unk_token) at += sizeOf(token, model);
    else at = model.fuse_unk ? startOfNext(piece, at + 1, tokens[number + 1], model, bytes) : at + 1;
    return { token, ...placeOf(piece, first, at) };
  });
}

/** How many units a known token has, without the model's own prefix and suffix. */
const sizeOf = (token, model) => Array.from(bare(token, model)).length;

function bare(token, { config, end_of_word_suffix: suffix }) {
  const prefix = config.continuing_subword_prefix;
  const own = prefix && token.startsWith(prefix) ? token.slice(prefix.length) : token;
  return suffix && own.endsWith(suffix) ? own.slice(0, -suffix.length) : own;
}

/** Where the next token begins, from here on; the end of the piece where there is none. */
function startOfNext(piece, from, token, model, bytes) {
  if (token === undefined) return piece.length;
  const wanted = Array.from(bare(token, model), (shown) => (bytes ? BYTES.get(shown) : shown));
  const found = piece.findIndex(
    (_, at) => at >= from && wanted.every((character, i) => piece[at + i]?.character === character),
  );
  return found < 0 ? from : found;
}

function placeOf(piece, first, after) {
  const [one, last] = [piece[Math.min(first, piece.length - 1)], piece[Math.min(after, piece.length) - 1]];
  return one && last ? { begin: one.begin, end: Math.max(one.begin, last.end) } : { begin: 0, end: 0 };
}

function withoutBlanks(text, { token, begin, end }) {
  while (begin < end && BLANK.test(text[begin])) begin += 1;
  while (end > begin && BLANK.test(text[end - 1])) end -= 1;
  return { token, begin, end };
}

/** GPT-2's characters for bytes. */
const SHOWN = [];
let next = 256;
for (let byte = 0; byte < 256; byte += 1) {
  const shown = (byte > 32 && byte < 127) || (byte > 160 && byte < 173) || byte > 173;
  SHOWN.push(String.fromCodePoint(shown ? byte : next++));
}
const BYTES = new Map(SHOWN.map((shown, byte) => [shown, byte]));
