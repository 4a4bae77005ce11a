/** Recordings to float32 [1, T]: mono, at the model's rate, cut or padded with zeros at the end. */

import { mix } from "./mix-audio.js";
import { resample } from "./resample-audio.js";
import { roundHalfToEven } from "./rounding.js";
import { soundRate } from "./sound-rate.js";
import { isWav, readWav } from "./wav.js";

const MARGIN_SECONDS = 0.25; // read past the cut, so that the resampling filter sees what follows it
const MOST_BYTES = 100_000_000; // the browser decodes the whole file at once
const MOST_RATE = 768_000;
const HEADROOM = 2; // how far floats may go: nothing beyond is meant to be between -1 and 1
const LAST = 1e-30; // in place of a last sample of 0, where zeros at the end are taken for padding

/**
 * @param {object} manifest the model's manifest
 * @returns {(sound: Blob) => Promise<object>} what turns a sound file into the model's inputs
 */
export function makePreprocessor(manifest) {
  const { sample_rate: to, seconds, mark_end: marksEnd } = manifest.preprocess;
  const wanted = roundHalfToEven(seconds * to);
  const most = (rate) => Math.ceil((seconds + MARGIN_SECONDS) * rate);
  return async (sound) => {
    const { channels, rate } = await decode(sound, most);
    const samples = mix(channels);
    if (!samples.length) throw new Error("This recording holds no samples.");
    if (!samples.every(Number.isFinite)) throw new Error("This recording holds samples that are not numbers.");
    if (samples.some((value) => Math.abs(value) > HEADROOM)) {
      throw new Error("This recording holds numbers far beyond 1. Save it with samples of -1 to 1, or as integers.");
    }
    const data = new Float32Array(wanted);
    const heard = resample(samples, rate, to, wanted);
    data.set(heard);
    const last = Math.max(0, heard.length - 1);
    if (marksEnd && !data[last]) data[last] = LAST;
    return { audio: { type: "float32", data, dims: [1, wanted] } };
  };
}

async function decode(sound, most) {
  if (!sound.size) throw new Error("This recording is empty.");
  if (sound.size > MOST_BYTES) throw new Error("This recording is larger than 100 MB. Cut it first.");
  const bytes = new Uint8Array(await sound.arrayBuffer());
  const own = isWav(bytes) ? readWav(bytes, most) : null;
  if (own && !(own.rate > 0 && own.rate <= MOST_RATE)) throw new Error(`A sample rate of ${own.rate} Hz is not possible.`);
  return own ?? decodeByBrowser(bytes, most);
}

async function decodeByBrowser(bytes, most) {
  const rate = soundRate(bytes);
  const decoded = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes.buffer).catch(() => {
    throw new Error("This recording cannot be read. Recordings in WAV, MP3, FLAC, OGG or WebM can.");
  });
  const frames = Math.min(decoded.length, most(rate));
  const channels = Array.from({ length: decoded.numberOfChannels }, (_, channel) =>
    decoded.getChannelData(channel).subarray(0, frames),
  );
  return { channels, rate };
}
