// The stage: the video while it is made and afterwards, and what can be done with it.

import { curlOf } from "./curl.js";
import { freshReply } from "./history.js";
import { $, isStopped, keepFocus, showList, showShare, tellError } from "./page.js";
import { sentenceOf } from "./access.js";

const STAGES = {
  queued: "Waiting for a free place",
  starting: "Speaking the text",
  preparing: "Preparing the face",
  drawing: "Drawing the lips",
};
const DOWNLOADS = { video: "video_url", audio: "audio_url", vtt: "captions_url", srt: "subtitles_url" };

export class Stage {
  #client;
  #access;
  #player = $("player");
  #take = null;
  #session = null;
  #isMaking = false;
  #hasBegun = false;
  #toldElsewhere = null;

  constructor(client, access) {
    this.#client = client;
    this.#access = access;
    const player = this.#player;
    player.client = client;
    player.addEventListener("begin", () => (this.#hasBegun = true));
    player.addEventListener("progress", ({ detail }) => this.#showProgress(detail));
    player.addEventListener("play", () => this.#showPlaying());
    player.addEventListener("end", () => this.#state("done"));
    player.addEventListener("error", ({ detail }) => this.#hear(detail.error));
    $("cancel").addEventListener("click", () => this.#stop());
    $("captions").addEventListener("click", () => this.#toggleCaptions());
    $("copy-curl").addEventListener("click", () => this.#copy());
  }

  /** Show the avatar that waits to speak; without one, what the stage is for. */
  use(session) {
    this.#session = session;
    if (!this.#player.speaking && !this.#take) this.#rest();
  }

  #rest() {
    const picture = this.#session?.thumbnail_url;
    this.#player.poster = picture ? this.#client.address(picture) : "";
    this.#player.controls = false;
    this.#state(picture ? "ready" : "empty");
  }

  /** Make a video and show it meanwhile. The take once it is made, null where it ended before; throws a refusal. */
  async make(request, label) {
    this.#begin();
    try {
      const reply = await this.#access.with(() => this.#player.speak(request));
      this.#showMade({ request, label, reply });
      return this.#take;
    } catch (error) {
      this.#hideMaking();
      if (isStopped(error)) return null;
      this.#toldElsewhere = error;
      if (this.#hasBegun) {
        this.#showError(error);
        return null;
      }
      this.#rest();
      throw error;
    } finally {
      this.#isMaking = false;
    }
  }

  /** What goes wrong while a video is made, the promise of it tells. */
  #hear(error) {
    if (!this.#isMaking && error !== this.#toldElsewhere) this.#showError(error);
  }

  /** Play a take again. Its addresses are asked for anew, as the old ones may have expired. */
  async replay(take) {
    tellError("stage-error", null);
    $("making").hidden = true;
    this.#bringIntoView();
    try {
      const reply = await this.#access.with(() => freshReply(this.#client, take.reply));
      this.#showMade({ ...take, reply });
      this.#player.controls = true;
      this.#state("playing");
      await this.#player.replay(reply);
    } catch (error) {
      if (!isStopped(error)) this.#showError(error);
    }
  }

  #begin() {
    tellError("stage-error", null);
    showList("stage-warnings", []);
    $("toolbar").hidden = true;
    $("making").hidden = false;
    this.#player.controls = false;
    this.#take = null;
    this.#isMaking = true;
    this.#hasBegun = false;
    this.#showProgress({ stage: "queued", progress: null });
    this.#state("making");
    this.#bringIntoView();
  }

  #bringIntoView() {
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    $("screen").scrollIntoView({ block: "nearest", behavior: isStill ? "instant" : "smooth" });
  }

  #showProgress({ stage, progress }) {
    const label = STAGES[stage] ?? stage;
    if ($("making-label").textContent !== label) $("stage-live").textContent = label;
    $("making-label").textContent = label;
    showShare($("making-bar"), $("making-figure"), progress);
  }

  #showPlaying() {
    this.#player.controls = true;
    $("stage-live").textContent = "The video plays.";
    this.#state("playing");
  }

  #showMade(take) {
    this.#take = take;
    const { reply } = take;
    $("toolbar").hidden = false;
    this.#hideMaking($("captions"));
    this.#showRenderer(reply.renderer);
    for (const [name, field] of Object.entries(DOWNLOADS)) {
      const address = new URL(this.#client.address(reply[field]));
      address.searchParams.set("download", "1");
      $(`download-${name}`).href = address.href;
    }
    showList("stage-warnings", reply.warnings ?? []);
    $("stage-live").textContent = "The video is made.";
  }

  /** The preview says what it is wherever it draws. */
  #showRenderer(renderer) {
    $("renderer").hidden = renderer !== "preview";
    $("renderer").textContent = `renderer: ${renderer}`;
  }

  async learnRenderer() {
    try {
      this.#showRenderer((await this.#client.health()).renderer);
    } catch (error) {
      this.#showError(error);
    }
  }

  /** Whoever had the focus on the button to stop goes on from `next`. */
  #hideMaking(next = $("generate")) {
    keepFocus(next, () => ($("making").hidden = true));
  }

  #showError(error) {
    this.#hideMaking();
    this.#player.controls = false;
    tellError("stage-error", sentenceOf(error));
    this.#state("error");
  }

  #stop() {
    this.#player.stop();
    this.#hideMaking();
    $("stage-live").textContent = "Stopped.";
    this.#rest();
  }

  #state(name) {
    $("screen").dataset.state = name;
    $("stage-empty").hidden = name !== "empty";
  }

  #toggleCaptions() {
    this.#player.captions = !this.#player.captions;
    $("captions").setAttribute("aria-pressed", String(this.#player.captions));
  }

  async #copy() {
    const { request, label } = this.#take;
    const [button, said] = [$("copy-curl"), $("copy-curl").querySelector("span")];
    try {
      await navigator.clipboard.writeText(curlOf(this.#client, request, label));
    } catch {
      return tellError("stage-error", "The browser does not let the page copy. Allow it, and press the button again.");
    }
    said.textContent = "Copied";
    $("stage-live").textContent = "The command is copied.";
    button.querySelector("use").setAttribute("href", "/web/icons.svg#check");
    setTimeout(() => {
      said.textContent = "Copy as curl";
      button.querySelector("use").setAttribute("href", "/web/icons.svg#copy");
    }, 2000);
  }
}
