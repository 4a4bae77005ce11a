/** The seal of the model: the SHA-256 of all its bytes but the last 80, which hold it. */

const SIZE = 80;
const DIGITS = 64;
const KEY = "tlzoo.seal";

/**
 * Refuse a model, or a manifest, that is not what was exported. Browsers hash on https and on this machine alone;
 * elsewhere the manifest is compared, and nothing is said of the model.
 * @param {Uint8Array} model
 * @param {string} manifest the text of manifest.json, which the model holds as well
 * @param {boolean} sealed whether the manifest says that the model has a seal; those of older versions have none
 */
export async function checkSeal(model, manifest, sealed) {
  const head = new TextDecoder("latin1").decode(model.subarray(model.length - SIZE, model.length - DIGITS));
  if (!sealed && !head.includes(KEY)) return;
  const text = new TextEncoder().encode(manifest);
  if (!holds(model, text)) throw new Error("manifest.json is not the one that model.onnx was exported with.");
  if (!globalThis.crypto?.subtle) return;
  const stated = new TextDecoder().decode(model.subarray(model.length - DIGITS));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", model.subarray(0, model.length - SIZE)));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== stated) throw new Error("model.onnx is damaged, or was changed after its export.");
}

/** Whether these bytes are among those of the model: the metadata lies at its end. */
function holds(model, bytes) {
  for (let at = model.lastIndexOf(bytes[0]); at >= 0; at = at ? model.lastIndexOf(bytes[0], at - 1) : -1) {
    if (at + bytes.length <= model.length && bytes.every((byte, place) => model[at + place] === byte)) return true;
  }
  return false;
}
