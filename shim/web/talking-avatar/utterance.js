// One thing said, from its request to its end, played by whichever way the browser has.

import { stopped, unplayable } from "./errors.js";
import { Feed, feedingSource } from "./mse.js";

const HLS_TYPE = "application/vnd.apple.mpegurl";

/** One thing said: being made, and played meanwhile in the best way that the browser has. */
export class Utterance {
  #client;
  #video;
  #tell;
  #play;
  #left = new AbortController();
  #heard = new AbortController();
  #feed = null;
  #unfinishedJob = null;
  #isHls = false;
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
      const hear = (name, then, once = true) => this.#video.addEventListener(name, then, { signal, once });
      hear("playing", () => this.#tell("play", {}));
      hear("ended", resolve);
      // Where the job failed, its own reason comes first.
      hear("error", () => this.#made.then((reply) => this.#recover(reply), reject).catch(reject), false);
      signal.addEventListener("abort", () => reject(stopped()));
    });
  }

  /** HLS that the browser can't go on with gives way to the finished file, where it was; nothing else can be helped. */
  #recover(reply) {
    const { error, currentTime } = this.#video;
    if (!this.#isHls) throw unplayable(error);
    this.#isHls = false;
    this.#show(reply.video_url);
    this.#video.currentTime = currentTime;
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
    this.#isHls = playsHls;
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
