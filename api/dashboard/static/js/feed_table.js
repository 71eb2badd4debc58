// The feed's table: a bounded number of lines that stay where they are; rows that come in are written into them.

import { make } from "./dom.js";
import { score, timeText, utcTitle } from "./format.js";
import { RovingRows } from "./roving.js";
import { actionName, className, confidenceOf, ends, scoreOf, target, versions } from "./verdict.js";

export const MOST_ROWS = 200;
const SEEN_ROWS = 24; // more than the frame shows while nobody has scrolled
const REST_MS = 1000; // how often the others are written

export class FeedTable {
  constructor(body, onOpen) {
    Object.assign(this, { body, onOpen, rows: [], written: 0, timer: 0, roving: new RovingRows(body) });
    body.addEventListener("focusin", () => this.finish());
  }

  /** These rows and no others, the newest last. Lines that nobody sees are written once a second. */
  show(rows) {
    this.rows = rows;
    if (performance.now() - this.written >= REST_MS) this.finish();
    else {
      this.write(0, SEEN_ROWS);
      this.timer ||= setTimeout(() => this.finish(), REST_MS);
    }
  }

  /** Every line is what it should be. */
  finish() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.written = performance.now();
    this.write(0, this.rows.length);
  }

  write(from, until) {
    const { body, rows } = this;
    while (body.childElementCount > rows.length) body.lastElementChild.remove();
    while (body.childElementCount < rows.length) body.append(writeLine(this.line(), rows.at(-1 - body.childElementCount)));
    for (let at = from; at < Math.min(until, rows.length); at += 1) writeLine(body.children[at], rows.at(-1 - at));
    this.roving.settle();
  }

  line() {
    const cell = (kind) => make("td", { role: "cell", class: kind });
    const line = make("tr", { role: "row" });
    const open = make("button", { type: "button", class: "open", tabindex: "-1", onclick: () => this.onOpen(line.event) }, make("time"));
    const time = cell();
    time.append(open);
    const verdict = cell();
    verdict.append(make("span", { class: "badge" }));
    line.append(time, verdict, cell(), cell("number score"), cell("number confidence"), cell("ends"), cell("action"), cell("model"));
    line.addEventListener("click", (event) => {
      if (!event.target.closest("button")) this.onOpen(line.event);
    });
    return line;
  }
}

function writeLine(line, row) {
  const attack = row.is_attack;
  const [time, verdict, name, points, trust, flow, action, model] = line.children;
  line.event = row.traffic_data_id;
  line.dataset.id = row.traffic_data_id;
  const clock = time.firstChild.firstChild;
  set(clock, timeText(row.timestamp));
  clock.dateTime = row.timestamp;
  clock.title = utcTitle(row.timestamp);
  const badge = verdict.firstChild;
  set(badge, attack ? "Attack" : "Normal");
  badge.className = attack ? "badge attack" : "badge";
  set(name, className(row) || "–");
  set(points, score(scoreOf(row)));
  set(trust, score(confidenceOf(row)));
  set(flow, ends(row) || "–");
  flow.title = ends(row);
  const done = row.self_healing_action;
  set(action, [actionName(done.action_type, done.status), target(done)].filter(Boolean).join(" "));
  action.title = done.action_description;
  set(model, versions(row) || "–");
  model.title = versions(row);
  time.firstChild.setAttribute("aria-label", `${attack ? "Attack" : "Normal"} at ${clock.textContent}, open row ${line.event}`);
  return line;
}

/** Changing a text node is cheaper than making one. */
function set(element, text) {
  if (element.firstChild === null) element.append(text);
  else if (element.firstChild.data !== text) element.firstChild.data = text;
}
