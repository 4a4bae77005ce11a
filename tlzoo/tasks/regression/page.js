/** A number per input: the answer in the web page; the same as task.py. */

import { number } from "./numbers.js";

export const question = ({ labels }, thing) => `What is the ${labels[0]} of this ${thing}?`;

/**
 * @param {object} manifest the model's manifest
 * @param {object} outputs `{logits}`, `{data, dims}` of one input
 * @returns {{logits: number[], value: number}}
 */
export function decode(manifest, outputs) {
  const logits = [...outputs.logits.data];
  return { logits, value: logits[0] };
}

export const sentence = ({ value }, { labels }) => `${labels[0]}: ${number(value)}`;

export const quality = ({ rmse }) => rmse !== undefined && ["RMSE", rmse.toPrecision(4)];
