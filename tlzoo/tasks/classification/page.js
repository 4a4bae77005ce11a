/** One label per input: the answer in the web page; the same decisions as task.py. */

import { percent, softmax, whichLabel } from "./numbers.js";

export const question = ({ labels }, thing) => whichLabel(labels, thing);

/**
 * @param {object} manifest the model's manifest
 * @param {object} outputs `{logits, probabilities?}`, each `{data, dims}` of one input
 * @returns {{logits: number[], scores: object, label: string, score: number}}
 */
export function decode({ labels, calibration }, outputs) {
  const logits = [...outputs.logits.data];
  const temperature = calibration?.temperature ?? 1;
  const shares = outputs.probabilities
    ? [...outputs.probabilities.data]
    : softmax(logits.map((logit) => logit / temperature));
  const best = logits.indexOf(Math.max(...logits));
  const scores = Object.fromEntries(labels.map((label, at) => [label, shares[at]]));
  return { logits, scores, label: labels[best], score: shares[best] };
}

export const sentence = ({ label, score }) => `${label}, ${percent(score)}`;

export const bars = ({ scores, label }) => Object.entries(scores).map(([name, score]) => [name, score, name === label]);

export const listed = ({ labels }) => labels;

export const quality = ({ accuracy }) => accuracy !== undefined && ["Accuracy", percent(accuracy)];
