/** The model in this folder, run by ONNX Runtime in this browser. */

import * as ort from "./vendor/onnxruntime.js";
import { checkSeal } from "./seal.js";
import { decode } from "./task.js";

const here = (path) => new URL(path, import.meta.url).href;

ort.env.wasm.wasmPaths = { mjs: here("./vendor/onnxruntime-wasm.js"), wasm: here("./vendor/onnxruntime.wasm") };
ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;

/**
 * Load the manifest beside this module.
 * @returns {Promise<object>}
 */
export async function loadManifest() {
  return JSON.parse(await manifestText());
}

async function manifestText() {
  return (await download("./manifest.json")).text();
}

/**
 * Load the model beside this module; fails where it is not what was exported.
 * @param {object} manifest
 * @param {(share: number) => void} [progress] told how much of the model has arrived, 0..1
 * @returns {Promise<{prepare: Function, predict: Function}>} `prepare(input)` gives the arrays that the graph takes,
 *   `predict(input)` the answer as `decode` in task.js describes it; an input is a Blob (picture, sound) or a string
 */
export async function loadModel(manifest, progress = () => {}) {
  const { makePreprocessor } = await import(`./preprocess-${manifest.preprocess.kind}.js`);
  const prepare = makePreprocessor(manifest);
  const bytes = await read(await download("./model.onnx"), progress);
  await checkSeal(bytes, await manifestText(), manifest.sealed);
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const wanted = session.outputNames.filter((name) => name !== "embeddings");

  const predict = async (input) => {
    const arrays = await prepare(input);
    const feeds = Object.fromEntries(
      session.inputNames.map((name) => [name, new ort.Tensor(arrays[name].type, arrays[name].data, arrays[name].dims)]),
    );
    const outputs = await session.run(feeds, wanted);
    const answer = decode(manifest, outputs, arrays.context);
    return arrays.context?.cut ? { ...answer, cut: arrays.context.cut } : answer;
  };
  return { prepare, predict: inTurn(predict) };
}

/** One call at a time: a session cannot run twice at once. */
function inTurn(work) {
  let last = Promise.resolve();
  return (input) => {
    const result = last.then(() => work(input));
    last = result.catch(() => {});
    return result;
  };
}

async function download(path) {
  const response = await fetch(here(path));
  if (!response.ok) throw new Error(`${path} cannot be loaded: ${response.status} ${response.statusText}`);
  return response;
}

async function read(response, progress) {
  const total = Number(response.headers.get("content-length"));
  const parts = [];
  let done = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { value, done: over } = await reader.read();
    if (over) break;
    parts.push(value);
    done += value.length;
    if (total) progress(Math.min(1, done / total));
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
