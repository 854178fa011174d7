// What is to be said: the form, and the request that it becomes.

import { $, tellError } from "./page.js";
import { Sound } from "./sound.js";

const COUNTED_FROM = 0.8;
const DRAFT = "draft";

export class ScriptForm {
  #onRequest;
  #most = null;
  #sound;
  #session = null;
  #isMaking = false;

  /** `onRequest` gets the request, and what to call it in the history. Nothing else is asked for until it is through. */
  constructor(onRequest) {
    this.#onRequest = onRequest;
    this.#sound = new Sound(() => this.#show());
    $("script").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    $("text").value = sessionStorage.getItem(DRAFT) ?? "";
    $("script").addEventListener("input", () => this.#show());
    $("text").addEventListener("input", () => this.#keepDraft());
    $("text").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("script").requestSubmit();
    });
    this.#show();
  }

  apply(limits) {
    this.#most = limits.text.characters;
    this.#sound.apply(limits);
    for (const option of [...$("height").options])
      if (option.value > limits.video.most_height || (option.value && option.value < limits.video.least_height)) option.remove();
    this.#show();
  }

  use(session) {
    this.#session = session;
    this.#show();
  }

  /** Say beside what was asked why it did not go. */
  tellError(sentence) {
    if (this.#kind() === "sound") tellError("sound-error", sentence);
    else tellError("text-error", sentence, $("text"));
  }

  #kind() {
    return new FormData($("script")).get("kind");
  }

  #show() {
    const kind = this.#kind();
    $("text-part").hidden = kind !== "text";
    $("sound-part").hidden = kind !== "sound";
    $("generate").disabled = !this.#session;
    $("generate-hint").hidden = Boolean(this.#session);
    this.#showMaking();
    const length = [...$("text").value.trim()].length;
    $("text-count").textContent = this.#counted(length);
    if (length && (!this.#most || length <= this.#most)) tellError("text-error", null, $("text"));
  }

  /** The button keeps the focus while it does nothing. */
  #showMaking() {
    $("generate").setAttribute("aria-disabled", String(this.#isMaking));
    $("generate").querySelector("span").textContent = this.#isMaking ? "Making the video …" : "Make the video";
  }

  #keepDraft() {
    try {
      sessionStorage.setItem(DRAFT, $("text").value);
    } catch {
      // A tab without room: the history, which filled it, says so.
    }
  }

  #counted(length) {
    if (!this.#most) return length ? `${length} characters` : "";
    const most = this.#most.toLocaleString("en");
    return length > COUNTED_FROM * this.#most ? `${length.toLocaleString("en")} of ${most} characters` : `Up to ${most} characters`;
  }

  async #submit() {
    if (!this.#session || this.#isMaking) return;
    this.tellError(null);
    const kind = this.#kind();
    const fault = kind === "text" ? this.#faultOfText() : this.#sound.file ? null : "Choose or record something first.";
    if (fault) {
      this.tellError(fault);
      if (kind === "text") $("text").focus();
      return;
    }
    this.#isMaking = true;
    this.#show();
    try {
      const said = kind === "text" ? this.#spoken() : { audio_base64: await this.#sound.base64() };
      const label = kind === "text" ? said.text : this.#sound.file.name;
      await this.#onRequest({ session_id: this.#session.session_id, ...said, ...this.#options() }, label);
    } catch (error) {
      this.tellError(error.message);
    } finally {
      this.#isMaking = false;
      this.#showMaking();
    }
  }

  #faultOfText() {
    const length = [...$("text").value.trim()].length;
    if (!length) return "Write something to say first.";
    if (this.#most && length > this.#most) return `The text has ${length.toLocaleString("en")} characters; at most ${this.#most.toLocaleString("en")} can be spoken. Shorten it.`;
    return null;
  }

  #spoken() {
    const chosen = { text: $("text").value.trim() };
    if ($("voice").value) chosen.voice_id = $("voice").value;
    if ($("model").value) chosen.model_id = $("model").value;
    return chosen;
  }

  #options() {
    const options = {};
    if ($("height").value) options.height = Number($("height").value);
    if ($("quality").value) options.quality = $("quality").value;
    return options;
  }
}
