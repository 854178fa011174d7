// The key or token, where the server asks for one: it stays in this tab.

import { $, isStopped, tellError } from "./page.js";

const KEY = "key";
const REFUSED = "The server does not take this one. Check it, and paste it again.";

export class Access {
  #client;
  #asked = null;
  #declined = false;

  /** Called when a key comes after the page had begun without one. */
  onLateKey = () => {};

  constructor(client) {
    this.#client = client;
    client.key = sessionStorage.getItem(KEY);
    $("forget-key").addEventListener("click", () => this.forget());
    $("access-cancel").addEventListener("click", () => $("access").close());
    this.#show();
  }

  /**
   * Do it, and again with a key each time that the server answers 401. What nobody has clicked for is `quiet`: whoever
   * has declined to give a key isn't asked again for it.
   */
  async with(work, { quiet = false } = {}) {
    for (;;) {
      const shown = this.#client.key;
      try {
        return await work();
      } catch (error) {
        if (error.status !== 401 || (quiet && this.#declined)) throw error;
        // Somebody else may have been asked meanwhile.
        if (this.#client.key === shown && !(await this.#ask(shown ? REFUSED : null))) throw error;
      }
    }
  }

  forget() {
    sessionStorage.removeItem(KEY);
    location.reload();
  }

  /** Whether a key was given. All who wait for one wait for the same. */
  #ask(sentence) {
    this.#asked ??= this.#answer(sentence).finally(() => (this.#asked = null));
    return this.#asked;
  }

  #answer(sentence) {
    const [dialog, form, field] = [$("access"), $("access-form"), $("key")];
    let isGiven = false;
    tellError("access-error", sentence, field);
    field.value = "";
    dialog.showModal();
    field.focus();
    return new Promise((resolve) => {
      form.onsubmit = (event) => {
        event.preventDefault();
        const key = field.value.trim();
        if (!key) return tellError("access-error", "Paste a key or a token first.", field);
        if (!/^[\x21-\x7e]+$/.test(key)) return tellError("access-error", "A key has no spaces and no accents.", field);
        isGiven = true;
        this.#keep(key);
        resolve(true);
        dialog.close();
      };
      dialog.onclose = () => {
        if (!isGiven) this.#decline();
        resolve(false);
      };
    });
  }

  /** What the server has refused isn't shown to it again. */
  #decline() {
    sessionStorage.removeItem(KEY);
    this.#client.key = null;
    this.#declined = true;
    this.#show();
  }

  #keep(key) {
    this.#client.key = key;
    sessionStorage.setItem(KEY, key);
    this.#show();
    if (this.#declined) this.onLateKey();
    this.#declined = false;
  }

  #show() {
    $("forget-key").hidden = !this.#client.key;
  }
}

/** What a failed piece of work says to people; null where somebody stopped it. */
export function sentenceOf(error) {
  if (isStopped(error)) return null;
  if (error.status === 401) return "This needs a key: try again, and paste one.";
  return error.message;
}
