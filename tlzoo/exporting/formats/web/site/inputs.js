/** What connects the page's controls to the model. */

const byId = (id) => document.getElementById(id);
const RECORDING_MARGIN_MS = 300;

/** Show a file in an img or audio element; the one shown before is forgotten. */
function present(target, file) {
  if (target.src) URL.revokeObjectURL(target.src);
  target.src = URL.createObjectURL(file);
  target.hidden = false;
}

/** Files chosen by hand, dropped anywhere on the page, or pasted. */
function connectFiles(input, take) {
  const zone = document.querySelector(`label[for="${input.id}"]`);
  const first = (list) => list?.length && take(list[0]);
  input.addEventListener("change", () => {
    first(input.files);
    input.value = "";
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget ?? zone.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    first(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => first(event.clipboardData.files));
}

/** @param {(input: Blob) => void} answer */
export function connectImage(answer) {
  connectFiles(byId("picture"), (file) => {
    present(byId("shown"), file);
    answer(file);
  });
}

/** @param {(input: string) => void} answer */
export function connectText(answer) {
  const written = byId("written");
  const send = () => answer(written.value);
  byId("send").addEventListener("click", send);
  written.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    send();
  });
}

/**
 * @param {(input: Blob) => void} answer
 * @param {(problem: string) => void} complain
 * @param {object} manifest
 */
export function connectAudio(answer, complain, manifest) {
  const take = (file) => {
    present(byId("played"), file);
    answer(file);
  };
  connectFiles(byId("sound"), take);
  const button = byId("record");
  let recorder = null;
  button.addEventListener("click", async () => {
    if (recorder?.state === "recording") return recorder.stop();
    button.disabled = true;
    try {
      recorder = await record(manifest.preprocess.seconds, button, take);
    } catch (problem) {
      complain(`The microphone cannot be used: ${problem.message}`);
    } finally {
      button.disabled = false;
    }
  });
}

/** Record until stopped, or for as long as the model listens. */
async function record(seconds, button, take) {
  if (!navigator.mediaDevices) throw new Error("open this page by https or from localhost");
  const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: raw });
  const recorder = new MediaRecorder(stream);
  const parts = [];
  const pressed = (recording) => {
    button.textContent = recording ? "Stop" : "Record";
    button.setAttribute("aria-pressed", String(recording));
  };
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  recorder.addEventListener("stop", () => {
    stream.getTracks().forEach((track) => track.stop());
    pressed(false);
    take(new Blob(parts, { type: recorder.mimeType }));
  });
  recorder.start();
  pressed(true);
  setTimeout(() => recorder.state === "recording" && recorder.stop(), seconds * 1000 + RECORDING_MARGIN_MS);
  return recorder;
}
