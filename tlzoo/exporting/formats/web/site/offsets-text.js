/** The words of a text, from the places of its tokens. */

const LETTER = /[\p{L}\p{N}\p{M}]/u;
const SPACELESS =
  /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}]/u;

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
