/** Any number of labels per input: the answer in the web page; the same decisions as task.py. */

import { logistic, percent, whichLabel } from "./numbers.js";

const THRESHOLD = 0.5;

export const question = ({ labels }, thing) => whichLabel(labels, thing);

/**
 * @param {object} manifest the model's manifest
 * @param {object} outputs `{logits, probabilities?}`, each `{data, dims}` of one input
 * @returns {{logits: number[], scores: object, labels: string[]}} `labels` are those of probability 0.5 or more
 */
export function decode({ labels, calibration }, outputs) {
  const logits = [...outputs.logits.data];
  const temperature = calibration?.temperature ?? 1;
  const shares = outputs.probabilities
    ? [...outputs.probabilities.data]
    : logistic(logits.map((logit) => logit / temperature));
  const scores = Object.fromEntries(labels.map((label, at) => [label, shares[at]]));
  return { logits, scores, labels: labels.filter((_, at) => logits[at] >= 0) };
}

export const sentence = ({ labels }) =>
  labels.length ? labels.join(", ") : `No label reaches ${percent(THRESHOLD)}`;

export const bars = ({ scores, labels }) =>
  Object.entries(scores).map(([name, score]) => [name, score, labels.includes(name)]);

export const listed = ({ labels }) => labels;

export const quality = ({ macro_f1: f1 }) => f1 !== undefined && ["Macro F1", percent(f1)];
