// One row: what was said of it, by which model, where it came from, and its features against the contract's ranges.

import { ApiError, get } from "./api.js";
import { closable, facts, fill, find, make, table } from "./dom.js";
import { instant, score, value, words } from "./format.js";
import { sleep } from "./poll.js";
import { why } from "./receipt.js";
import { actionName, confidenceKind, verdictBadge } from "./verdict.js";

const AGAIN_MS = 1500;
const TRIES = 20;
const NOT_YET = "This row is on its way to the store…";

export class RowDialog {
  constructor() {
    this.dialog = find("row-dialog");
    this.contracts = new Map();
    this.turn = 0;
    closable(this.dialog);
    this.dialog.addEventListener("close", () => { this.turn += 1; });
  }

  /** A scored row. It, and then its features, may be stored some seconds after it was seen: they are asked for again. */
  async open(id) {
    const turn = this.begin(`Row ${id}`);
    for (let tries = 1; turn === this.turn; tries += 1) {
      const last = tries === TRIES;
      const row = await this.ask(turn, () => this.described(id), last ? null : NOT_YET);
      if (row && turn === this.turn) fill(find("row-dialog-body"), about(row), row.features ? why(id) : null, ...row.described.map((contract) => features(row, contract)));
      if (last || row === null || row?.features) return;
      await sleep(AGAIN_MS);
    }
  }

  /** A rejected row. */
  async openRejected(id) {
    const turn = this.begin(`Rejected row ${id}`);
    const row = await this.ask(turn, () => get(`/quarantine/${id}`));
    if (row && turn === this.turn) fill(find("row-dialog-body"), rejected(row));
  }

  begin(title) {
    find("row-dialog-title").textContent = title;
    this.say("Loading…");
    if (!this.dialog.open) this.dialog.showModal();
    return ++this.turn;
  }

  say(text, kind = "empty") {
    fill(find("row-dialog-body"), make("p", { class: kind }, text));
  }

  /** The answer; null where the API refuses it, undefined where it has no such row, and `notYet` is what to say then. */
  async ask(turn, question, notYet = null) {
    try {
      return await question();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const wait = notYet !== null && error.status === 404;
      if (turn === this.turn) this.say(wait ? notYet : error.message, wait ? "empty" : "note bad");
      return wait ? undefined : null;
    }
  }

  /** A row, and the contracts that its features are of. */
  async described(id) {
    const row = await get(`/predictions/${id}`);
    return { ...row, described: await Promise.all((row.contracts ?? []).map((name) => this.contract(name))) };
  }

  async contract(name) {
    if (!this.contracts.has(name)) this.contracts.set(name, await get(`/contracts/${name}`));
    return this.contracts.get(name);
  }
}

function about(row) {
  const { threat_prediction: threat, attack_prediction: attack, self_healing_action: action, flow } = row;
  const by = (prediction) => make("span", {}, `${prediction.model_version ?? "unknown"} `, make("code", { title: prediction.model_hash ?? "" }, (prediction.model_hash ?? "").slice(0, 12)));
  return [
    facts([
      ["Verdict", verdictBadge(row.is_attack)],
      ["Time", instant(row.timestamp)],
      ["From → to", flow.src_ip || flow.dst_ip ? `${flow.src_ip ?? "?"} → ${flow.dst_ip ?? "?"}` : null],
      ["Sensor", flow.sensor_id],
    ]),
    threat ? [make("h3", {}, "Threat detector"), facts([[kindOf("Score", threat), scored(threat)], ["Novelty", novelty(threat)], ["Model", by(threat)]])] : [],
    attack ? [make("h3", {}, "Attack classifier"), facts([["Class", `${attack.attack_type_name} (${attack.attack_type_encoded})`], [kindOf("Confidence", attack), score(attack.confidence)], ["Novelty", novelty(attack)], ["Model", by(attack)]])] : [],
    make("h3", {}, "Healing action"),
    facts([["Action", actionName(action.action_type, action.status)], ["Description", action.action_description], ["State", words(action.status)], ["Policy", row.policy_version]]),
    make("h3", {}, "Origin"),
    facts([...place(row), ...envelope(row)]),
    row.note ? make("p", { class: "note", role: "status" }, `Incomplete: ${row.note}.`) : null,
  ].flat();
}

function scored({ prediction_score: found, threshold }) {
  return threshold === null ? score(found) : `${score(found)}, attack from ${value(threshold)} on`;
}

function kindOf(name, { confidence_kind: kind }) {
  return kind ? `${name} (${confidenceKind(kind)})` : name;
}

/** How unlike its training the row is to the model. */
function novelty({ novelty: found, is_novel: novel }) {
  if (found === null) return "unknown: the model came without training ranges";
  if (!novel) return score(found);
  return make("span", {}, `${score(found)} `, make("span", { class: "badge warn", title: "Above the model's limit: training had few rows or none like it" }, "novel"));
}

function place(row) {
  if (row.upload) return [["File", row.upload.source_name], ["Upload", row.upload.batch_id], ["Row number", String(row.offset)]];
  const known = row.topic !== null;
  return [
    ["Topic", row.topic], ["Partition", known ? String(row.partition) : null], ["Offset", known ? String(row.offset) : null],
    ["Batch", String(row.batch_id)],
  ];
}

function envelope(row) {
  const known = Object.entries(row.envelope ?? {}).filter(([name]) => !["src_ip", "dst_ip", "sensor_id"].includes(name));
  return known.map(([name, found]) => [words(name), found === null ? null : String(found)]);
}

function features(row, contract) {
  const rows = contract.features.map((feature) => {
    const found = row.features[feature.name];
    const category = row.categories?.[feature.name];
    const inside = found >= feature.minimum && (feature.maximum === null || found <= feature.maximum);
    return [
      feature.name.trim(),
      { cell: category === undefined ? value(found) : `${category} (${value(found)})`, class: "number" },
      { cell: feature.maximum === null ? `≥ ${value(feature.minimum)}` : `${value(feature.minimum)} – ${value(feature.maximum)}`, class: "number" },
      make("span", { class: inside ? "badge good" : "badge warn" }, inside ? "in range" : "outside"),
    ];
  });
  const heads = ["Feature", { cell: "Value", class: "number" }, { cell: "Allowed", class: "number" }, "Range"];
  const title = `Features by ${contract.id}`;
  return [make("h3", {}, title), make("div", { class: "scroll whole", tabindex: "0", role: "region", "aria-label": title }, table(title, heads, rows))];
}

function rejected(row) {
  const raw = row.value ?? row.head;
  return [
    facts([
      ["Reason", words(row.reason)], ["Field", row.field.trim()], ["Detail", row.detail], ["Time", instant(row.timestamp)],
      ["Topic", row.topic], ["Partition", String(row.partition)], ["Offset", String(row.offset)], ["Key", row.key?.text],
      ["Replayed", row.replayed_at ? instant(row.replayed_at) : null], ["Result of the replay", row.replay_result],
    ]),
    row.note ? make("p", { class: "note" }, row.note) : null,
    make("h3", {}, row.value ? "The whole row" : "Its beginning"),
    make("div", { class: "text" }, make("pre", { class: "whole", tabindex: "0" }, raw ? raw.text : "It had no value.")),
  ];
}
