/** The page: takes a picture, a text or a sound, shows the model's answer, and offers `window.tlzoo` to scripts. */

import { factsOf } from "./facts.js";
import { loadManifest, loadModel } from "./model.js";
import { connectAudio, connectImage, connectText } from "./inputs.js";
import { percent } from "./numbers.js";
import * as task from "./task.js";

const MOST_BARS = 5;
const THINGS = { image: "picture", text: "text", audio: "recording" };

const byId = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Show the manifest's facts: what the model is, what it was made from, how well it does, what was proven. */
function introduce(manifest) {
  byId("task").textContent = manifest.task.replace("-", " ");
  byId("title").textContent = document.title = task.question(manifest, THINGS[manifest.preprocess.kind]);
  const facts = factsOf(manifest);
  byId("facts").append(...facts.flatMap(([name, fact]) => [element("dt", {}, name), element("dd", {}, fact)]));
}

function say(text, failed = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("failed", failed);
}

/** Show one answer: as a sentence, as marks in the input where the task has such, and as bars. */
function show(answer, manifest, input) {
  const verdict = byId("verdict");
  verdict.textContent = task.sentence(answer, manifest);
  verdict.hidden = false;
  const marked = task.marked?.(answer, input, element);
  byId("marked").replaceChildren(...(marked ?? []));
  byId("marked").hidden = !marked;
  const ranked = (task.bars?.(answer) ?? []).sort(([, a], [, b]) => b - a);
  const shown = ranked.filter(([, , chosen], at) => at < MOST_BARS || chosen);
  byId("bars").replaceChildren(...shown.map(([label, score, chosen]) => bar(label, score, chosen)));
}

function bar(label, score, chosen) {
  const fill = element("span", { className: "fill" });
  fill.style.width = percent(score);
  return element(
    "li",
    { className: chosen ? "chosen" : "" },
    element("span", { className: "label" }, label),
    element("span", { className: "track", ariaHidden: "true" }, fill),
    element("span", { className: "share" }, percent(score)),
  );
}

/** Let the browser draw what was said before the model keeps it busy. */
const drawn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));

/** What a new input calls: the last one asked for wins. */
function answering(model, manifest) {
  let latest = 0;
  return async (input) => {
    const mine = ++latest;
    say("Working…");
    await drawn();
    try {
      const began = performance.now();
      const answer = await model.predict(input);
      if (mine !== latest) return;
      show(answer, manifest, input);
      say(`Answered in ${Math.round(performance.now() - began)} ms, on this device. ${answer.cut ?? ""}`.trim());
    } catch (problem) {
      if (mine !== latest) return;
      byId("verdict").hidden = byId("marked").hidden = true;
      byId("bars").replaceChildren();
      say(problem.message, true);
    }
  };
}

async function start() {
  const manifest = await loadManifest();
  introduce(manifest);
  const model = await loadModel(manifest, (share) => {
    byId("loading").value = share;
  });
  byId("loading").hidden = true;
  const kind = manifest.preprocess.kind;
  byId(kind).hidden = false;
  const connect = { image: connectImage, text: connectText, audio: connectAudio }[kind];
  connect(answering(model, manifest), (problem) => say(problem, true), manifest);
  say("Ready.");
  return { manifest, ...model };
}

const ready = start();
ready.catch((problem) => {
  byId("loading").hidden = true;
  say(`The model cannot run here: ${problem.message}`, true);
});

/** For scripts: `await tlzoo.predict(blobOrText)`; see predict in model.js for what it answers. */
window.tlzoo = {
  ready,
  predict: async (input) => (await ready).predict(input),
  prepare: async (input) => (await ready).prepare(input),
};
