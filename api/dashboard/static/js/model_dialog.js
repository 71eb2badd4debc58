// One model: its facts, its validation report, its card and its history.

import { ApiError, get } from "./api.js";
import { closable, facts, fill, find, make, table } from "./dom.js";
import { bytes, time, value, words } from "./format.js";
import { render } from "./markdown.js";
import { confidenceKind } from "./verdict.js";
import { showFigures, showReport } from "./report.js";

export class ModelDialog {
  constructor() {
    this.dialog = find("model-dialog");
    this.turn = 0;
    closable(this.dialog);
  }

  async open(id) {
    const turn = ++this.turn;
    const body = find("model-dialog-body");
    fill(body, make("p", { class: "empty" }, "Loading…"));
    if (!this.dialog.open) this.dialog.showModal();
    try {
      const [model, { events }] = await Promise.all([get(`/models/${id}`), get(`/models/${id}/history`)]);
      if (turn !== this.turn) return;
      find("model-dialog-title").textContent = model.model_version;
      fill(body, about(model), report(model), history(events), card(id));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (turn === this.turn) fill(body, make("p", { class: "note bad" }, error.message));
    }
  }
}

function about(model) {
  return [facts([
    ["Type", words(model.model_type)],
    ["State", model.state],
    ["Description", model.description],
    ["Damaged", model.damage],
    ["Contract", `${model.contract ?? "unknown"}, ${model.expected_features.length} features`],
    ["Threshold", model.threshold === null ? null : value(model.threshold)],
    [model.model_type === "threat_detector" ? "Score" : "Confidence", confidenceKind(model.confidence_kind)],
    ["Novel above", model.novelty_limit === null ? null : value(model.novelty_limit)],
    ["Classes", model.class_labels.join(", ")],
    ["File", model.file_name ? `${model.file_name} (${bytes(model.file_bytes)})` : null],
    ["Uploaded", make("span", {}, time(model.created_at), ` by ${model.created_by}`)],
    ["Activated", model.activated_at ? time(model.activated_at) : "never"],
    ["Bundle", make("code", {}, model.bundle_hash)],
  ]), make("h3", {}, "Against the original"), showFigures(model.parity)];
}

function report(model) {
  const found = model.validation_results;
  return found ? [make("h3", {}, "Validation"), ...showReport(found), showFigures(found.figures)] : [];
}

function history(events) {
  const rows = events.map((event) => [time(event.at), event.actor, `${event.from_state ?? "–"} → ${event.to_state ?? "–"}${event.rollback ? " (rolled back)" : ""}`, event.why]);
  const made = table("History of the model", ["When", "Who", "From → to", "Why"], rows.toReversed());
  return [make("h3", {}, "History"), make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "History of the model" }, made)];
}

/** Asked for when it is opened: many models have none. */
function card(id) {
  const text = make("div", { class: "text" });
  const folded = make("details", {}, make("summary", {}, "Model card"), text);
  folded.addEventListener("toggle", async () => fill(text, ...await cardOf(id)), { once: true });
  return folded;
}

async function cardOf(id) {
  try {
    return render((await get(`/models/${id}/card`)).card);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const told = error.status === 404 ? "It came without a model card." : error.message;
    return [make("p", { class: "empty" }, told)];
  }
}
