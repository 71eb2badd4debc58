// The last 15 minutes: rows per second and attack rate, as lines, as a sentence, and as a table.

import { get } from "./api.js";
import { fill, find, table } from "./dom.js";
import { count, percent, rate, time } from "./format.js";
import { Plot } from "./plot.js";

const MINUTES = 15;
const TOO_EARLY_S = 5; // a minute that has just begun has no rate yet

/** The minutes as the API counts them, by its clock: {minute, rows, perSecond, attacks, share, classes}. */
export function measured(timeline, now) {
  return timeline.map(({ minute, predictions, attacks, classes }) => {
    const seconds = Math.min(60, (now - Date.parse(minute)) / 1000);
    const perSecond = seconds < TOO_EARLY_S ? null : predictions / seconds;
    return { minute, rows: predictions, perSecond, attacks, share: predictions ? (100 * attacks) / predictions : null, classes };
  });
}

export class Charts {
  constructor() {
    this.rows = new Plot(find("chart-rows"), { stroke: "--accent", format: rate });
    this.share = new Plot(find("chart-rate"), { stroke: "--attack", format: percent, top: 5 });
    find("traffic-table").closest("details").addEventListener("toggle", () => this.tabulate());
    this.minutes = [];
  }

  /** Ask, draw, and give the minutes to whoever else shows them. */
  async refresh() {
    const { timeline, now } = await get("/predictions/timeline", { minutes: MINUTES });
    this.minutes = measured(timeline, Date.parse(now));
    this.draw();
    return this.minutes;
  }

  draw() {
    const xs = this.minutes.map(({ minute }) => Date.parse(minute) / 1000);
    const any = this.minutes.some(({ rows }) => rows > 0);
    find("traffic-empty").hidden = any;
    this.rows.show(xs, this.minutes.map(({ perSecond }) => perSecond));
    this.share.show(xs, this.minutes.map(({ share }) => share));
    const last = this.minutes.findLast(({ perSecond }) => perSecond !== null);
    const most = Math.max(0, ...this.minutes.map(({ perSecond }) => perSecond ?? 0));
    const shares = this.minutes.map(({ share }) => share ?? 0);
    label("chart-rows", any ? `Rows per second: ${rate(last?.perSecond ?? 0)} now, ${rate(most)} at most` : "Rows per second: no rows");
    label("chart-rate", any ? `Attack rate: ${percent(last?.share ?? 0)} now, ${percent(Math.max(...shares))} at most` : "Attack rate: no rows");
    this.tabulate();
  }

  tabulate() {
    const place = find("traffic-table");
    if (!place.closest("details").open) return;
    const rows = this.minutes.toReversed().map((at) => [time(at.minute), { cell: count(at.rows), class: "number" },
      { cell: at.perSecond === null ? "–" : rate(at.perSecond), class: "number" }, { cell: count(at.attacks), class: "number" },
      { cell: at.share === null ? "–" : percent(at.share), class: "number" }]);
    const heads = ["Rows", "Rows/s", "Attacks", "Attack rate"].map((head) => ({ cell: head, class: "number" }));
    fill(place, table("Traffic by the minute", ["Minute", ...heads], rows));
  }
}

function label(id, text) {
  const place = find(id);
  if (place.getAttribute("aria-label") !== text) place.setAttribute("aria-label", text);
}
