// The client: the REST API for browsers.

import { TalkingAvatarError, errorOf, errorOfText, stopped, unreachable } from "./errors.js";
import { API, STREAM, streamed } from "./streaming.js";
import { polled } from "./waiting.js";

/** Where this module came from is where its server is, unless another is named. */
export const HOME = new URL(import.meta.url).origin;

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
    const session = await polled(() => this.session(id, { signal }), (state) => {
      onStatus(state);
      return state.status !== "preparing";
    }, signal);
    if (session.status === "ready") return session;
    throw new TalkingAvatarError(session.error_code ?? "preparation_failed", session.message);
  }

  /** The reply of a job that was started, once its video is made. */
  async waitForJob(id, { onJob = () => {}, signal } = {}) {
    const job = await polled(() => this.job(id, { signal }), (state) => {
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
  stream(request, watcher = {}) {
    return streamed(this, (...sent) => this.#send(...sent), request, watcher);
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
}
