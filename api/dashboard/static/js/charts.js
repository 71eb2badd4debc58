// The last minutes: rows per second and attack rate, as lines, as a sentence, and as a table.

import { fill, find, table } from "./dom.js";
import { count, percent, rate, time } from "./format.js";
import { Plot } from "./plot.js";

export class Charts {
  constructor() {
    this.rows = new Plot(find("chart-rows"), { stroke: "--accent", format: rate });
    this.share = new Plot(find("chart-rate"), { stroke: "--attack", format: percent, top: 5 });
    find("traffic-table").closest("details").addEventListener("toggle", () => this.tabulate());
    this.minutes = [];
  }

  /** The API's minutes, the present one last. */
  show(timeline) {
    this.minutes = timeline;
    const xs = timeline.map(({ minute }) => Date.parse(minute) / 1000);
    const any = timeline.some(({ predictions }) => predictions > 0);
    find("traffic-empty").hidden = any;
    this.rows.show(xs, timeline.map((at) => at.rows_per_s));
    this.share.show(xs, timeline.map((at) => at.attack_rate));
    label("chart-rows", any ? `Rows per second: ${told(timeline, "rows_per_s", rate)}` : "Rows per second: no rows");
    label("chart-rate", any ? `Attack rate: ${told(timeline, "attack_rate", percent)}` : "Attack rate: no rows");
    this.tabulate();
  }

  tabulate() {
    const place = find("traffic-table");
    if (!place.closest("details").open) return;
    const number = (cell) => ({ cell, class: "number" });
    const orNone = (value, text) => number(value === null ? "–" : text(value));
    const rows = this.minutes.toReversed().map((at) => [time(at.minute), number(count(at.predictions)),
      orNone(at.rows_per_s, rate), number(count(at.attacks)), orNone(at.attack_rate, percent)]);
    fill(place, table("Traffic by the minute", ["Minute", ...["Rows", "Rows/s", "Attacks", "Attack rate"].map(number)], rows));
  }
}

/** A figure of the minutes in words: the last one known, and the largest. */
function told(timeline, name, text) {
  const known = timeline.map((at) => at[name]).filter((value) => value !== null);
  return `${text(known.at(-1) ?? 0)} now, ${text(Math.max(0, ...known))} at most`;
}

function label(id, text) {
  const place = find(id);
  if (place.getAttribute("aria-label") !== text) place.setAttribute("aria-label", text);
}
