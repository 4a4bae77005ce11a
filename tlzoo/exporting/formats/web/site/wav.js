/** WAV files, read here and not by the browser, which would resample them by a filter of its own. */

const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;
const LEAST_CHUNK = 8; // fewer bytes behind the sound are none
const TAGS = ["TAG", "ID3", "APETAGEX", "LYRICSBEGIN"];
const UNKNOWN_SIZE = 0x7ffff000; // what pipes write, who cannot know the length when the header is due

const READERS = {
  [`${PCM}/8`]: (view, at) => (view.getUint8(at) - 128) / 128,
  [`${PCM}/16`]: (view, at) => view.getInt16(at, true) / 2 ** 15,
  [`${PCM}/24`]: (view, at) => (view.getUint8(at) | (view.getInt16(at + 1, true) << 8)) / 2 ** 23,
  [`${PCM}/32`]: (view, at) => view.getInt32(at, true) / 2 ** 31,
  [`${FLOAT}/32`]: (view, at) => view.getFloat32(at, true),
  [`${FLOAT}/64`]: (view, at) => view.getFloat64(at, true),
};

/** Whether these bytes begin as a WAV file does. */
export const isWav = (bytes) => tag(view(bytes), 0) === "RIFF" && tag(view(bytes), 8) === "WAVE";

/**
 * The channels of a WAV file.
 * @param {Uint8Array} bytes
 * @param {(rate: number) => number} most how many frames to read at most
 * @returns {{channels: Float32Array[], rate: number} | null} null for an encoding that is left to the browser
 */
export function readWav(bytes, most) {
  const file = view(bytes);
  const { format, data } = chunks(file);
  if (!format || !data) throw new Error("This WAV file has no sound in it.");
  const { reader, count, rate, size } = format;
  if (!reader) return null;
  const frames = Math.min(Math.floor(data.size / size), most(rate));
  const channels = Array.from({ length: count }, (_, channel) => {
    const first = data.start + (channel * size) / count;
    return Float32Array.from({ length: frames }, (_, frame) => reader(file, first + frame * size));
  });
  return { channels, rate };
}

const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const tag = (file, at) =>
  at + 4 <= file.byteLength ? String.fromCharCode(...[0, 1, 2, 3].map((i) => file.getUint8(at + i))) : "";

function chunks(file) {
  const found = {};
  for (let at = 12; at + 8 <= file.byteLength; ) {
    const kind = tag(file, at);
    const claimed = file.getUint32(at + 4, true);
    const start = at + 8;
    const there = file.byteLength - start;
    if (kind === "fmt " && there >= 16) found.format = readFormat(file, start, claimed);
    if (kind === "data") return { ...found, data: { start, size: soundSize(file, start, claimed) } };
    at = start + claimed + (claimed % 2);
  }
  return found;
}

/** How many bytes of sound there are: what the header claims, or all where it was never finished. */
function soundSize(file, start, claimed) {
  const there = file.byteLength - start;
  if (claimed >= UNKNOWN_SIZE) return there;
  if (claimed > there) {
    throw new Error(`This recording is cut short: its header claims ${claimed} bytes of sound, ${there} are there.`);
  }
  if (endsInChunks(file, start + claimed + (claimed % 2), claimed === 0)) return claimed;
  if (claimed === 0) return there;
  throw new Error(`This recording has bytes behind the ${claimed} of its sound that belong to nothing.`);
}

/** Whether what lies behind the sound is chunks, or a tag, or zeros. */
function endsInChunks(file, from, unfinished) {
  let at = from;
  while (file.byteLength - at >= LEAST_CHUNK) {
    const kind = tag(file, at);
    const end = at + LEAST_CHUNK + file.getUint32(at + 4, true);
    if (!/^[ -~]{4}$/.test(kind) || kind === "data" || kind === "RIFF" || end > file.byteLength) {
      return !unfinished && isFilling(new Uint8Array(file.buffer, file.byteOffset + at));
    }
    at = end + (end - at) % 2;
  }
  return true;
}

const isFilling = (rest) => rest.every((byte) => byte === 0) || TAGS.some((name) => beginsWith(rest, name));

const beginsWith = (bytes, name) => [...name].every((letter, at) => bytes[at] === letter.charCodeAt(0));

function readFormat(file, at, length) {
  const tagged = file.getUint16(at, true);
  const code = tagged === EXTENSIBLE && length >= 26 ? file.getUint16(at + 24, true) : tagged;
  const count = file.getUint16(at + 2, true);
  const size = file.getUint16(at + 12, true);
  const reader = count && size && READERS[`${code}/${(size / count) * 8}`];
  return { reader, count, size, rate: file.getUint32(at + 4, true) };
}
