// Playing what is still being made, by MediaSource: a video element is fed with fragments.

import { unplayable } from "./errors.js";
import { typeOf } from "./mp4.js";
import { once, sleep } from "./waiting.js";

const USUAL_TYPE = 'video/mp4; codecs="avc1.64001f, mp4a.40.2"';
const KEPT_SECONDS = 10;

/** What the browser has to be fed by, or undefined: MediaSource, or an iPhone's ManagedMediaSource. */
export function feedingSource() {
  return [globalThis.MediaSource, globalThis.ManagedMediaSource].find((source) => source?.isTypeSupported(USUAL_TYPE));
}

/** Feeds a video element with fragments: in their order, one at a time, making room where the browser has none. */
export class Feed {
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

function joined(first, second) {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
