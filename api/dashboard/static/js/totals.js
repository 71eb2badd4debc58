// The tiles at the top, and attacks by class: what the API counted, in total and in the last minutes, as of one moment.

import { shares, showBars } from "./bars.js";
import { find, say } from "./dom.js";
import { compact, milliseconds, percent, plural, rate } from "./format.js";

export class Totals {
  constructor() {
    this.summary = null;
    find("classes-span").addEventListener("change", () => this.showClasses());
  }

  /** The API's summary: tiles and classes are all of it. */
  setSummary(summary) {
    this.summary = summary;
    const { total, window: recent, minutes, verdicts_per_s: pace } = summary;
    tile("pace", rate(pace), "scored now");
    tile("rate", recent.attack_rate === null ? "–" : percent(recent.attack_rate), `${compact(recent.attacks)} attacks in ${minutes} minutes`, recent.attacks > 0);
    tile("attacks", compact(total.attacks), `${compact(total.normal)} normal, all time`, total.attacks > 0);
    tile("scored", compact(total.predictions), total.attack_rate === null ? "all time" : `${percent(total.attack_rate)} attacks, all time`);
    this.showClasses();
  }

  /** Lag and the last batch, as far as they are known. */
  setStream({ lag, seconds, batchRows }) {
    tile("lag", lag === undefined ? "–" : compact(lag), "rows not yet in every sink");
    tile("batch", seconds === undefined ? "–" : milliseconds(1000 * seconds), batchRows === undefined ? "none yet" : plural(batchRows, "row"));
  }

  showClasses() {
    if (!this.summary) return;
    const ever = find("classes-span").value === "ever";
    const empty = ever ? "No attack yet." : `No attack in the last ${this.summary.minutes} minutes.`;
    showBars(find("class-bars"), shares(this.summary[ever ? "total" : "window"].attacks_by_class), empty);
  }
}

function tile(name, value, more, attack = false) {
  const place = find(`tile-${name}`);
  say(place.querySelector(".value"), value);
  say(place.querySelector(".more"), more);
  place.querySelector(".value").classList.toggle("attack", attack);
}
