/** The page: takes a picture, a text or a sound, shows the model's answer, and offers `window.tlzoo` to scripts. */

import { kindOf } from "./answer.js";
import { factsOf } from "./facts.js";
import { loadManifest, loadModel } from "./model.js";
import { connectAudio, connectImage, connectText } from "./inputs.js";

const MOST_BARS = 5;
const MOST_NAMED = 4;
const THRESHOLD = 0.5;

const byId = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(1)}%`;
const number = (value) => value.toLocaleString("en", { maximumSignificantDigits: 6 });

const disjunction = new Intl.ListFormat("en", { type: "disjunction" });

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Show the manifest's facts: what the model is, what it was made from, how well it does, what was proven. */
function introduce(manifest) {
  byId("task").textContent = manifest.task.replace("-", " ");
  byId("title").textContent = document.title = question(manifest);
  const facts = factsOf(manifest);
  byId("facts").append(...facts.flatMap(([name, fact]) => [element("dt", {}, name), element("dd", {}, fact)]));
}

function question({ task, labels, preprocess }) {
  const thing = { image: "picture", text: "text", audio: "recording" }[preprocess.kind];
  if (kindOf(task) === "regression") return `What is the ${labels[0]} of this ${thing}?`;
  if (labels.length > MOST_NAMED) return `Which of ${labels.length} labels fits this ${thing}?`;
  return labels.length < 2 ? `Is this ${thing} ${labels[0]}?` : `Is this ${thing} ${disjunction.format(labels)}?`;
}

function say(text, failed = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("failed", failed);
}

/** Show one answer as a sentence and as bars. */
function show(answer, manifest) {
  const verdict = byId("verdict");
  verdict.textContent = sentence(answer, manifest);
  verdict.hidden = false;
  const ranked = Object.entries(answer.scores ?? {}).sort(([, a], [, b]) => b - a);
  const shown = ranked.filter(([label], at) => at < MOST_BARS || answer.labels?.includes(label));
  byId("bars").replaceChildren(...shown.map(([label, score]) => bar(label, score, isChosen(label, answer))));
}

const isChosen = (label, answer) => answer.label === label || Boolean(answer.labels?.includes(label));

function sentence(answer, manifest) {
  if (answer.value !== undefined) return `${manifest.labels[0]}: ${number(answer.value)}`;
  if (answer.label !== undefined) return `${answer.label}, ${percent(answer.score)}`;
  return answer.labels.length ? answer.labels.join(", ") : `No label reaches ${percent(THRESHOLD)}`;
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
      show(answer, manifest);
      say(`Answered in ${Math.round(performance.now() - began)} ms, on this device.`);
    } catch (problem) {
      if (mine !== latest) return;
      byId("verdict").hidden = true;
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
