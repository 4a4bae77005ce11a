/**
 * BertNormalizer as Hugging Face's Rust tokenizers have it, on characters that know their place in the text. The
 * JavaScript package reads Chinese characters by UTF-16 unit, so that those beyond U+FFFF stay unsplit, and lowers a
 * Greek final sigma by its place in the word.
 */

const CHINESE = [
  [0x4e00, 0x9fff],
  [0x3400, 0x4dbf],
  [0x20000, 0x2a6df],
  [0x2a700, 0x2b73f],
  [0x2b740, 0x2b81f],
  [0x2b920, 0x2ceaf],
  [0xf900, 0xfaff],
  [0x2f800, 0x2fa1f],
];

const isChinese = (character) => {
  const code = character.codePointAt(0);
  return CHINESE.some(([first, last]) => code >= first && code <= last);
};

/** What a change makes of each character has that character's place. */
const each = (units, change) =>
  units.flatMap((unit) => {
    const changed = change(unit.character);
    return changed === unit.character ? unit : Array.from(changed, (character) => ({ ...unit, character }));
  });

const tidy = (character) => {
  if (/[\t\n\r]/.test(character)) return " ";
  if (/[\0\ufffd\p{Cc}\p{Cf}\p{Cs}\p{Co}]/u.test(character)) return "";
  return /\p{White_Space}/u.test(character) ? " " : character;
};

/** Marks are decomposed one by one and then sorted within the text, which leaves the number of characters as it is. */
function withoutAccents(units) {
  const single = each(units, (one) => one.normalize("NFD"));
  const sorted = Array.from(single.map(({ character }) => character).join("").normalize("NFD"));
  const whole = single.map((unit, at) => ({ ...unit, character: sorted[at] }));
  return whole.filter(({ character }) => !/\p{Mn}/u.test(character));
}

/**
 * @typedef {{character: string, begin: number, end: number}} Unit a character and the place that it comes from
 * @param {{clean_text: boolean, handle_chinese_chars: boolean, strip_accents: boolean | null, lowercase: boolean}} rules
 * @returns {(units: Unit[]) => Unit[]}
 */
export function bertNormalizer(rules) {
  const steps = [
    rules.clean_text && ((units) => each(units, tidy)),
    rules.handle_chinese_chars && ((units) => each(units, (one) => (isChinese(one) ? ` ${one} ` : one))),
    (rules.strip_accents ?? rules.lowercase) && withoutAccents,
    rules.lowercase && ((units) => each(units, (one) => one.toLowerCase())),
  ].filter(Boolean);
  return (units) => steps.reduce((changed, step) => step(changed), units);
}
