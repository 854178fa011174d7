// Waiting: for some time, for an event, for a record to be over.

import { stopped } from "./errors.js";

const POLL_SECONDS = [0.3, 0.5, 0.7, 1];
const POLLS_THAT_MAY_FAIL = 5;

/** After so many seconds; rejects when it is stopped by the signal. */
export function sleep(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(stopped());
    }, { once: true });
  });
}

/** The first of these events. */
export function once(target, ...names) {
  const heard = new AbortController();
  return new Promise((resolve) => {
    for (const name of names) target.addEventListener(name, resolve, { signal: heard.signal });
  }).finally(() => heard.abort());
}

/** Ask until the answer is the last one. Failures that may pass are borne a few times in a row. */
export async function polled(ask, isOver, signal) {
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
