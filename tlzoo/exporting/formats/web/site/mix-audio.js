/** Several channels become one: their mean, or the loudest where they cancel each other, as tlzoo's Python does it. */

const CANCELLED = 0.1; // of the power that channels with nothing in common would add up to, so much has to be left

/**
 * @param {Float32Array[]} channels of one length
 * @returns {Float32Array}
 */
export function mix(channels) {
  if (channels.length === 1) return channels[0];
  const sum = new Float32Array(channels[0].length);
  for (const channel of channels) for (let at = 0; at < sum.length; at++) sum[at] += channel[at];
  const powers = channels.map(power);
  const together = powers.reduce((total, each) => total + each, 0);
  if (power(sum) < CANCELLED * together) return channels[powers.indexOf(Math.max(...powers))];
  return sum.map((value) => value / channels.length);
}

/** The sum of squares about the mean: a constant offset is no power. */
function power(samples) {
  let mean = 0;
  for (const value of samples) mean += value / samples.length;
  let squares = 0;
  for (const value of samples) squares += (value - mean) ** 2;
  return squares;
}
