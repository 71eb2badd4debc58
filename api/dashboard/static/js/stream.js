// The stream behind it all: what waits, how long batches take, and which they were.

import { get } from "./api.js";
import { fill, find, make, pairs, table } from "./dom.js";
import { count, milliseconds, plural, time } from "./format.js";
import { Plot } from "./plot.js";

const SHOWN = 40;
const LISTED = 12;
const SPAN_MS = 12_000;

export class Stream {
  constructor() {
    this.age = 0;
    this.plot = new Plot(find("chart-batches"), { stroke: "--accent", height: 110, format: milliseconds, time: false, bars: true });
  }

  setFigures({ lag, age, seconds, batchRows }) {
    this.age = age ?? 0;
    fill(find("stream-figures"), pairs([
      ["Waiting", lag === undefined ? "not known" : plural(lag, "row")],
      ["Last batch took", seconds === undefined ? "none yet" : milliseconds(1000 * seconds)],
      ["It had", batchRows === undefined ? "–" : plural(batchRows, "row")],
      ["Done", age === undefined ? "–" : `${count(age)} s ago`],
    ]));
  }

  /** Ask and show; rows scored a second, over the last seconds. */
  async refresh() {
    const { batches } = await get("/batches", { limit: SHOWN });
    const done = batches.filter((batch) => batch.duration_ms !== null).toReversed();
    this.plot.show(done.map((_, at) => at - done.length + 1), done.map((batch) => batch.duration_ms));
    const longest = Math.max(0, ...done.map((batch) => batch.duration_ms));
    const told = done.length ? `Batch time: ${milliseconds(done.at(-1).duration_ms)} last, ${milliseconds(longest)} at most of ${done.length}` : "Batch time: no batch yet";
    find("chart-batches").setAttribute("aria-label", told);
    this.list(batches.slice(0, LISTED));
    return perSecond(done, this.age);
  }

  list(batches) {
    const place = find("batches");
    if (!batches.length) {
      fill(place, make("p", { class: "empty" }, "No micro-batch yet: the job makes one when rows come in."));
      return;
    }
    const heads = ["Batch", "Began", ...["Scored", "Rejected", "Took", "Rows/s"].map((head) => ({ cell: head, class: "number" }))];
    fill(place, table("The latest micro-batches", heads, batches.map(row)));
  }
}

/** Of closed batches, the last at the end, which was closed `age` seconds ago. */
function perSecond(batches, age) {
  const closed = (batch) => Date.parse(batch.opened_at) + batch.duration_ms;
  if (!batches.length) return 0;
  const now = closed(batches.at(-1)) + 1000 * age;
  const latest = batches.filter((batch) => now - closed(batch) < SPAN_MS);
  if (!latest.length) return 0;
  const rows = latest.reduce((sum, { verdicts }) => sum + verdicts, 0);
  return (1000 * rows) / (now - Date.parse(latest[0].opened_at));
}

function row(batch) {
  const number = (cell) => ({ cell, class: "number" });
  return [
    make("span", { title: batch.query_id }, String(batch.batch_id)),
    time(batch.opened_at),
    number(count(batch.verdicts)),
    number(count(batch.rejected)),
    number(batch.state === "open" ? make("span", { class: "badge accent" }, "running") : milliseconds(batch.duration_ms)),
    number(count(batch.rows_per_s)),
  ];
}
