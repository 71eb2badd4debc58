// Rows that were not scored: how many for which reason, and the latest with the beginning of their bytes.

import { get } from "./api.js";
import { parts, showBars } from "./bars.js";
import { fill, find, make, say, table } from "./dom.js";
import { plural, time, words } from "./format.js";
import { RovingRows } from "./roving.js";

const SHOWN = 50;
const HEAD_CHARS = 256;

export class Quarantine {
  constructor(onOpen) {
    Object.assign(this, { onOpen, shown: new Set(), anew: true, roving: new RovingRows(find("rejected-rows")) });
    find("rejected-reason").addEventListener("change", () => {
      this.anew = true;
      this.refresh();
    });
    find("rejected-rows").addEventListener("pointerleave", () => this.refresh());
  }

  async refresh() {
    const chosen = find("rejected-reason");
    const { rejected, reasons } = await get("/quarantine", { limit: SHOWN, reason: chosen.value });
    const named = Object.fromEntries(Object.entries(reasons).map(([name, number]) => [words(name), number]));
    showBars(find("rejected-reasons"), parts(named), "No row was ever rejected.", true);
    offer(chosen, Object.keys(reasons));
    this.list(rejected);
  }

  list(rejected) {
    const place = find("rejected-rows");
    const held = !this.anew && (place.matches(":hover, :focus-within") || document.querySelector("dialog[open]") !== null); // focus goes back to a row
    const news = rejected.filter((row) => !this.shown.has(row.event_id)).length;
    say(find("rejected-note"), held && news ? `${plural(news, "new row")} held while you look.` : "");
    const ids = rejected.map((row) => row.event_id);
    if (held || (!this.anew && ids.join() === [...this.shown].join())) return;
    this.anew = false;
    this.shown = new Set(ids);
    if (!rejected.length) {
      fill(place, make("p", { class: "empty" }, "Nothing here. A row that does not fit a contract is kept with its reason, and can be read whole."));
      return;
    }
    const heads = ["Time", "Reason", "Field", "Detail", "Start of the row"];
    fill(place, table("The latest rejected rows", heads, rejected.map((row) => this.row(row))));
    this.roving.settle();
  }

  row(row) {
    const open = make("button", { type: "button", class: "open", tabindex: "-1", onclick: () => this.onOpen(row.event_id) },
      make("span", { class: "hidden" }, `Open rejected row ${row.event_id}, ${words(row.reason)}, of `), time(row.timestamp));
    const head = make("div", {}, row.head ? row.head.text.slice(0, HEAD_CHARS) : "no value");
    const reason = make("div", {}, make("span", { class: "badge warn" }, words(row.reason)), row.replay_result ? ` replayed: ${row.replay_result}` : "");
    return [open, reason, { cell: row.field.trim(), class: "field" }, { cell: row.detail, class: "field" }, { cell: head, class: "raw" }];
  }
}

function offer(select, reasons) {
  const known = new Set([...select.options].map((option) => option.value));
  for (const reason of reasons.sort()) {
    if (!known.has(reason)) select.append(make("option", { value: reason }, words(reason)));
  }
}
