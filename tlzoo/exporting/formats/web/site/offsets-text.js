/**
 * Where tokens begin and end in a text. The JavaScript package does not say so; they are found again one after another
 * in the text's normalised characters, each of which knows where it comes from. Places are UTF-16 units of the text.
 */

const WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const LETTER = /[\p{L}\p{N}\p{M}]/u;
const SPACELESS =
  /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}]/u;
const BLANK = /\s/u;
const LOOK_AHEAD = 64;

/**
 * @param {string} text
 * @param {string[]} tokens those of the text alone, without special ones around it
 * @param {object} document the tokenizer.json
 * @param {(text: string) => string} normalize the tokenizer's normaliser
 * @returns {[number, number][]} begin and end of each; the same number twice for one that is nowhere
 */
export function offsetsOf(text, tokens, document, normalize) {
  const bytes = usesBytes(document);
  const units = unitsOf(text, normalize, bytes);
  const known = document.model.unk_token ?? document.model.vocab?.[document.model.unk_id]?.[0];
  let at = 0;
  return tokens.map((token) => {
    while (at < units.length && units[at].blank) at += 1;
    if (token === known) {
      const first = at;
      at = endOfUnknown(units, at, document.model.type === "WordPiece");
      return placeOf(units, first, at);
    }
    const wanted = surface(token, document, bytes);
    if (!wanted.length) return emptyAt(units, at);
    const found = find(units, wanted, at);
    if (found < 0) return emptyAt(units, at);
    at = found + wanted.length;
    return placeOf(units, found, at);
  });
}

const usesBytes = ({ pre_tokenizer: splitting, decoder }) =>
  [splitting, ...(splitting?.pretokenizers ?? []), decoder].some((each) => each?.type === "ByteLevel");

/** The text's normalised characters (or their bytes), and where in the text each comes from. */
function unitsOf(text, normalize, bytes) {
  const units = [];
  let begin = 0;
  for (const character of text) {
    const end = begin + character.length;
    const made = (normalize ? normalize(character) : character).trim().normalize("NFD");
    const blank = !made && BLANK.test(character);
    const pieces = bytes ? [...new TextEncoder().encode(made)] : [...made];
    for (const piece of pieces) units.push({ piece, begin, end, character, blank: false });
    if (blank) units.push({ piece: " ", begin, end, character, blank });
    begin = end;
  }
  return units;
}

/** What a token says of the text, in the same units, without marks and blanks of the tokenizer's own. */
function surface(token, document, bytes) {
  const prefix = document.model.continuing_subword_prefix ?? (document.model.type === "WordPiece" ? "##" : "");
  const bare = prefix && token.startsWith(prefix) ? token.slice(prefix.length) : token;
  if (bytes) {
    const values = [...bare].map((character) => BYTES.get(character));
    while (values[0] === 32) values.shift();
    return values;
  }
  return [...bare.replaceAll("▁", " ").trim().normalize("NFD")];
}

function find(units, wanted, at) {
  const last = Math.min(units.length - wanted.length, at + LOOK_AHEAD);
  for (let start = at; start <= last; start += 1) {
    if (wanted.every((piece, i) => units[start + i].piece === piece)) return start;
  }
  return -1;
}

/** An unknown token is a whole word, or a sign (of WordPiece one, else all that touch). */
function endOfUnknown(units, at, single) {
  if (at >= units.length) return at;
  const isWord = WORD.test(units[at].character);
  let end = at + 1;
  while (end < units.length && !units[end].blank && WORD.test(units[end].character) === isWord) {
    if (!isWord && single && units[end].begin !== units[at].begin) break;
    if (isWord && SPACELESS.test(units[end].character)) break;
    end += 1;
  }
  return end;
}

const placeOf = (units, first, after) =>
  first < after ? [units[first].begin, units[after - 1].end] : emptyAt(units, first);

const emptyAt = (units, at) => Array(2).fill(units[at]?.begin ?? units.at(-1)?.end ?? 0);

/** GPT-2's characters for bytes. */
const BYTES = new Map();
let next = 256;
for (let byte = 0; byte < 256; byte += 1) {
  const shown = (byte > 32 && byte < 127) || (byte > 160 && byte < 173) || byte > 173;
  BYTES.set(String.fromCodePoint(shown ? byte : next++), byte);
}

/**
 * The words of a text as tlzoo's Python has them: pieces that touch within one run of letters, digits and marks.
 * @param {{text: string, offsets: [number, number][]}} context
 * @returns {number[][]} positions of the pieces of each word
 */
export function wordsOf({ text, offsets }) {
  const words = [];
  let end = -1;
  offsets.forEach(([begin, stop], at) => {
    if (begin === stop) return;
    if (words.length && (begin < end || (begin === end && together(text, begin)))) words.at(-1).push(at);
    else words.push([at]);
    end = Math.max(end, stop);
  });
  return words;
}

function together(text, place) {
  const before = [...text.slice(Math.max(0, place - 2), place)].at(-1) ?? "";
  const after = String.fromCodePoint(text.codePointAt(place) ?? 32);
  return LETTER.test(before) && LETTER.test(after) && !SPACELESS.test(before) && !SPACELESS.test(after);
}
