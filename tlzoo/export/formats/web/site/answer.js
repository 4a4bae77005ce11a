/** What a row of logits says, by the kind of task; the same decisions as tlzoo's Python. */

const softmax = (logits) => {
  const top = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - top));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
};

const logistic = (logits) => logits.map((logit) => 1 / (1 + Math.exp(-logit)));

/**
 * `single`, `multilabel` or `regression`.
 * @param {string} task the manifest's `task`, such as `text-multilabel`
 */
export function kindOf(task) {
  const kind = task.slice(task.indexOf("-") + 1);
  return kind === "multilabel" || kind === "regression" ? kind : "single";
}

/**
 * @param {object} manifest the model's manifest
 * @param {number[]} logits one per label
 * @param {number[] | undefined} probabilities the graph's own, where it has that output
 * @returns {object} `{logits, value}` for regression, else `{logits, scores}` with every label's probability and, for
 *   one label per input `{label, score}`, for several `{labels}`: those of probability 0.5 or more
 */
export function decode(manifest, logits, probabilities) {
  const kind = kindOf(manifest.task);
  if (kind === "regression") return { logits, value: logits[0] };
  const temperature = manifest.calibration?.temperature ?? 1;
  const scaled = logits.map((logit) => logit / temperature);
  const shares = probabilities ?? (kind === "single" ? softmax(scaled) : logistic(scaled));
  const scores = Object.fromEntries(manifest.labels.map((label, at) => [label, shares[at]]));
  if (kind === "multilabel") return { logits, scores, labels: manifest.labels.filter((_, at) => logits[at] >= 0) };
  const best = logits.indexOf(Math.max(...logits));
  return { logits, scores, label: manifest.labels[best], score: shares[best] };
}
