/**
 * SentencePiece's precompiled normaliser as Hugging Face's Rust tokenizers have it, on characters that know their place
 * in the text. The JavaScript package has NFKC in its stead.
 *
 * The map holds a double-array trie over UTF-8 (as darts-clone lays it out) and the texts that it points to, each ended
 * by a zero. A grapheme of fewer than 6 bytes is looked up as a whole, its characters one by one where that is not
 * found; what counts is the shortest beginning that the trie has, as in Rust.
 */

const GRAPHEMES = new Intl.Segmenter("en", { granularity: "grapheme" });
const LONGEST = 6;
const UTF8 = new TextEncoder();

/**
 * @param {string} written the map in base64
 * @returns {(units: {character: string, begin: number, end: number}[]) => object[]} the normalised characters
 */
export function charsmapNormalizer(written) {
  const lookUp = makeLookUp(Uint8Array.from(atob(written), (one) => one.charCodeAt(0)));
  return (units) => {
    const made = [];
    for (const { segment } of GRAPHEMES.segment(units.map(({ character }) => character).join(""))) {
      const whole = UTF8.encode(segment).length < LONGEST ? lookUp(segment) : null;
      if (whole !== null) replace(made, segment, whole);
      else for (const character of segment) replace(made, character, lookUp(character) ?? character);
    }
    return withPlaces(made, units);
  };
}

/** What a text becomes; `null` where the map does not have it. */
function makeLookUp(bytes) {
  const view = new DataView(bytes.buffer);
  const size = view.getUint32(0, true);
  const trie = Uint32Array.from({ length: size / 4 }, (_, at) => view.getUint32(4 * (at + 1), true));
  const texts = bytes.subarray(4 + size);
  const known = new Map();
  const find = (text) => {
    let at = offset(trie[0]);
    for (const byte of UTF8.encode(text)) {
      if (byte === 0) return null;
      at ^= byte;
      const unit = trie[at];
      if ((unit & 0x800000ff) >>> 0 !== byte) return null;
      at ^= offset(unit);
      if (unit & 0x100) {
        const from = trie[at] & 0x7fffffff;
        return new TextDecoder().decode(texts.subarray(from, texts.indexOf(0, from)));
      }
    }
    return null;
  };
  return (text) => {
    if (!known.has(text)) known.set(text, find(text));
    return known.get(text);
  };
}

const offset = (unit) => (unit >>> 10) << ((unit & 0x200) >>> 6);

/** `more` is 1 for a character beside those replaced, and below 0 for one behind which as many disappear. */
function replace(made, before, after) {
  const characters = Array.from(after, (character) => ({ character, more: 0 }));
  const more = characters.length - Array.from(before).length;
  made.push(...characters);
  if (more > 0) for (const each of made.slice(-more)) each.more = 1;
  else if (more < 0 && made.length) made.at(-1).more += more;
}

/** As Rust counts them: what disappears before the first character is not. */
function withPlaces(made, units) {
  const nowhere = { begin: units[0]?.begin ?? 0, end: units[0]?.begin ?? 0 };
  let at = 0;
  return made.map(({ character, more }) => {
    const { begin, end } = units[more > 0 ? at - 1 : at] ?? nowhere;
    if (more <= 0) at += 1 - more;
    return { character, begin, end };
  });
}
