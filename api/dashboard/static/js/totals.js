// The tiles at the top, and attacks by class.

import { get } from "./api.js";
import { showBars } from "./bars.js";
import { fill, find, make, say } from "./dom.js";
import { compact, milliseconds, percent, plural, rate } from "./format.js";
import { BENIGN } from "./verdict.js";

export class Totals {
  constructor() {
    Object.assign(this, { stats: null, minutes: [], stream: {} });
    find("classes-span").addEventListener("change", () => this.showClasses());
  }

  /** Counts over all time. */
  async refresh() {
    this.stats = await get("/predictions/stats");
    this.show();
  }

  /** What charts have asked for. */
  setMinutes(minutes) {
    this.minutes = minutes;
    this.show();
  }

  /** Lag, the last batch and the rate, as far as they are known. */
  setStream(stream) {
    this.stream = { ...this.stream, ...stream };
    this.show();
  }

  show() {
    const rows = sum(this.minutes, "rows");
    const attacks = sum(this.minutes, "attacks");
    const { lag, seconds, batchRows, perSecond } = this.stream;
    const stats = this.stats;
    fill(find("totals"), [
      tile("Rows per second", perSecond === undefined ? "–" : rate(perSecond), "scored now"),
      tile("Attack rate", rows ? percent((100 * attacks) / rows) : "–", `${plural(attacks, "attack")} in 15 minutes`, attacks > 0),
      tile("Attacks", stats ? compact(stats.total_attacks) : "–", "all time", stats?.total_attacks > 0),
      tile("Rows scored", stats ? compact(stats.total_predictions) : "–", stats ? `${percent(stats.attack_rate)} attacks, all time` : ""),
      tile("Waiting", lag === undefined ? "–" : compact(lag), "rows not yet in every sink"),
      tile("Last batch", seconds === undefined ? "–" : milliseconds(1000 * seconds), batchRows === undefined ? "none yet" : plural(batchRows, "row")),
    ]);
    this.showClasses();
  }

  showClasses() {
    const ever = find("classes-span").value === "ever";
    const attacks = ever ? this.stats?.total_attacks ?? 0 : sum(this.minutes, "attacks");
    const found = ever ? [this.stats?.attack_type_distribution ?? {}] : this.minutes.map(({ classes }) => classes);
    const counts = {};
    for (const classes of found) {
      for (const [name, number] of Object.entries(classes)) if (name !== BENIGN) counts[name] = (counts[name] ?? 0) + number;
    }
    const empty = ever ? "No attack has been given a class yet." : "No attack with a class in the last 15 minutes.";
    showBars(find("class-bars"), counts, empty);
    const others = attacks - Object.values(counts).reduce((total, number) => total + number, 0);
    say(find("class-note"), others > 0 ? `And ${plural(others, "attack")} by the threat score alone, which says no class.` : "");
  }
}

const sum = (minutes, key) => minutes.reduce((total, minute) => total + minute[key], 0);

function tile(name, value, more, attack = false) {
  return make("div", {}, make("dt", {}, name),
    make("dd", {}, make("div", { class: attack ? "value attack" : "value" }, value), make("div", { class: "more" }, more)));
}

