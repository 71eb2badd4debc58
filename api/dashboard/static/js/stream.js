// The stream behind it all: what waits, how long batches take, and which they were.

import { get } from "./api.js";
import { fill, find, make, pairs, table } from "./dom.js";
import { count, milliseconds, plural, time } from "./format.js";
import { Plot } from "./plot.js";

const SHOWN = 40;
const LISTED = 12;

export class Stream {
  constructor() {
    this.plot = new Plot(find("chart-batches"), { stroke: "--accent", format: milliseconds, time: false, bars: true });
  }

  setFigures({ lag, age, seconds, batchRows }) {
    fill(find("stream-figures"), pairs([
      ["Waiting", lag === undefined ? "not known" : plural(lag, "row")],
      ["Last batch took", seconds === undefined ? "none yet" : milliseconds(1000 * seconds)],
      ["It had", batchRows === undefined ? "–" : plural(batchRows, "row")],
      ["Done", age === undefined ? "–" : `${count(age)} s ago`],
    ]));
  }

  /** Ask and show. */
  async refresh() {
    const { batches } = await get("/batches", { limit: SHOWN });
    const done = batches.filter((batch) => batch.duration_ms !== null).toReversed();
    this.plot.show(done.map((_, at) => at - done.length + 1), done.map((batch) => batch.duration_ms));
    const longest = Math.max(0, ...done.map((batch) => batch.duration_ms));
    const told = done.length ? `Batch time: ${milliseconds(done.at(-1).duration_ms)} last, ${milliseconds(longest)} at most of ${done.length}` : "Batch time: no batch yet";
    find("chart-batches").setAttribute("aria-label", told);
    this.list(batches.slice(0, LISTED));
  }

  list(batches) {
    const place = find("batches");
    if (!batches.length) {
      fill(place, make("p", { class: "empty" }, "No micro-batch yet: the job makes one when rows come in."));
      return;
    }
    const heads = ["Batch", "Started", ...["Scored", "Rejected", "Duration", "Rows/s"].map((head) => ({ cell: head, class: "number" }))];
    fill(place, table("The latest micro-batches", heads, batches.map(row)));
  }
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
