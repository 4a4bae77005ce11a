/** Entities of a text: the answer in the web page; the same decisions as task.py. */

import { percent, softmax } from "./numbers.js";
import { placesOf, wordsOf } from "./offsets-text.js";

const OUTSIDE = "O";
const ENDS = ["E", "L", "S", "U"];
const BEGINS = ["B", "S", "U"];

export const question = (manifest, thing) => `What is named in this ${thing}?`;

/**
 * @param {object} manifest the model's manifest
 * @param {object} outputs `{logits}`, `{data, dims}` of one input: [1, T, C]
 * @param {{text: string, offsets: [number, number][]}} context where the T tokens begin and end in the text
 * @returns {{entities: {start: number, end: number, label: string, score: number}[]}} places are UTF-16 units
 */
export function decode({ labels, calibration }, outputs, context) {
  const { data, dims } = outputs.logits;
  const temperature = calibration?.temperature ?? 1;
  const grouped = wordsOf(context);
  const places = placesOf(context, grouped);
  const words = grouped.map((pieces, number) => {
    const first = pieces[0] * dims[2];
    const row = Array.from(data.slice(first, first + dims[2]), (logit) => logit / temperature);
    const best = row.indexOf(Math.max(...row));
    return { place: places[number], tag: labels[best], share: softmax(row)[best] };
  });
  const entities = chunks(words.map(({ tag }) => tag)).map(([first, after, label]) => {
    const members = words.slice(first, after);
    const score = members.reduce((sum, { share }) => sum + share, 0) / members.length;
    return { start: members[0].place[0], end: members.at(-1).place[1], label, score };
  });
  return { entities };
}

/** Entities in tags of IOB: first word, word after the last, label; one also begins where the label changes. */
function chunks(tags) {
  const found = [];
  let [before, label, start] = [OUTSIDE, "", 0];
  [...tags, OUTSIDE].forEach((tag, at) => {
    const [prefix, kind] = tag === OUTSIDE ? [OUTSIDE, ""] : [tag[0], tag.slice(2)];
    const inside = prefix !== OUTSIDE && before !== OUTSIDE;
    if (!inside || kind !== label || BEGINS.includes(prefix) || ENDS.includes(before)) {
      if (before !== OUTSIDE) found.push([start, at, label]);
      start = at;
    }
    [before, label] = [prefix, kind];
  });
  return found;
}

export function sentence({ entities }) {
  if (!entities.length) return "Nothing is named in this text.";
  return entities.length === 1 ? "One entity" : `${entities.length} entities`;
}

/** The text with its entities marked. */
export function marked({ entities }, text, element) {
  const parts = [];
  let done = 0;
  for (const { start, end, label, score } of entities) {
    const name = element("small", {}, label);
    parts.push(text.slice(done, start), element("mark", { title: percent(score) }, text.slice(start, end), name));
    done = end;
  }
  return [...parts, text.slice(done)];
}

export const listed = ({ labels }) => [...new Set(labels.filter((tag) => tag !== OUTSIDE).map((tag) => tag.slice(2)))];

export const quality = ({ f1 }) => f1 !== undefined && ["F1 of entities", percent(f1)];
