/**
 * The tokens of a text and where they begin and end, as Hugging Face's Rust tokenizers count them; the JavaScript
 * package says neither. A token is a part of a piece (what the pre-tokenizer makes of the text), a piece a part of the
 * normalised text, and each normalised character knows where it comes from. Places are UTF-16 units of the text.
 */

import { charsmapNormalizer } from "./charsmap-text.js";
import { bertNormalizer } from "./normalize-bert.js";
import { SplitPreTokenizer } from "./vendor/tokenizers.js";

const BLANK = /[\p{White_Space}\x1c-\x1f]/u; // as Python has them
const RUST_BLANK = /\p{White_Space}/u;
const WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
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
  normalizeAdded(tokenizer, normalize);
  const bytes = usesBytes(document);
  const added = (units, splitter) => splitAdded(units, splitter, tokenizer.added_tokens_map);
  const gone = losesBlanks(document);
  const pieces = (units) => {
    const options = { section_index: units[0].begin }; // 0 at the text's own beginning alone
    const made = tokenizer.pre_tokenizer ? tokenizer.pre_tokenizer(joined(units), options) : [joined(units)];
    return placed(made, units, bytes, gone).flatMap((piece) => tokensOf(piece, tokenizer.model, bytes));
  };
  const find = (text) =>
    added(unitsOf(text), tokenizer.splitter_unnormalized).flatMap((section) => {
      if (section.token) return [section];
      const parts = added(normalize(section.units), tokenizer.splitter_normalized);
      return parts.flatMap((part) => (part.token ? [part] : pieces(part.units)));
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

/** Whether blanks are gone before a sign is put where they were. */
const losesBlanks = ({ pre_tokenizer: splitting }) =>
  (splitting?.pretokenizers ?? []).some(({ type }) => /^(Whitespace|WhitespaceSplit|BertPreTokenizer)$/.test(type));

/** Added tokens that are looked for in the normalised text, as our normaliser writes them. */
function normalizeAdded(tokenizer, normalize) {
  const known = tokenizer.added_tokens.filter((token) => token.normalized);
  const written = known.map((token) => [joined(normalize(unitsOf(token.content))), token]);
  for (const [text, token] of written) tokenizer.added_tokens_map.set(text, token);
  tokenizer.splitter_normalized = new tokenizer.splitter_normalized.constructor(written.map(([text]) => text));
}

/** The tokens of the text's own that a splitter finds, and what lies between them. */
function splitAdded(units, splitter, known) {
  const sections = splitter.split(joined(units)).map((text) => Array.from(text));
  const found = [];
  let at = 0;
  for (const characters of sections) {
    const own = units.slice(at, (at += characters.length));
    const text = characters.join("");
    const rules = known.get(text);
    if (!rules || (rules.single_word && inWord(units, at - own.length, at))) found.push({ units: own });
    else found.push({ token: text, begin: own[0].begin, end: own.at(-1).end, rules });
  }
  const whole = found.reduce(together, []);
  whole.forEach((token, number) => {
    for (const { begin } of token.rules?.lstrip ? trim(whole[number - 1], "pop", -1) : []) token.begin = begin;
    for (const { end } of token.rules?.rstrip ? trim(whole[number + 1], "shift", 0) : []) token.end = end;
  });
  return whole.filter((each) => each.token || each.units.length);
}

const inWord = (units, begin, end) =>
  [units[begin - 1], units[end]].some((unit) => unit && WORD.test(unit.character));

/** The sections and this one, which is part of the last where both are no tokens. */
function together(sections, each) {
  const last = sections.at(-1);
  if (each.units && last?.units) last.units = [...last.units, ...each.units];
  else sections.push(each);
  return sections;
}

/** The blanks at an end of a section, taken from it one by one. */
function trim(section, remove, at) {
  const taken = [];
  while (section?.units?.length && RUST_BLANK.test(section.units.at(at).character)) taken.push(section.units[remove]());
  return taken;
}

/** The tokenizer's normaliser, on characters with places: its steps one after another where one of them is our own. */
function makeNormalizer(tokenizer, document) {
  const steps = flat(document.normalizer, tokenizer.normalizer);
  const own = steps.some(({ rules }) => OWN[rules.type]);
  if (!own) return tokenizer.normalizer ? (units) => aligned(units, tokenizer.normalizer) : (units) => units;
  const made = steps.map(({ rules, step }) => OWN[rules.type]?.(rules) ?? ((units) => aligned(units, step)));
  return (units) => made.reduce((changed, step) => step(changed), units);
}

/** The steps of a normaliser, each with the rules that the tokenizer.json has for it. */
function flat(rules, step) {
  if (!rules) return [];
  if (rules.type !== "Sequence") return [{ rules, step }];
  return rules.normalizers.flatMap((each, number) => flat(each, step.normalizers[number]));
}

const OWN = {
  BertNormalizer: bertNormalizer,
  Lowercase: () => (units) => units.flatMap((unit) => sameplace(unit, unit.character.toLowerCase())),
  Prepend: ({ prepend }) => (units) => [...(units.length ? sameplace(units[0], prepend) : []), ...units],
  Precompiled: ({ precompiled_charsmap: written }) => charsmapNormalizer(written),
  Replace: ({ pattern, content }) => {
    const { pattern: found } = new SplitPreTokenizer({ pattern, behavior: "Removed", invert: false });
    return (units) => replaced(units, found, content);
  },
  Strip: ({ strip_left: left, strip_right: right }) => (units) => {
    const section = { units: [...units] };
    if (left) trim(section, "shift", 0);
    if (right) trim(section, "pop", -1);
    return section.units;
  },
};

const sameplace = ({ begin, end }, text) => Array.from(text, (character) => ({ character, begin, end }));

/** What a pattern finds is replaced by a text with the place of the last character found. */
function replaced(units, pattern, content) {
  const at = units.flatMap(({ character }, number) => Array(character.length).fill(number)); // of UTF-16 units
  const made = [];
  let done = 0;
  for (const { 0: text, index } of joined(units).matchAll(pattern)) {
    if (!text) continue;
    const last = at[index + text.length - 1];
    made.push(...units.slice(done, at[index]), ...sameplace(units[last], content));
    done = last + 1;
  }
  return [...made, ...units.slice(done)];
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
function placed(pieces, units, bytes, gone) {
  const whole = (bytes ? units.flatMap(asBytes) : units).filter(({ character }) => !gone || !RUST_BLANK.test(character));
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
