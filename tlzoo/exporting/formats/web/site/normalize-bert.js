/**
 * BertNormalizer as Hugging Face's Rust tokenizers have it. The JavaScript package reads Chinese characters by UTF-16
 * unit, so that those beyond U+FFFF stay unsplit, and lowers a Greek final sigma by its place in the word.
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

const each = (text, change) => Array.from(text, change).join("");

const tidy = (character) => {
  if (/[\t\n\r]/.test(character)) return " ";
  if (/[\0\ufffd\p{Cc}\p{Cf}\p{Cs}\p{Co}]/u.test(character)) return "";
  return /\p{White_Space}/u.test(character) ? " " : character;
};

/**
 * @param {{clean_text: boolean, handle_chinese_chars: boolean, strip_accents: boolean | null, lowercase: boolean}} rules
 * @returns {(text: string) => string}
 */
export function bertNormalizer(rules) {
  const steps = [
    rules.clean_text && ((text) => each(text, tidy)),
    rules.handle_chinese_chars && ((text) => each(text, (one) => (isChinese(one) ? ` ${one} ` : one))),
    (rules.strip_accents ?? rules.lowercase) && ((text) => text.normalize("NFD").replace(/\p{Mn}/gu, "")),
    rules.lowercase && ((text) => each(text, (one) => one.toLowerCase())),
  ].filter(Boolean);
  return (text) => steps.reduce((changed, step) => step(changed), text);
}
