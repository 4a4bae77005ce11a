/** WAV files, read here and not by the browser, which would resample them by a filter of its own. */

const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;
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
 * Mono samples of a WAV file.
 * @param {Uint8Array} bytes
 * @param {(rate: number) => number} most how many frames to read at most
 * @returns {{samples: Float32Array, rate: number} | null} null for an encoding that is left to the browser
 */
export function readWav(bytes, most) {
  const file = view(bytes);
  const { format, data } = chunks(file);
  if (!format || !data) throw new Error("This WAV file has no sound in it.");
  const { reader, channels, rate, size } = format;
  if (!reader) return null;
  const frames = Math.min(Math.floor(data.size / size), most(rate));
  const samples = new Float32Array(frames);
  for (let frame = 0; frame < frames; frame++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) {
      const at = data.start + frame * size + (channel * size) / channels;
      sum = Math.fround(sum + Math.fround(reader(file, at)));
    }
    samples[frame] = sum / channels;
  }
  return { samples, rate };
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
    if (kind === "data") {
      if (claimed > there && claimed < UNKNOWN_SIZE) {
        throw new Error(`This recording is cut short: its header claims ${claimed} bytes of sound, ${there} are there.`);
      }
      return { ...found, data: { start, size: Math.min(claimed, there) } };
    }
    at = start + claimed + (claimed % 2);
  }
  return found;
}

function readFormat(file, at, length) {
  const tagged = file.getUint16(at, true);
  const code = tagged === EXTENSIBLE && length >= 26 ? file.getUint16(at + 24, true) : tagged;
  const channels = file.getUint16(at + 2, true);
  const size = file.getUint16(at + 12, true);
  const reader = channels && size && READERS[`${code}/${(size / channels) * 8}`];
  return { reader, channels, size, rate: file.getUint32(at + 4, true) };
}
