// What this tab has made: kept in the tab, played again at a click.

import { $, keepFocus, made, secondsOf, tellError } from "./page.js";

const KEY = "takes";
const MOST = 24;

/** A reply with addresses that work now: where keys are needed they expire. */
export async function freshReply(client, reply) {
  const { result } = await client.job(reply.job_id);
  return { ...reply, ...result };
}

export class History {
  #client;
  #onReplay;
  #takes;
  #current = null;

  /** `onReplay` gets the take that was chosen. */
  constructor(client, onReplay) {
    this.#client = client;
    this.#onReplay = onReplay;
    this.#takes = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    $("history-clear").addEventListener("click", () => keepFocus($("avatar-title"), () => this.#keep([])));
    this.#show();
  }

  /** A take is {request, label, reply}; a recording's sound is not kept. */
  add(take) {
    const { audio_base64: _, ...request } = take.request;
    this.#current = take.reply.job_id;
    this.#keep([{ ...take, request: "audio_base64" in take.request ? { ...request, audio_base64: "" } : request }, ...this.#takes].slice(0, MOST));
  }

  #keep(takes) {
    this.#takes = takes;
    try {
      sessionStorage.setItem(KEY, JSON.stringify(takes));
      tellError("history-error", null);
    } catch {
      tellError("history-error", "The tab has no room to keep this list: it goes when the page is reloaded.");
    }
    this.#show();
  }

  #show() {
    $("history").hidden = !this.#takes.length;
    $("takes").replaceChildren(...this.#takes.map((take) => made("li", {}, this.#card(take))));
  }

  /** A picture whose link has expired has a new one. One that has gone is told when it is played. */
  async #renew(picture, reply) {
    try {
      picture.src = this.#client.address((await freshReply(this.#client, reply)).thumbnail_url);
    } catch (error) {
      picture.alt = error.message;
    }
  }

  #card(take) {
    const { label, reply } = take;
    const picture = made("img", { src: this.#client.address(reply.thumbnail_url), alt: "", loading: "lazy" });
    picture.addEventListener("error", () => this.#renew(picture, reply), { once: true });
    const words = made("span", { className: "take-words", textContent: label });
    const facts = made("span", { className: "take-facts", textContent: `${secondsOf(reply.duration)} · ${reply.renderer}` });
    const card = made("button", { type: "button", className: "take" }, picture, words, facts);
    card.setAttribute("aria-label", `Play again: ${label.slice(0, 120)}`);
    if (reply.job_id === this.#current) card.setAttribute("aria-current", "true");
    card.addEventListener("click", () => {
      this.#current = reply.job_id;
      for (const other of $("takes").querySelectorAll(".take")) other.toggleAttribute("aria-current", false);
      card.setAttribute("aria-current", "true");
      this.#onReplay(take);
    });
    return card;
  }
}
