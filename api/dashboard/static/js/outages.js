// What was away or lost, from when until when, the latest first.

import { get } from "./api.js";
import { fill, find, make, table } from "./dom.js";
import { duration, time, words } from "./format.js";

const SHOWN = 20;

export class Outages {
  constructor() {
    this.shown = "";
  }

  async refresh() {
    this.list((await get("/outages", { limit: SHOWN })).outages);
  }

  list(outages) {
    const now = JSON.stringify(outages);
    if (now === this.shown) return;
    this.shown = now;
    const place = find("outages");
    if (!outages.length) {
      fill(place, make("p", { class: "empty" }, "None so far."));
      return;
    }
    fill(place, table("The latest outages", ["What", "Why", "From", "Until", "Lasted"], outages.map(row)));
  }
}

function row({ subject, reason, details, started_at: from, ended_at: until }) {
  const more = described(details ?? {});
  return [
    { cell: make("span", { class: until === null ? "badge attack" : "badge" }, words(subject)), class: "plain" },
    { cell: [reason, more ? make("div", { class: "hint" }, more) : null], class: "field" },
    time(from),
    until === null ? make("span", { class: "badge attack" }, "goes on") : time(until),
    { cell: until === null ? "–" : duration((Date.parse(until) - Date.parse(from)) / 1000), class: "plain" },
  ];
}

/** Any details as words: `batch id 7; partition 0, offsets 5 to 9`. */
function described(details) {
  if (Array.isArray(details)) return details.map((one) => described(one)).join("; ");
  if (details === null || typeof details !== "object") return String(details);
  const { partition, start, end, ...others } = details;
  const range = [partition, start, end].every(Number.isInteger) ? [`partition ${partition}, offsets ${start} to ${end - 1}`] : [];
  const rest = range.length ? others : details;
  const told = Object.keys(rest).sort().map((name) => (name === "offsets" ? described(rest[name]) : `${words(name)} ${described(rest[name])}`));
  return [...range, ...told].join("; ");
}
