/** The words of a text, from the places of its tokens. */

const LETTER = /[\p{L}\p{N}\p{M}\u00ad\u200c\u200d\u2060]/u;
const MARK = /\p{M}/u;
const SPACELESS =
  /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}]/u;

/**
 * The words of a text as tlzoo's Python has them: pieces with nothing between them but one run of
 * letters, digits and marks.
 * @param {{text: string, offsets: [number, number][]}} context
 * @returns {number[][]} positions of the pieces of each word
 */
export function wordsOf({ text, offsets }) {
  const words = [];
  let end = -1;
  offsets.forEach(([begin, stop], at) => {
    if (begin === stop) return;
    if (words.length && (begin < end || touchInWord(text, end, begin))) words.at(-1).push(at);
    else words.push([at]);
    end = Math.max(end, stop);
  });
  return words;
}

/**
 * Where each of these words begins and ends, with the marks behind it that the tokenizer leaves out.
 * @returns {[number, number][]} UTF-16 units
 */
export function placesOf({ text, offsets }, words) {
  const begins = words.map((pieces) => offsets[pieces[0]][0]);
  return words.map((pieces, number) => {
    const limit = begins[number + 1] ?? text.length;
    let end = Math.max(...pieces.map((at) => offsets[at][1]));
    while (end < limit && MARK.test(characterAt(text, end))) end += characterAt(text, end).length;
    return [begins[number], end];
  });
}

function touchInWord(text, end, begin) {
  for (let place = end; place <= begin; place += characterAt(text, place).length) {
    if (!together(text, place)) return false;
  }
  return true;
}

const characterAt = (text, place) => String.fromCodePoint(text.codePointAt(place) ?? 32);

function together(text, place) {
  const before = [...text.slice(Math.max(0, place - 2), place)].at(-1) ?? "";
  const after = characterAt(text, place);
  return LETTER.test(before) && LETTER.test(after) && !SPACELESS.test(before) && !SPACELESS.test(after);
}
