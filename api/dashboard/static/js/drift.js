// How far the traffic of each active model lies from its training: state, mean PSI over time, the features at fault.

import { get } from "./api.js";
import { fill, find, make, say, table } from "./dom.js";
import { percent, plural, time, words } from "./format.js";
import { Plot } from "./plot.js";

const SHOWN = 100;
const STATES = {
  ok: ["good", "like training"],
  note: ["warn", "moved"],
  alarm: ["attack", "far from training"],
  waiting: ["", "not judged yet"],
  no_profile: ["", "no profile"],
};
const EMPTY = {
  waiting: "No window is full yet.",
  no_profile: "This bundle has no histograms of its training rows: train it again, or add them.",
};
const psi = (value) => value.toFixed(2);

export class Drift {
  constructor() {
    this.cards = new Map(); // model id -> its card
  }

  async refresh() {
    const { models, note_psi: note, alarm_psi: alarm } = await get("/drift");
    const ids = models.map(({ model_id: id }) => id).join();
    if (ids !== this.shown) {
      this.shown = ids;
      this.cards = new Map(models.map((model) => [model.model_id, new Card()]));
      const empty = make("p", { class: "empty" }, "No model is active.");
      fill(find("drift-models"), models.length ? [...this.cards.values()].map((card) => card.element) : empty);
    }
    say(find("drift-limits"), `mean PSI from ${psi(note)} on: moved; from ${psi(alarm)} on: far from training`);
    for (const model of models) await this.cards.get(model.model_id)?.show(model);
  }
}

class Card {
  constructor() {
    this.name = make("span", { class: "name" });
    this.badge = make("span", { class: "badge" });
    this.told = make("p", { class: "hint" });
    this.chart = make("div", { class: "chart", role: "img", "aria-label": "Mean PSI: nothing yet", hidden: true });
    this.features = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Features that moved most", hidden: true });
    this.bins = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Histograms beside training" });
    this.details = make("details", { hidden: true }, make("summary", {}, "Histograms beside training"), this.bins);
    this.element = make("div", { class: "drift-model" },
      make("div", { class: "head" }, make("h3", {}, this.name, " ", this.badge)), this.told, this.chart, this.features, this.details);
    this.plot = new Plot(this.chart, { stroke: "--accent", format: psi, top: 0.5 });
    this.last = null;
  }

  async show(model) {
    const [kind, text] = STATES[model.state];
    say(this.name, `${words(model.model_type)} ${model.model_version}`);
    say(this.badge, text);
    this.badge.className = `badge ${kind}`;
    const { window: judged, open } = model;
    const filling = open ? ` The next window has ${plural(open.rows, "row")} so far.` : "";
    fill(this.told, judged ? ["Mean PSI ", make("strong", {}, psi(judged.mean_psi)), ` over ${plural(judged.rows, "row")}, until `, time(judged.closed_at),
      `; scores ${psi(judged.score_psi)}, answers ${psi(judged.class_psi)}. Novel ${percent(100 * judged.novel_share)}, rejected ${percent(100 * judged.rejected_share)}.${filling}`]
      : `${EMPTY[model.state] ?? ""}${filling}`);
    if (!judged || judged.id === this.last) return;
    this.last = judged.id;
    await this.draw(model.model_id);
    const number = (cell) => ({ cell, class: "number" });
    this.features.hidden = this.details.hidden = false;
    fill(this.features, table("The features that moved most", ["Feature", number("PSI")], model.features.map((one) => [one.name.trim(), number(psi(one.psi))])));
    const rows = model.features.flatMap((one) => one.bins.map((bin) => [one.name.trim(), bin.bin, number(percent(100 * bin.training)), number(percent(100 * bin.window))]));
    fill(this.bins, table("Share of rows by bin", ["Feature", "Bin", number("Training"), number("Now")], rows));
  }

  async draw(id) {
    const windows = (await get("/drift/windows", { model_id: id, limit: SHOWN })).windows.toReversed();
    const values = windows.map(({ mean_psi: value }) => value);
    this.chart.hidden = false;
    this.chart.setAttribute("aria-label", `Mean PSI: ${psi(values.at(-1) ?? 0)} last, ${psi(Math.max(0, ...values))} at most of ${plural(windows.length, "window")}`);
    this.plot.show(windows.map(({ closed_at: at }) => Date.parse(at) / 1000), values);
  }
}
