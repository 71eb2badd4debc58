// Prometheus' text, of which a page needs a few numbers: the same ones that a monitor reads.

import { text } from "./api.js";

const LINE = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/i;
const LABEL = /([a-z_]+)="((?:[^"\\]|\\.)*)"/gi;

/** Every sample as {name, labels, value}. */
export function read(document) {
  const samples = [];
  for (const line of document.split("\n")) {
    const match = LINE.exec(line);
    if (match) samples.push({ name: match[1], labels: labels(match[2] ?? ""), value: Number(match[3]) });
  }
  return samples;
}

function labels(inside) {
  return Object.fromEntries([...inside.matchAll(LABEL)].map(([, name, value]) => [name, value.replace(/\\(.)/g, "$1")]));
}

/** Lag, the last batch, and actions by type. What is not known is undefined. */
export async function refreshMetrics() {
  const samples = read(await text("/metrics"));
  const one = (name) => samples.find((sample) => sample.name === name)?.value;
  const actions = samples.filter(({ name }) => name === "netheal_actions_total");
  return {
    lag: one("netheal_lag_rows"),
    age: one("netheal_last_batch_age_seconds"),
    seconds: one("netheal_last_batch_seconds"),
    batchRows: one("netheal_last_batch_rows"),
    actions: Object.fromEntries(actions.map(({ labels: { action }, value }) => [action, value])),
  };
}
