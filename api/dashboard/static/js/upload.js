// A CSV file of flows: uploaded with its progress, scored at once, and shown as totals, first rows and rejected rows.

import { ApiError, get, upload } from "./api.js";
import { shares, showBars } from "./bars.js";
import { button, facts, fill, find, make, pairs, say, table } from "./dom.js";
import { count, percent, score, words } from "./format.js";
import { actionName, className, confidenceOf, scoreOf, target, verdictBadge } from "./verdict.js";

const ROWS = 25;
const REJECTED = 100;

export class FileUpload {
  constructor(onOpen) {
    this.onOpen = onOpen;
    this.form = find("file-form");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
  }

  async send() {
    const submit = this.form.querySelector("[type=submit]");
    submit.disabled = true;
    fill(find("file-result"));
    try {
      const answer = await upload(`/upload/csv?limit=${ROWS}`, new FormData(this.form), (share) => this.progress(share));
      say(find("file-note"), `${answer.message}.`);
      this.show(answer);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      say(find("file-note"), error.message, true);
    } finally {
      submit.disabled = false;
      find("file-progress").hidden = true;
    }
  }

  progress(share) {
    const bar = find("file-progress");
    bar.hidden = false;
    bar.value = share ?? 0;
    say(find("file-note"), share === 1 ? "Scoring…" : `Uploading ${percent(100 * (share ?? 0))}`);
  }

  show(answer) {
    const { attacks, normal, attacks_by_class: classes } = answer.summary;
    const models = Object.values(answer.models).map(({ version }) => version).join(", ");
    const bars = make("div");
    showBars(bars, shares(classes), "No row is an attack.");
    fill(find("file-result"),
      make("dl", { class: "figures" }, pairs([
        ["Rows", count(answer.total_rows)], ["Attacks", count(attacks)], ["Normal", count(normal)],
        ["Rejected", count(answer.rejected_rows)]])),
      facts([["Upload", answer.batch_id], ["Models", models || "none"]]),
      make("h3", {}, "Attacks by class"), bars,
      this.scored(answer), rejected(answer.rejected, answer.rejected_rows));
  }

  scored({ predictions, batch_id: batch, next_cursor: cursor, total_rows: all, rejected_rows: rejectedRows }) {
    if (!predictions.length) return [];
    const heads = ["Line", "Verdict", "Class", { cell: "Score", class: "number" }, { cell: "Confidence", class: "number" }, "Action"];
    const place = make("div", { class: "scroll", tabindex: "0", role: "region" });
    const title = make("h3");
    const next = button("Next rows", () => this.turnPage(batch, page, next, show));
    const page = { cursor, first: 0 };
    const show = (rows) => {
      const last = page.first + rows.length;
      title.textContent = page.first ? `Scored rows ${count(page.first + 1)} to ${count(last)} of ${count(all - rejectedRows)}` : `The first ${rows.length} scored rows`;
      place.setAttribute("aria-label", title.textContent);
      fill(place, table("Scored rows", heads, rows.map((row) => this.cells(row))));
      next.hidden = page.cursor === null;
      page.first = last;
    };
    show(predictions);
    return [title, place, make("div", { class: "buttons" }, next)];
  }

  /** The next rows in place of those that are shown: of a large file the page never has more. */
  async turnPage(batch, page, next, show) {
    next.disabled = true;
    try {
      const answer = await get(`/uploads/${batch}/predictions`, { limit: ROWS, cursor: page.cursor });
      page.cursor = answer.next_cursor;
      show(answer.predictions);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      say(find("file-note"), error.message, true);
    } finally {
      next.disabled = false;
    }
  }

  cells(row) {
    const action = row.self_healing_action;
    const { id } = row.traffic_data;
    const open = button(row.line === null ? "open" : count(row.line), () => this.onOpen(id), { class: "open", "aria-label": row.line === null ? `Open row ${id}` : `Open the row of line ${row.line}` });
    return [open, verdictBadge(row.is_attack), className(row) || "–", { cell: score(scoreOf(row)), class: "number" }, { cell: score(confidenceOf(row)), class: "number" }, [actionName(action.action_type, action.status), target(action)].filter(Boolean).join(" ")];
  }
}

function rejected(rows, all) {
  if (!rows.length) return [];
  const cells = rows.slice(0, REJECTED).map((row) => [count(row.line), make("span", { class: "badge warn" }, words(row.reason)), row.field.trim(), row.detail]);
  return framed(`Rejected rows, ${cells.length} of ${count(all)}`, table("Rejected rows", ["Line", "Reason", "Field", "Detail"], cells));
}

function framed(title, content) {
  return [make("h3", {}, title), make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, content)];
}
