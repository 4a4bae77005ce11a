/** The sampling rate that a compressed sound file itself has, so that the browser decodes without resampling. */

const OPUS = 48_000; // what WebM and Opus files decode to
const LOWEST = 8_000; // what every browser accepts for an audio context
const HIGHEST = 96_000;
const MP3 = { 3: [44_100, 48_000, 32_000], 2: [22_050, 24_000, 16_000], 0: [11_025, 12_000, 8_000] };

/**
 * @param {Uint8Array} bytes
 * @returns {number} in Hz; 48,000 where the file does not say
 */
export function soundRate(bytes) {
  const rate = flac(bytes) ?? vorbis(bytes) ?? mp3(bytes) ?? OPUS;
  return rate >= LOWEST && rate <= HIGHEST ? rate : OPUS;
}

const text = (bytes, at, length) => String.fromCharCode(...bytes.subarray(at, at + length));

function flac(bytes) {
  if (text(bytes, 0, 4) !== "fLaC" || bytes.length < 21) return null;
  return (bytes[18] << 12) | (bytes[19] << 4) | (bytes[20] >> 4);
}

function vorbis(bytes) {
  if (text(bytes, 0, 4) !== "OggS" || text(bytes, 29, 6) !== "vorbis" || bytes.length < 44) return null;
  return bytes[40] | (bytes[41] << 8) | (bytes[42] << 16);
}

function mp3(bytes) {
  const at = text(bytes, 0, 3) === "ID3" ? 10 + afterTag(bytes) : 0;
  const synchronised = bytes[at] === 0xff && (bytes[at + 1] & 0xe6) > 0xe0;
  return synchronised ? (MP3[(bytes[at + 1] >> 3) & 3]?.[(bytes[at + 2] >> 2) & 3] ?? null) : null;
}

/** An ID3 tag's length, seven bits in each of four bytes. */
const afterTag = (bytes) => bytes.subarray(6, 10).reduce((length, seven) => (length << 7) | seven, 0);
