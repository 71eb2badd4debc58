// Asking again and again: one question at a time, none while nobody looks, slower while the API does not answer.

import { ApiError } from "./api.js";

const SLOWEST_S = 8;

export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

const refused = new Map(); // task -> what the API said
let tellRefusals = () => {};

/** `tell([message…])` is called when what the API refuses to say changes. */
export function onRefusals(tell) {
  tellRefusals = tell;
}

function note(task, error) {
  const told = error && error.status !== 0 ? error.message : null; // that it does not answer at all is told by health
  if ((refused.get(task) ?? null) === told) return;
  if (told) refused.set(task, told);
  else refused.delete(task);
  tellRefusals([...new Set(refused.values())]);
}

/** Do `task` every so many seconds; the result does it at once. What the API refuses is told to `onRefusals`. */
export function every(seconds, task) {
  let timer = 0;
  let failures = 0;
  let running = null;

  async function run() {
    clearTimeout(timer);
    try {
      await task();
      failures = 0;
      note(task, null);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      failures += 1;
      note(task, error);
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
