// The feed's table: a bounded number of rows, the oldest of which become the newest, so that nothing is thrown away.

import { make } from "./dom.js";
import { score, timeText, utcTitle } from "./format.js";
import { actionName, className, ends, isAttack, scoreOf, target, versions } from "./verdict.js";

export const MOST_ROWS = 200;

export class FeedTable {
  constructor(body, onOpen) {
    Object.assign(this, { body, onOpen });
    body.addEventListener("keydown", (event) => this.move(event));
    body.addEventListener("focusin", ({ target }) => this.enter(target.closest("tr")));
  }

  /** One row is a stop of the Tab key: the one that has the focus, or else the newest. */
  enter(line) {
    this.body.querySelector("button[tabindex='0']")?.setAttribute("tabindex", "-1");
    line?.querySelector("button").setAttribute("tabindex", "0");
  }

  /** The keys that go from row to row. */
  move(event) {
    const line = event.target.closest("tr");
    const to = { ArrowDown: line?.nextElementSibling, ArrowUp: line?.previousElementSibling, Home: this.body.firstElementChild, End: this.body.lastElementChild }[event.key];
    if (!to) return;
    event.preventDefault();
    to.querySelector("button").focus();
  }

  /** Rows newer than all that are shown, the newest last. */
  prepend(rows) {
    const fresh = rows.slice(-MOST_ROWS);
    const moved = [];
    let spare = this.body.childElementCount + fresh.length - MOST_ROWS;
    for (const row of fresh) {
      const line = spare-- > 0 ? this.body.lastElementChild : null;
      line?.remove();
      moved.unshift(write(line ?? this.line(), row));
    }
    this.body.prepend(...moved);
    if (!this.body.contains(document.activeElement)) this.enter(this.body.firstElementChild);
  }

  /** These and no others, the newest last. */
  replace(rows) {
    this.body.replaceChildren();
    this.prepend(rows);
  }

  line() {
    const cell = (kind) => make("td", { role: "cell", class: kind });
    const line = make("tr", { role: "row" });
    const open = make("button", { type: "button", class: "open", tabindex: "-1", onclick: () => this.onOpen(line.event) }, make("time"));
    const time = cell();
    time.append(open);
    const verdict = cell();
    verdict.append(make("span", { class: "badge" }));
    line.append(time, verdict, cell(), cell("number"), cell("ends"), cell(), cell("model"));
    line.addEventListener("click", (event) => {
      if (!event.target.closest("button")) this.onOpen(line.event);
    });
    return line;
  }
}

function write(line, row) {
  const attack = isAttack(row);
  const [time, verdict, name, points, flow, action, model] = line.children;
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
  set(flow, ends(row) || "–");
  flow.title = ends(row);
  const done = row.self_healing_action;
  set(action, [actionName(done.action_type), target(done)].filter(Boolean).join(" "));
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
