// What healing decided: totals by type, and the latest by type and target with their state.

import { get } from "./api.js";
import { fill, find, make, pairs, table } from "./dom.js";
import { compact, count, time, words } from "./format.js";
import { BENIGN, actionName, className, target } from "./verdict.js";

const TYPES = ["block_ip", "restart_service", "alert_admin"];
const SAMPLE = 100;
const ALERTS = 5;

export class Healing {
  setTotals(actions) {
    const shown = [...TYPES, "log_only"].map((type) => [actionName(type), compact(actions[type] ?? 0)]);
    fill(find("healing-totals"), pairs(shown));
  }

  async refresh() {
    const pages = await Promise.all(TYPES.map((action) => get("/predictions", { action, limit: SAMPLE })));
    this.list(grouped(pages.flatMap(({ predictions }) => predictions)));
    const { alerts } = await get("/alerts", { limit: ALERTS });
    this.alert(alerts);
  }

  list(groups) {
    const place = find("healing-actions");
    if (!groups.length) {
      fill(place, make("p", { class: "empty" }, "No action so far. Which attack gets which action is set in conf/healing_policy.json."));
      return;
    }
    const heads = ["Action", "Target", "Triggered by", { cell: `Of the latest ${SAMPLE}`, class: "number" }, "Last", "State"];
    fill(place, table("The latest healing actions, by type and target", heads, groups.map(row)));
  }

  alert(alerts) {
    const items = alerts.map((alert) => make("li", {}, time(alert.timestamp), ` ${alert.description}`));
    fill(find("alerts"), alerts.length ? [make("h3", {}, "Alerts"), make("ul", {}, items)] : []);
  }
}

/** One group for each type, target and state, the latest first. */
function grouped(rows) {
  const groups = new Map();
  for (const row of rows) {
    const action = row.self_healing_action;
    const key = [action.action_type, target(action), action.status].join("\n");
    const group = groups.get(key) ?? { action, rows: 0, last: "", classes: new Set() };
    group.rows += 1;
    if (row.timestamp > group.last) group.last = row.timestamp;
    group.classes.add(className(row) && className(row) !== BENIGN ? className(row) : "threat score");
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => (a.last < b.last ? 1 : -1));
}

function row({ action, rows, last, classes }) {
  return [
    { cell: actionName(action.action_type, action.status), class: "plain" },
    target(action) || "–",
    [...classes].sort().join(", "),
    { cell: count(rows), class: "number" },
    time(last),
    // Approving and undoing will stand beside the state, once something carries actions out.
    make("span", { class: "badge", title: action.action_description }, words(action.status)),
  ];
}
