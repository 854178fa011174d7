// The avatar: chosen, sent, prepared, and shown with the face that was found in it.

import { sentenceOf } from "./access.js";
import { $, bytesOf, keepFocus, made, secondsOf, showList, showOnly, showShare, takeFiles, tellError } from "./page.js";

const KEY = "session";
const SHOWN_BEFORE = 8;
const KINDS = /^(video|image)\//;
const PARTS = ["avatar-choose", "avatar-preparing", "avatar-ready"];

export class AvatarCard {
  #client;
  #access;
  #onSession;
  #most = Infinity;
  #needsConsent = false;
  #left = new AbortController();

  /** `onSession` gets the session that is ready, and null when there is none any more. */
  constructor(client, access, onSession) {
    this.#client = client;
    this.#access = access;
    this.#onSession = onSession;
    takeFiles($("avatar-drop"), $("avatar-file"), (file) => this.#upload(file));
    $("avatar-default").addEventListener("click", () => this.#prepare(() => ({})));
    $("avatar-change").addEventListener("click", () => this.#choose(null));
    $("avatar-cancel").addEventListener("click", () => this.#choose(null));
  }

  /** What the server says of sizes, and whether it wants to be told of consent. */
  apply({ avatar }) {
    this.#most = avatar.bytes;
    this.#needsConsent = avatar.needs_consent;
    $("consent-row").hidden = !avatar.needs_consent;
    const length = `${secondsOf(avatar.seconds)}, ${bytesOf(avatar.bytes)}`;
    $("avatar-hint").textContent = `One person, facing the camera. Up to ${length}.`;
  }

  /** Go on with the session of this tab, if it is still there, and offer those of before. */
  async restore() {
    const id = sessionStorage.getItem(KEY);
    if (id) await this.#follow(id, { otherwise: "It may have expired. Choose an avatar again.", quiet: true });
    await this.#offerBefore();
  }

  /** The faces of sessions that are ready, each once. */
  async #offerBefore() {
    try {
      const { sessions } = await this.#access.with(() => this.#client.sessions({ limit: 50 }), { quiet: true });
      const faces = new Map();
      for (const session of sessions.filter(({ status, avatar }) => status === "ready" && avatar)) {
        const face = JSON.stringify(session.avatar);
        if (!faces.has(face)) faces.set(face, session);
      }
      const offers = [...faces.values()].slice(0, SHOWN_BEFORE).map((session) => made("li", {}, this.#offer(session)));
      $("before").replaceChildren(...offers);
      $("before-part").hidden = !offers.length;
      tellError("before-error", null);
    } catch (error) {
      $("before-part").hidden = false;
      tellError("before-error", sentenceOf(error));
    }
  }

  #offer({ session_id, thumbnail_url, avatar, created_at }) {
    const when = new Date(created_at).toLocaleString();
    const alt = `Face in ${avatar.width} × ${avatar.height}, prepared ${when}`;
    const picture = made("img", { src: this.#client.address(thumbnail_url), alt, title: when });
    const button = made("button", { type: "button" }, picture);
    button.addEventListener("click", () => this.#follow(session_id));
    return button;
  }

  #upload(file) {
    if (this.#needsConsent && !$("consent").checked)
      return tellError("avatar-error", "Tick that the person has agreed, and choose the file again.", $("consent"));
    if (file.type && !KINDS.test(file.type))
      return tellError("avatar-error", `${file.name} is no video and no picture. Choose an MP4, MOV, WebM, JPEG, PNG or WebP file.`);
    if (file.size > this.#most)
      return tellError("avatar-error", `This file has ${bytesOf(file.size)}; the server takes ${bytesOf(this.#most)}. Choose a smaller one.`);
    const consent = $("consent").checked;
    return this.#prepare(async (signal) => {
      const onProgress = (share) => this.#showProgress(share < 1 ? "Sending the file" : "Storing the file", share);
      const { avatar_id } = await this.#client.uploadAvatar(file, { onProgress, consent, signal });
      return { avatar_video_path: avatar_id };
    });
  }

  async #prepare(choose) {
    this.#begin();
    const { signal } = this.#left;
    try {
      const fields = await this.#access.with(() => choose(signal));
      const { session_id } = await this.#access.with(() => this.#client.createSession(fields));
      await this.#follow(session_id);
    } catch (error) {
      if (!signal.aborted) this.#choose(sentenceOf(error));
    }
  }

  /** Watch a session until it is ready. `otherwise`: what to add where it isn't there any more. `quiet`: as of Access. */
  async #follow(id, { otherwise = "", quiet = false } = {}) {
    this.#begin();
    const { signal } = this.#left;
    this.#showProgress("Looking for the face", null);
    try {
      const onStatus = ({ progress }) => this.#showProgress("Looking for the face", progress ?? null);
      const session = await this.#access.with(() => this.#client.waitUntilReady(id, { onStatus, signal }), { quiet });
      sessionStorage.setItem(KEY, id);
      this.#showReady(session);
    } catch (error) {
      if (!signal.aborted) this.#choose(`${sentenceOf(error)} ${otherwise}`.trim());
    }
  }

  #begin() {
    this.#left.abort();
    this.#left = new AbortController();
    tellError("avatar-error", null, $("consent"));
    showList("avatar-warnings", []);
    this.#showProgress("Beginning", null);
    this.#showPart("avatar-preparing");
    $("avatar-live").textContent = "The avatar is being prepared.";
    this.#onSession(null);
  }

  #choose(sentence) {
    this.#left.abort();
    sessionStorage.removeItem(KEY);
    this.#showPart("avatar-choose");
    showList("avatar-warnings", []);
    $("avatar-live").textContent = "";
    tellError("avatar-error", sentence);
    this.#offerBefore();
    this.#onSession(null);
  }

  #showPart(part) {
    keepFocus($("avatar-title"), () => {
      showOnly(part, ...PARTS);
      $("avatar-change").hidden = part !== "avatar-ready";
    });
  }

  #showProgress(label, share) {
    $("preparing-label").textContent = label;
    showShare($("preparing-bar"), $("preparing-figure"), share);
  }

  #showReady(session) {
    this.#showPart("avatar-ready");
    $("avatar-live").textContent = "The avatar is ready.";
    this.#showFacts(session.avatar);
    this.#showFace(session);
    showList("avatar-warnings", session.avatar?.warnings ?? []);
    this.#onSession(session);
  }

  #showFacts(avatar) {
    const facts = avatar
      ? [
          ["Picture", `${avatar.width} × ${avatar.height}`],
          ["Face", `${avatar.face_width} × ${avatar.face_height}`],
          ["Length", secondsOf(avatar.seconds)],
        ]
      : [];
    const pairs = facts.flatMap(([name, value]) => [made("dt", { textContent: name }), made("dd", { textContent: value })]);
    $("avatar-facts").replaceChildren(...pairs);
  }

  #showFace({ thumbnail_url, avatar }) {
    const [picture, box] = [$("face-picture"), $("face-box")];
    $("face").hidden = !thumbnail_url;
    if (!thumbnail_url) return;
    picture.src = this.#client.address(thumbnail_url);
    picture.onerror = () => tellError("avatar-error", "The avatar's picture could not be loaded. Its link may have expired: reload the page.");
    box.hidden = !avatar?.face_box;
    if (box.hidden) return;
    const { left, top, width, height } = avatar.face_box;
    const sides = { left: left / avatar.width, top: top / avatar.height, width: width / avatar.width, height: height / avatar.height };
    for (const [side, share] of Object.entries(sides)) box.style[side] = `${share * 100}%`;
  }
}
