// Asking again and again: one question at a time, none while nobody looks, slower while the API does not answer.

import { ApiError } from "./api.js";

const SLOWEST_S = 8;

export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** Do `task` every so many seconds; the result does it at once. Errors are shown by health, or by `task` itself. */
export function every(seconds, task) {
  let timer = 0;
  let failures = 0;
  let running = null;

  async function run() {
    clearTimeout(timer);
    try {
      await task();
      failures = 0;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      failures += 1;
    } finally {
      running = null;
      if (!document.hidden) timer = setTimeout(now, 1000 * Math.min(seconds * 2 ** failures, Math.max(seconds, SLOWEST_S)));
    }
  }

  function now() {
    running ??= run();
    return running;
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else now();
  });
  now();
  return now;
}
