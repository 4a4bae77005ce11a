/** What the manifest says of the model, for people. */

import * as task from "./task.js";

const MOST_LABELS = 40;

/**
 * @param {object} manifest
 * @returns {[string, string][]} names and facts; what the manifest does not say is left out
 */
export function factsOf(manifest) {
  const { checkpoint, precision, versions } = manifest;
  const facts = [
    ["Labels", listed(task.listed?.(manifest) ?? [])],
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

function quality({ metrics, parity }) {
  const [title, written] = task.quality(metrics.exported ?? {}) || ["Quality", ""];
  if (!written) return [title, ""];
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
