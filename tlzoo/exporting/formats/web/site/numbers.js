/** What the pages of tasks share: probabilities, and numbers for people. */

export const softmax = (logits) => {
  const top = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - top));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
};

export const logistic = (logits) => logits.map((logit) => 1 / (1 + Math.exp(-logit)));

export const percent = (share) => `${(100 * share).toFixed(1)}%`;

export const number = (value) => value.toLocaleString("en", { maximumSignificantDigits: 6 });

const MOST_NAMED = 4;
const disjunction = new Intl.ListFormat("en", { type: "disjunction" });

/** Which of a few labels fits, or of how many. */
export function whichLabel(labels, thing) {
  if (labels.length > MOST_NAMED) return `Which of ${labels.length} labels fits this ${thing}?`;
  return labels.length < 2 ? `Is this ${thing} ${labels[0]}?` : `Is this ${thing} ${disjunction.format(labels)}?`;
}
