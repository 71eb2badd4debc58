// Prometheus' text, of which a page needs a few numbers: the same ones that a monitor reads.

import { text } from "./api.js";

const LINE = /^([a-z_]+) (\S+)$/i;

/** Every sample without labels, by its name. */
function read(document) {
  const samples = document.split("\n").map((line) => LINE.exec(line)).filter(Boolean);
  return new Map(samples.map(([, name, value]) => [name, Number(value)]));
}

/** Lag and the last batch. What is not known is undefined. */
export async function refreshMetrics() {
  const samples = read(await text("/metrics"));
  const one = (name) => samples.get(name);
  return {
    lag: one("netheal_lag_rows"),
    age: one("netheal_last_batch_age_seconds"),
    seconds: one("netheal_last_batch_seconds"),
    batchRows: one("netheal_last_batch_rows"),
  };
}
