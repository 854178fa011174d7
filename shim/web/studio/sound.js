// A recording to speak with: dropped, picked, or made with the microphone.

import { $, bytesOf, secondsOf, takeFiles, tellError } from "./page.js";

// Videos too: their sound is taken.
const KINDS = /^(audio|video)\/|^application\/ogg$/;

export class Sound {
  #onChange;
  #most = Infinity;
  #recorder = null;
  #timer = null;
  file = null;

  constructor(onChange) {
    this.#onChange = onChange;
    takeFiles($("sound-drop"), $("sound-file"), (file) => this.#take(file));
    $("record").hidden = !navigator.mediaDevices || typeof MediaRecorder === "undefined";
    $("record").addEventListener("click", () => (this.#recorder ? this.#recorder.stop() : this.#record()));
  }

  apply({ audio }) {
    this.#most = audio.bytes;
    $("sound-hint").textContent = `WAV, MP3, M4A, OGG and others, up to ${secondsOf(audio.seconds)}, ${bytesOf(audio.bytes)}.`;
  }

  /** The recording in base64. */
  async base64() {
    const reader = new FileReader();
    reader.readAsDataURL(this.file);
    await new Promise((resolve, reject) => {
      reader.onload = resolve;
      reader.onerror = () => reject(new Error("The file can't be read any more. Choose it again."));
    });
    return reader.result.slice(reader.result.indexOf(",") + 1);
  }

  #take(file) {
    if (file.type && !KINDS.test(file.type))
      return tellError("sound-error", `${file.name} is no recording. Choose a WAV, MP3, M4A or OGG file.`);
    if (file.size > this.#most)
      return tellError("sound-error", `This recording has ${bytesOf(file.size)}; the server takes ${bytesOf(this.#most)}. Choose a shorter one.`);
    if (!file.size) return tellError("sound-error", "This recording is empty. Choose another one.");
    tellError("sound-error", null);
    this.file = file;
    $("sound-name").textContent = `${file.name}, ${bytesOf(file.size)}`;
    URL.revokeObjectURL($("sound-player").src);
    $("sound-player").src = URL.createObjectURL(file);
    $("sound-player").setAttribute("aria-label", file.name);
    $("sound-chosen").hidden = false;
    $("sound-live").textContent = `${file.name} is chosen.`;
    this.#onChange();
  }

  async #record() {
    tellError("sound-error", null);
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch {
      return tellError("sound-error", "The microphone can't be used. Allow it for this page, or choose a file.");
    }
    const recorder = (this.#recorder = new MediaRecorder(stream));
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = () => {
      for (const track of stream.getTracks()) track.stop();
      this.#showRecording(null);
      const name = `recording.${recorder.mimeType.includes("mp4") ? "m4a" : "webm"}`;
      this.#take(new File(parts, name, { type: recorder.mimeType }));
    };
    recorder.start();
    this.#showRecording(Date.now());
  }

  #showRecording(since) {
    clearInterval(this.#timer);
    const button = $("record");
    const show = () => {
      const seconds = since === null ? 0 : Math.round((Date.now() - since) / 1000);
      button.querySelector("span").textContent = since === null ? "Record" : `Stop, ${seconds} s`;
    };
    if (since === null) this.#recorder = null;
    else this.#timer = setInterval(show, 1000);
    button.setAttribute("aria-pressed", String(since !== null));
    button.querySelector("use").setAttribute("href", `/web/icons.svg#${since === null ? "mic" : "stop"}`);
    show();
  }
}
