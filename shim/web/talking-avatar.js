// <talking-avatar>: a face that speaks, played while its video is being made; and the client that it stands on.
//
//     <script type="module" src="https://avatar.example/web/talking-avatar.js"></script>
//     <talking-avatar id="guide" session="..." token="..." captions></talking-avatar>
//     document.getElementById("guide").speak("Hello!");
//
// One file without dependencies: it may be copied anywhere. Types are in talking-avatar.d.ts.

const API = "/api/v1";
const STREAM = `${API}/generate/text-to-video-stream`;
const USUAL_TYPE = 'video/mp4; codecs="avc1.64001f, mp4a.40.2"';
const HLS_TYPE = "application/vnd.apple.mpegurl";
const POLL_SECONDS = [0.3, 0.5, 0.7, 1];
const POLLS_THAT_MAY_FAIL = 5;
const KEPT_SECONDS = 10;
const HOME = new URL(import.meta.url).origin;

// --- Errors ---------------------------------------------------------------------------------------------------------

/** Whatever went wrong: `code` is stable, `message` is a sentence for people. */
export class TalkingAvatarError extends Error {
  constructor(code, message, { retryable = false, status = 0, retryAfter = null, requestId = null } = {}) {
    super(message);
    Object.assign(this, { name: "TalkingAvatarError", code, retryable, status, retryAfter, requestId });
  }

  /** The error of the server's own form: {"error", "detail", "retryable", "request_id"}. */
  static told(fields, status = 0, retryAfter = null) {
    const { error, detail, retryable, request_id: requestId } = fields;
    return new TalkingAvatarError(error, detail, { retryable, status, retryAfter, requestId });
  }
}

function unreachable(server) {
  const sentence = `The server at ${server} can't be reached. Check the connection, and that its CORS_ORIGINS has this page.`;
  return new TalkingAvatarError("unreachable", sentence, { retryable: true });
}

function stopped() {
  return new DOMException("It was stopped.", "AbortError");
}

async function errorOf(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  return errorOfText(await response.text(), response.status, retryAfter);
}

function errorOfText(text, status, retryAfter = null) {
  try {
    const fields = JSON.parse(text);
    if (fields.error && fields.detail) return TalkingAvatarError.told(fields, status, retryAfter);
  } catch {
    // A proxy's own page: the status says all that there is to say.
  }
  return new TalkingAvatarError(`http_${status}`, `The server answered ${status} without a reason.`, {
    retryable: status >= 500, status, retryAfter,
  });
}

// --- The client -----------------------------------------------------------------------------------------------------

/** The REST API as methods. `token` is one made for browsers; a `key` never belongs into a page that others see. */
export class TalkingAvatarClient {
  constructor({ server = HOME, token = null, key = null } = {}) {
    Object.assign(this, { server: server.replace(/\/+$/, ""), token, key });
  }

  /** The whole address of a path that a reply carries. */
  address(path) {
    return new URL(path, `${this.server}/`).href;
  }

  health() { return this.request("GET", "/health"); }
  limits() { return this.request("GET", `${API}/limits`); }
  async voices() { return (await this.request("GET", `${API}/voices`)).voices; }
  async models() { return (await this.request("GET", `${API}/models`)).models; }
  usage(days = 30) { return this.request("GET", `${API}/usage?days=${days}`); }
  createToken(fields) { return this.request("POST", `${API}/tokens`, fields); }

  createSession(fields = {}) { return this.request("POST", `${API}/session/create`, fields); }
  session(id, options) { return this.request("GET", `${API}/session/${encodeURIComponent(id)}/status`, null, options); }
  sessions(page = {}) { return this.request("GET", `${API}/sessions?${new URLSearchParams(page)}`); }
  deleteSession(id) { return this.request("DELETE", `${API}/session/${encodeURIComponent(id)}`); }

  avatars(page = {}) { return this.request("GET", `${API}/avatars?${new URLSearchParams(page)}`); }
  avatar(id) { return this.request("GET", `${API}/avatars/${encodeURIComponent(id)}`); }
  deleteAvatar(id) { return this.request("DELETE", `${API}/avatars/${encodeURIComponent(id)}`); }

  generate(request, options) { return this.request("POST", `${API}/generate/text-to-video`, request, options); }
  startJob(request, options) { return this.request("POST", `${STREAM}?async=true`, request, options); }
  job(id, options) { return this.request("GET", `${API}/jobs/${encodeURIComponent(id)}`, null, options); }
  cancel(id, options) { return this.request("POST", `${API}/jobs/${encodeURIComponent(id)}/cancel`, null, options); }

  /** The session once its face is prepared. Throws with the server's sentence where that fails. */
  async waitUntilReady(id, { onStatus = () => {}, signal } = {}) {
    const session = await this.#polled(() => this.session(id, { signal }), (state) => {
      onStatus(state);
      return state.status !== "preparing";
    }, signal);
    if (session.status === "ready") return session;
    throw new TalkingAvatarError(session.error_code ?? "preparation_failed", session.message);
  }

  /** The reply of a job that was started, once its video is made. */
  async waitForJob(id, { onJob = () => {}, signal } = {}) {
    const job = await this.#polled(() => this.job(id, { signal }), (state) => {
      onJob(state);
      return !["queued", "running"].includes(state.status);
    }, signal);
    if (job.status === "done") return { job_id: id, ...job.result };
    throw job.error ? TalkingAvatarError.told(job.error) : new TalkingAvatarError("cancelled", "The job was cancelled.");
  }

  /** Send a file: a video or a picture of a face. `onProgress` gets the share that is sent, from 0 to 1. */
  uploadAvatar(file, { onProgress = () => {}, consent = false, signal } = {}) {
    const form = new FormData();
    if (consent) form.append("consent", "true");
    form.append("file", file);
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", this.address(`${API}/avatars`));
      for (const [name, value] of Object.entries(this.#credential())) request.setRequestHeader(name, value);
      request.upload.onprogress = ({ loaded, total }) => onProgress(total ? loaded / total : 0);
      request.onload = () =>
        request.status < 300 ? resolve(JSON.parse(request.responseText)) : reject(errorOfText(request.responseText, request.status));
      request.onerror = () => reject(unreachable(this.server));
      request.onabort = () => reject(stopped());
      signal?.addEventListener("abort", () => request.abort(), { once: true });
      request.send(form);
    });
  }

  /**
   * Make a video and have it while it is made: `onBegin` gets the job's addresses, `onFragment` the bytes of the
   * fragmented MP4 in their order. Resolves to the finished video's reply. Leaving by `signal` cancels the job.
   *
   * A WebSocket where one can be had, as it tells the progress too; else a chunked reply.
   */
  async stream(request, watcher = {}) {
    const told = { onBegin() {}, onProgress() {}, onFragment() {}, ...watcher };
    const protocols = await this.#protocols(request, told.signal);
    const reply = protocols && (await this.#overSocket(request, told, protocols));
    return reply ?? this.#overFetch(request, told);
  }

  /** A file's text, such as captions. */
  async text(path, options) {
    return (await this.#send("GET", path, null, options)).text();
  }

  /** One request. Throws TalkingAvatarError, and AbortError by `signal`. */
  async request(method, path, body = null, options = {}) {
    return (await this.#send(method, path, body, options)).json();
  }

  async #send(method, path, body, { signal, keepalive } = {}) {
    const headers = { ...this.#credential(), ...(body && { "Content-Type": "application/json" }) };
    let response;
    try {
      const json = body && JSON.stringify(body);
      response = await fetch(this.address(path), { method, headers, body: json, signal, keepalive });
    } catch (error) {
      throw error.name === "AbortError" ? error : unreachable(this.server);
    }
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  #credential() {
    const shown = this.token ?? this.key;
    return shown ? { Authorization: `Bearer ${shown}` } : {};
  }

  async #polled(ask, isOver, signal) {
    for (let asked = 0, failed = 0; ; asked++) {
      let pause = POLL_SECONDS[Math.min(asked, POLL_SECONDS.length - 1)];
      try {
        const state = await ask();
        if (isOver(state)) return state;
        failed = 0;
      } catch (error) {
        if (!error.retryable || ++failed > POLLS_THAT_MAY_FAIL) throw error;
        pause = error.retryAfter ?? 2;
      }
      await sleep(pause, signal);
    }
  }

  /** What a WebSocket shows instead of a header, which browsers don't let it send; null where there is nothing. */
  async #protocols(request, signal) {
    if (typeof WebSocket === "undefined") return null;
    if (this.token) return ["talking-avatar", `token.${this.token}`];
    if (!this.key) return [];
    if (!request.session_id) return null;
    try {
      const fields = { session_id: request.session_id, generations: 1, expires_in: 60 };
      const { token } = await this.request("POST", `${API}/tokens`, fields, { signal });
      return ["talking-avatar", `token.${token}`];
    } catch (error) {
      // An identity provider's token may not mint one: the chunked reply takes it as a header.
      if (error.status === 403 || error.status === 404) return null;
      throw error;
    }
  }

  /** The reply, or undefined where no socket opened: why, the same request over HTTP tells. */
  #overSocket(request, told, protocols) {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this.address(STREAM).replace(/^http/, "ws"), protocols);
      let opened = false;
      socket.binaryType = "arraybuffer";
      socket.onopen = () => {
        opened = true;
        socket.send(JSON.stringify(request));
      };
      socket.onmessage = ({ data }) => {
        if (typeof data !== "string") return told.onFragment(new Uint8Array(data));
        const { type, ...fields } = JSON.parse(data);
        if (type === "start") told.onBegin(fields);
        if (type === "progress") told.onProgress(fields);
        if (type === "end") resolve(fields);
        if (type === "error") reject(TalkingAvatarError.told(fields));
      };
      socket.onclose = () => (opened ? reject(connectionLost()) : resolve(undefined));
      const leave = () => {
        reject(stopped());
        socket.close();
      };
      if (told.signal?.aborted) leave();
      told.signal?.addEventListener("abort", leave, { once: true });
    });
  }

  async #overFetch(request, told) {
    const response = await this.#send("POST", STREAM, request, told);
    const { headers } = response;
    const jobId = headers.get("X-Job-Id");
    told.onBegin({
      job_id: jobId,
      stream_url: headers.get("X-Stream-Url"),
      hls_url: headers.get("X-Hls-Url"),
      content_type: headers.get("Content-Type"),
    });
    const reader = response.body.getReader();
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) told.onFragment(part.value);
    } catch (error) {
      if (told.signal?.aborted) throw stopped();
      // The job's record has the reason, where it was the job that failed.
      await this.waitForJob(jobId, told);
      throw connectionLost();
    }
    return this.waitForJob(jobId, told);
  }
}

function connectionLost() {
  return new TalkingAvatarError("connection_lost", "The connection broke before the video was complete. Try again.", {
    retryable: true,
  });
}

function sleep(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(stopped());
    }, { once: true });
  });
}

// --- Playing what is still being made -------------------------------------------------------------------------------

/** What the browser has to be fed by, or undefined: MediaSource, or an iPhone's ManagedMediaSource. */
function feedingSource() {
  return [globalThis.MediaSource, globalThis.ManagedMediaSource].find((source) => source?.isTypeSupported(USUAL_TYPE));
}

/** The type of an MP4's tracks as its beginning has them; null as long as that isn't all there. */
export function typeOf(bytes) {
  const moov = boxEnd(bytes, "moov");
  if (moov === null || moov > bytes.length) return null;
  const avcc = find(bytes, "avcC");
  if (avcc < 0) throw new TalkingAvatarError("unknown_video", "The stream has no H.264 video.");
  const profile = [...bytes.subarray(avcc + 5, avcc + 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `video/mp4; codecs="avc1.${profile}${find(bytes, "mp4a") < 0 ? "" : ", mp4a.40.2"}"`;
}

function boxEnd(bytes, name) {
  const at = find(bytes, name);
  return at < 4 ? null : at - 4 + new DataView(bytes.buffer, bytes.byteOffset + at - 4).getUint32(0);
}

function find(bytes, name) {
  const codes = [...name].map((letter) => letter.charCodeAt(0));
  return bytes.findIndex((_, at) => codes.every((code, index) => bytes[at + index] === code));
}

function joined(first, second) {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

function once(target, ...names) {
  const heard = new AbortController();
  return new Promise((resolve) => {
    for (const name of names) target.addEventListener(name, resolve, { signal: heard.signal });
  }).finally(() => heard.abort());
}

/** Feeds a video element with fragments: in their order, one at a time, making room where the browser has none. */
class Feed {
  #video;
  #source;
  #url;
  #buffer = null;
  #waiting = [];
  #wake = () => {};
  #isComplete = false;
  #isClosed = false;
  hasForgotten = false;

  constructor(video, Source) {
    this.#video = video;
    this.#source = new Source();
    this.#url = URL.createObjectURL(this.#source);
    // A ManagedMediaSource opens only where nothing is cast elsewhere.
    video.disableRemotePlayback = Source !== globalThis.MediaSource;
    video.src = this.#url;
  }

  /** Whatever comes is taken at once, as the server gives up a reader who takes nothing for a minute. */
  push(bytes) {
    this.#waiting.push(bytes);
    this.#wake();
  }

  complete() {
    this.#isComplete = true;
    this.#wake();
  }

  close() {
    this.#isClosed = true;
    URL.revokeObjectURL(this.#url);
    this.#wake();
  }

  /** Returns when all is in the browser's hands, or the feed was closed. */
  async run() {
    if (this.#source.readyState !== "open") await once(this.#source, "sourceopen");
    let head = new Uint8Array();
    for (let piece = await this.#next(); piece; piece = await this.#next()) {
      if (this.#buffer) {
        await this.#append(piece);
        continue;
      }
      head = joined(head, piece);
      const type = typeOf(head);
      if (!type) continue;
      this.#buffer = this.#source.addSourceBuffer(type);
      await this.#append(head);
    }
    if (!this.#isClosed && this.#source.readyState === "open") this.#source.endOfStream();
  }

  async #next() {
    while (!this.#isClosed && !this.#waiting.length && !this.#isComplete)
      await new Promise((resolve) => (this.#wake = resolve));
    return this.#isClosed ? undefined : this.#waiting.shift();
  }

  async #append(bytes) {
    while (!this.#isClosed && this.#source.readyState === "open") {
      try {
        this.#buffer.appendBuffer(bytes);
        await this.#updated();
        return;
      } catch (error) {
        if (error.name !== "QuotaExceededError") throw error;
        await this.#makeRoom();
      }
    }
  }

  async #makeRoom() {
    const { buffered } = this.#buffer;
    const start = buffered.length ? buffered.start(0) : 0;
    const end = this.#video.currentTime - KEPT_SECONDS;
    if (end - start < 1) {
      await Promise.race([once(this.#video, "timeupdate", "seeked"), sleep(1)]);
      return;
    }
    this.hasForgotten = true;
    this.#buffer.remove(start, end);
    await this.#updated();
  }

  async #updated() {
    if (this.#buffer.updating) await once(this.#buffer, "updateend");
    if (this.#video.error) throw unplayable(this.#video.error);
  }
}

function unplayable(error) {
  const reason = error?.message ? ` (${error.message})` : "";
  return new TalkingAvatarError("unplayable", `This browser can't play the video${reason}.`);
}

// --- Captions -------------------------------------------------------------------------------------------------------

const TIMES = /(?:(\d+):)?(\d+):(\d+)\.(\d+)\s+-->\s+(?:(\d+):)?(\d+):(\d+)\.(\d+)/;

/** The cues of a WebVTT file as {start, end, text}, in seconds. */
export function cuesOf(vtt) {
  return vtt.split(/\r?\n\r?\n/).flatMap((block) => {
    const match = TIMES.exec(block);
    if (!match) return [];
    const text = block.slice(match.index + match[0].length).split(/\r?\n/).slice(1).join("\n").trim();
    return [{ start: secondsOf(match.slice(1, 5)), end: secondsOf(match.slice(5, 9)), text }];
  });
}

/** A cue a line above the picture's edge. */
function cueOf(start, end, text) {
  return Object.assign(new VTTCue(start, end, text), { line: -1 - text.split("\n").length });
}

function secondsOf([hours = 0, minutes, seconds, milliseconds]) {
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds) + Number(milliseconds) / 1000;
}

// --- The element ----------------------------------------------------------------------------------------------------

const LOOK = new CSSStyleSheet();
LOOK.replaceSync(`
  :host { display: block; position: relative; overflow: hidden; aspect-ratio: 16 / 9; background: #0b0d12; }
  :host([hidden]) { display: none; }
  video { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
  video[part="idle"] { transition: opacity 0.25s; }
  video::cue { font: 500 max(0.72em, 15px)/1.4 Inter, system-ui, sans-serif; color: #fff; background: rgb(8 10 14 / 0.82); }
  [hidden] { display: none !important; }
  [part="message"] {
    position: absolute; inset: auto 0 0; margin: 0; padding: 12px 16px; color: #fff; background: rgb(120 20 20 / 0.92);
    font: 500 14px/1.45 system-ui, sans-serif;
  }
  [part="start"] {
    position: absolute; inset: 0; margin: auto; width: 72px; height: 72px; border: 0; border-radius: 50%; cursor: pointer;
    background: rgb(255 255 255 / 0.92);
  }
  [part="start"]::before {
    content: ""; display: block; margin-left: 28px; width: 0; height: 0; border-left: 22px solid #14161c;
    border-top: 13px solid transparent; border-bottom: 13px solid transparent;
  }
  [part="start"]:focus-visible { outline: 3px solid #fff; outline-offset: 3px; }
  @media (prefers-reduced-motion: reduce) { video { transition: none !important; } }
`);

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
    if (name === "captions") this.#track.mode = this.captions ? "showing" : "hidden";
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
    for (const cue of [...(this.#track.cues ?? [])]) this.#track.removeCue(cue);
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

/** One thing said: being made, and played meanwhile in the best way that the browser has. */
class Utterance {
  #client;
  #video;
  #tell;
  #play;
  #left = new AbortController();
  #heard = new AbortController();
  #feed = null;
  #unfinishedJob = null;
  #made = null;
  #ended;

  /** `tell(name, detail)` takes what happens; `play()` begins to play what the video element was just given. */
  constructor(client, video, tell, play) {
    this.#client = client;
    this.#video = video;
    this.#tell = tell;
    this.#play = play;
    this.#ended = this.#listen();
    this.#ended.catch(() => {});
  }

  /** Make the request's video. A source is set at once where it can be, while a click's permission to play lasts. */
  make(request) {
    const Source = feedingSource();
    this.#made = Source ? this.#fed(Source, request) : this.#started(request);
    return this.#made;
  }

  /** Play what was made before. */
  repeat(reply) {
    this.#made = Promise.resolve(reply);
    this.#show(reply.video_url);
    return this.#made;
  }

  /** The reply, once its video has been played to its end. Rejects when it can't be made or played. */
  async played() {
    const [reply] = await Promise.all([this.#made, this.#ended]);
    // What the browser had to forget comes from the finished file, if somebody goes back to it.
    if (this.#feed?.hasForgotten) this.#video.src = this.#client.address(reply.video_url);
    this.#heard.abort();
    return reply;
  }

  /** Cancel what is being made, and play no more. */
  leave() {
    this.#left.abort();
    this.#heard.abort();
    this.#feed?.close();
    this.#cancelJob();
    this.#video.pause();
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  #listen() {
    const { signal } = this.#heard;
    return new Promise((resolve, reject) => {
      const hear = (name, then) => this.#video.addEventListener(name, then, { signal, once: true });
      hear("playing", () => this.#tell("play", {}));
      hear("ended", resolve);
      // Where the job failed, its own reason comes first.
      hear("error", () => this.#made.then(() => reject(unplayable(this.#video.error)), reject));
      signal.addEventListener("abort", () => reject(stopped()));
    });
  }

  async #fed(Source, request) {
    const feed = (this.#feed = new Feed(this.#video, Source));
    const fed = feed.run();
    this.#play();
    const made = this.#client.stream(request, {
      signal: this.#left.signal,
      onBegin: (begun) => this.#tell("begin", begun),
      onProgress: (progress) => this.#tell("progress", progress),
      onFragment: (bytes) => feed.push(bytes),
    });
    const reply = await Promise.race([made, fed.then(() => made)]);
    feed.complete();
    return reply;
  }

  /** For browsers that can't be fed: HLS of a job that runs, else the file when it is there. */
  async #started(request) {
    const job = await this.#client.startJob(request);
    this.#unfinishedJob = job.job_id;
    if (this.#left.signal.aborted) {
      this.#cancelJob();
      throw stopped();
    }
    this.#tell("begin", job);
    const playsHls = this.#video.canPlayType(HLS_TYPE) !== "";
    if (playsHls) this.#show(job.hls_url);
    const onJob = ({ stage, progress, status }) => this.#tell("progress", { stage: stage ?? status, progress });
    const reply = await this.#client.waitForJob(job.job_id, { onJob, signal: this.#left.signal });
    this.#unfinishedJob = null;
    if (!playsHls) this.#show(reply.video_url);
    return reply;
  }

  #show(path) {
    this.#video.src = this.#client.address(path);
    this.#play();
  }

  #cancelJob() {
    if (!this.#unfinishedJob) return;
    // Also as the page goes away.
    this.#client.cancel(this.#unfinishedJob, { keepalive: true }).catch((error) => console.warn(error.message));
    this.#unfinishedJob = null;
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

if (!customElements.get("talking-avatar")) customElements.define("talking-avatar", TalkingAvatarElement);
