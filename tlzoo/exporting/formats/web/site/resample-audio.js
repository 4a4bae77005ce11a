/**
 * Change of sampling rate by a sinc under a Kaiser window, its figures fitted to the impulse responses of soxr's HQ
 * quality, which tlzoo's Python uses; docs/web.md says how near the two are.
 */

const CUTOFF = 0.95687; // share of the lower rate's half
/** By the ratio of the two rates: the window's reach to either side, in samples of the lower rate, and its beta. */
const WINDOWS = new Map([
  [1.5, { reach: 96.83, beta: 13.04 }],
  [2, { reach: 97.25, beta: 13.04 }],
  [3, { reach: 96.83, beta: 13.04 }],
  [6, { reach: 101.5, beta: 13.71 }],
]);
const OTHERWISE = { reach: 109.9, beta: 16 };
const MOST_KEPT = 2048; // phases: enough for all rates in common use, one table of weights each

/**
 * @param {Float32Array} samples mono
 * @param {number} rate @param {number} to in Hz
 * @param {number} most how many samples to give at most
 * @returns {Float32Array}
 */
export function resample(samples, rate, to, most) {
  if (rate === to) return samples.subarray(0, most);
  const length = Math.min(most, Math.round((samples.length * to) / rate));
  const out = new Float32Array(length);
  const weightsAt = phases(rate, to);
  for (let at = 0; at < length; at++) {
    const { first, weights } = weightsAt(at);
    const from = Math.max(0, -first);
    const until = Math.min(weights.length, samples.length - first);
    let sum = 0;
    for (let i = from; i < until; i++) sum += weights[i] * samples[first + i];
    out[at] = sum;
  }
  return out;
}

/** For every output sample, which input samples count and how much; the same again every `to / gcd` samples. */
function phases(rate, to) {
  const period = to / divisor(rate, to);
  const scale = Math.min(1, to / rate);
  const window = WINDOWS.get(Math.max(rate, to) / Math.min(rate, to)) ?? OTHERWISE;
  const kept = new Map();
  return (at) => {
    const phase = at % period;
    const offset = ((at - phase) * rate) / to;
    const known = kept.get(phase) ?? weigh((phase * rate) / to, scale, window);
    if (kept.size < MOST_KEPT) kept.set(phase, known);
    return { first: known.first + offset, weights: known.weights };
  };
}

function weigh(position, scale, { reach, beta }) {
  const first = Math.ceil(position - reach / scale);
  const last = Math.floor(position + reach / scale);
  const whole = bessel(beta);
  const weights = Float64Array.from({ length: last - first + 1 }, (_, i) => {
    const x = (first + i - position) * scale;
    const window = bessel(beta * Math.sqrt(Math.max(0, 1 - (x / reach) ** 2))) / whole;
    return scale * CUTOFF * sinc(Math.PI * CUTOFF * x) * window;
  });
  return { first, weights };
}

const sinc = (angle) => (angle === 0 ? 1 : Math.sin(angle) / angle);

/** The modified Bessel function of the first kind of order 0, by its power series. */
function bessel(x) {
  let sum = 1;
  for (let term = 1, k = 1; term > sum * 1e-17; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

const divisor = (a, b) => (b ? divisor(b, a % b) : a);
