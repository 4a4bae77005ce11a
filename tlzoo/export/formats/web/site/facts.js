/** What the manifest says of the model, for people. */

import { kindOf } from "./answer.js";

const MOST_LABELS = 40;
const HEADLINE = { single: ["accuracy", "Accuracy"], multilabel: ["macro_f1", "Macro F1"], regression: ["rmse", "RMSE"] };

/**
 * @param {object} manifest
 * @returns {[string, string][]} names and facts; what the manifest does not say is left out
 */
export function factsOf(manifest) {
  const { checkpoint, precision, versions } = manifest;
  const facts = [
    ["Labels", kindOf(manifest.task) === "regression" ? "" : listed(manifest.labels)],
    ["Pretrained model", checkpoint.id],
    ["Its licence", checkpoint.license],
    [...quality(manifest)],
    ["Proof", proof(manifest)],
    ["Calibration", calibration(manifest)],
    ["Precision", precision],
    ["Made with", versions.tlzoo && `tlzoo ${versions.tlzoo}`],
  ];
  return facts.filter(([, fact]) => fact);
}

function listed(labels) {
  const shown = labels.slice(0, MOST_LABELS).join(", ");
  return labels.length > MOST_LABELS ? `${shown} and ${labels.length - MOST_LABELS} more` : shown;
}

function quality({ task, metrics, parity }) {
  const [name, title] = HEADLINE[kindOf(task)];
  const value = metrics.exported?.[name];
  if (value === undefined) return [title, ""];
  const written = name === "rmse" ? value.toPrecision(4) : `${(100 * value).toFixed(1)}%`;
  return [title, `${written} on ${parity.samples.toLocaleString("en")} samples it was not trained on`];
}

function proof({ parity }) {
  const alike = `${(100 * parity.top1_agreement).toFixed(1)}%`;
  const count = parity.samples.toLocaleString("en");
  return (
    `This file answers as the trained model does on ${alike} of ${count} samples; ` +
    `outputs differ by ${parity.max_abs_diff.toExponential(1)} at most (${parity.tolerance.toExponential(1)} allowed).`
  );
}

function calibration({ calibration }) {
  if (!calibration) return "";
  const [before, after] = [calibration.ece_before, calibration.ece_after].map((error) => `${(100 * error).toFixed(1)}%`);
  return `Expected calibration error ${after} (${before} before), temperature ${calibration.temperature.toFixed(2)}.`;
}
