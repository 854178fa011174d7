// The element: what it shows, says and tells its page.

import { cueOf, cuesOf } from "./captions.js";
import { HOME, TalkingAvatarClient } from "./client.js";
import { TalkingAvatarError } from "./errors.js";
import { LOOK } from "./look.js";
import { Utterance } from "./utterance.js";

const TEXTS = ["server", "token", "session", "voice", "model", "poster"];
const SWITCHES = ["captions", "muted", "idle", "controls"];

export class TalkingAvatarElement extends HTMLElement {
  static observedAttributes = [...TEXTS, ...SWITCHES];

  #video = element("video", { part: "video", playsinline: "", preload: "auto" });
  #idle = element("video", { part: "idle", playsinline: "", loop: "", "aria-hidden": "true", hidden: "" });
  #message = element("p", { part: "message", role: "alert", hidden: "" });
  #start = element("button", { part: "start", type: "button", "aria-label": "Play", hidden: "" });
  #track;
  #client = null;
  #utterance = null;
  #idleOf = null;
  #leave = () => this.stop();

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [LOOK];
    // Cross-origin files are asked for in the way that lets the page read them.
    this.#video.crossOrigin = this.#idle.crossOrigin = "anonymous";
    this.#idle.muted = true;
    root.append(this.#video, this.#idle, this.#start, this.#message);
    this.#track = this.#video.addTextTrack("captions", "Captions");
    this.#track.mode = "hidden";
    this.#track.addEventListener("cuechange", () => this.#tell("caption", { text: this.#captionShown() }));
    this.#start.addEventListener("click", () => this.#play());
  }

  /** The client that it asks; one of its own, by `server` and `token`, unless one is given. */
  get client() {
    return this.#client ?? new TalkingAvatarClient({ server: this.server || HOME, token: this.token || null });
  }

  set client(client) {
    this.#client = client;
  }

  /** The <video> that speaks, to look at or to show elsewhere. */
  get video() {
    return this.#video;
  }

  /** Whether a video is being made or played. */
  get speaking() {
    return this.#utterance !== null;
  }

  connectedCallback() {
    addEventListener("pagehide", this.#leave);
    this.#showIdle();
  }

  disconnectedCallback() {
    removeEventListener("pagehide", this.#leave);
    // Moving it within the page removes it too, and puts it back at once.
    queueMicrotask(() => !this.isConnected && this.stop());
  }

  attributeChangedCallback(name) {
    if (name === "captions") this.#showCaptions();
    if (name === "muted") this.#video.muted = this.muted;
    if (name === "controls") this.#video.controls = this.controls;
    if (name === "poster") this.#video.poster = this.poster;
    if (this.isConnected && ["idle", "session", "token", "server"].includes(name)) this.#showIdle();
  }

  /**
   * Say a text, or whatever else a generate takes. Resolves to the reply when the video is made, which is before it
   * has been played to its end; rejects with TalkingAvatarError, and with AbortError when it is stopped.
   */
  speak(textOrRequest) {
    const utterance = this.#begin();
    const made = utterance.make(this.#requestOf(textOrRequest));
    this.#follow(utterance, made);
    return made;
  }

  /** Play a finished video again, by its reply. Resolves when it was played to its end. */
  replay(reply) {
    const utterance = this.#begin();
    return this.#follow(utterance, utterance.repeat(reply));
  }

  /** Stop making and playing; what is being made is cancelled. */
  stop() {
    const utterance = this.#utterance;
    this.#utterance = null;
    this.#start.hidden = true;
    utterance?.leave();
    this.#showIdle();
  }

  #requestOf(given) {
    const request = typeof given === "string" ? { text: given } : { ...given };
    if (this.voice && request.text) request.voice_id ??= this.voice;
    if (this.model && request.text) request.model_id ??= this.model;
    if (this.session && !request.avatar_video_path) request.session_id ??= this.session;
    return request;
  }

  #begin() {
    this.stop();
    this.#message.hidden = true;
    this.#clearCaptions();
    const tell = (name, detail) => this.#tell(name, detail);
    this.#utterance = new Utterance(this.client, this.#video, tell, () => this.#play());
    return this.#utterance;
  }

  /** Tell how it goes. All is told as events: whoever leaves the promises alone has no unhandled rejection of them. */
  #follow(utterance, made) {
    made.then((reply) => this.#caption(utterance, reply), () => {});
    const over = this.#played(utterance);
    over.catch(() => {});
    return over;
  }

  async #played(utterance) {
    try {
      const reply = await utterance.played();
      if (this.#utterance !== utterance) return;
      this.#utterance = null;
      this.#tell("end", reply);
    } catch (error) {
      if (this.#utterance !== utterance) throw error;
      this.stop();
      this.#fail(error);
      throw error;
    } finally {
      this.#showIdle();
    }
  }

  async #play() {
    this.#start.hidden = true;
    const utterance = this.#utterance;
    try {
      await this.#video.play();
    } catch (error) {
      // Not allowed without a click: the button is one. Whatever else there is, the video's own error tells.
      if (error.name === "NotAllowedError" && this.#utterance === utterance) this.#start.hidden = false;
    }
  }

  #fail(error) {
    const told = error instanceof TalkingAvatarError ? error : new TalkingAvatarError("defect", String(error));
    this.#message.textContent = told.message;
    this.#message.hidden = false;
    this.#tell("error", { code: told.code, message: told.message, retryable: told.retryable, error: told });
  }

  #tell(name, detail) {
    if (name === "play") this.#idle.hidden = true;
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  async #caption(utterance, reply) {
    try {
      const cues = cuesOf(await this.client.text(reply.captions_url));
      if (this.#utterance !== utterance) return;
      for (const { start, end, text } of cues) this.#track.addCue(cueOf(start, end, text));
    } catch (error) {
      if (this.#utterance === utterance) this.#fail(error);
    }
  }

  /** Chromium leaves a caption that is removed on the picture, as long as its track shows. */
  #clearCaptions() {
    this.#track.mode = "hidden";
    for (const cue of [...this.#track.cues]) this.#track.removeCue(cue);
    this.#showCaptions();
  }

  #showCaptions() {
    this.#track.mode = this.captions ? "showing" : "hidden";
  }

  #captionShown() {
    return [...(this.#track.activeCues ?? [])].map((cue) => cue.getCueAsHTML().textContent).join("\n");
  }

  /** The face at rest, where it is wanted: fetched once for a session, and shown whenever nothing is said. */
  async #showIdle() {
    const session = this.idle && this.isConnected ? this.session : "";
    this.#idle.hidden = !session || this.speaking || this.#idleOf !== session;
    if (!session || this.#idleOf === session) return;
    this.#idleOf = session;
    try {
      const reply = await this.client.generate({ session_id: session, idle: true });
      if (this.#idleOf !== session) return;
      this.#idle.src = this.client.address(reply.video_url);
      await this.#idle.play();
      this.#idle.hidden = this.speaking || !this.idle;
    } catch (error) {
      this.#idleOf = null;
      if (error.name !== "AbortError") this.#fail(error);
    }
  }
}

function element(name, attributes) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

for (const name of TEXTS)
  Object.defineProperty(TalkingAvatarElement.prototype, name, {
    get() { return this.getAttribute(name) ?? ""; },
    set(value) { value ? this.setAttribute(name, value) : this.removeAttribute(name); },
    enumerable: true,
    configurable: true,
  });
for (const name of SWITCHES)
  Object.defineProperty(TalkingAvatarElement.prototype, name, {
    get() { return this.hasAttribute(name); },
    set(value) { this.toggleAttribute(name, Boolean(value)); },
    enumerable: true,
    configurable: true,
  });
