// The live feed: rows as they come, filtered by the server, shown in batches, and what was missed fetched from REST.

import { get } from "./api.js";
import { find, make, say } from "./dom.js";
import { FeedTable, MOST_ROWS } from "./feed_table.js";
import { count, plural } from "./format.js";
import { LiveSocket } from "./socket.js";
import { BENIGN } from "./verdict.js";

const RENDER_MS = 100;
const STATES = {
  connecting: ["wait", "Connecting…"],
  open: ["good", "Live"],
  closed: ["warn", "Disconnected, trying again"],
};

export class Feed {
  constructor(onOpen, onBroker) {
    this.table = new FeedTable(find("feed-rows"), onOpen);
    this.onBroker = onBroker;
    this.rows = []; // the newest last, as many as the table may show
    this.waiting = [];
    this.known = new Set();
    this.paused = false;
    this.skipped = 0;
    this.missed = 0; // rows that came while the table was held
    this.drawn = 0;
    this.turn = 0;
    this.socket = new LiveSocket((message) => this.take(message), (state) => this.show(state));
    this.listen();
    this.restart();
  }

  listen() {
    find("feed-attacks").addEventListener("change", () => this.restart());
    find("feed-class").addEventListener("change", () => this.restart());
    find("feed-pause").addEventListener("click", () => this.pause(!this.paused));
    const frame = find("feed-frame");
    for (const name of ["pointerleave", "focusout", "scroll"]) {
      frame.addEventListener(name, () => this.schedule(), { passive: true });
    }
  }

  get filter() {
    return { attacks: find("feed-attacks").checked, name: find("feed-class").value };
  }

  /** With another filter: everything anew. */
  restart() {
    this.rows = [];
    this.waiting = [];
    this.known.clear();
    this.skipped = 0;
    this.turn += 1;
    this.table.replace([]);
    const { attacks, name } = this.filter;
    this.socket.open({ only: attacks ? "attacks" : "", class: name });
  }

  show(state) {
    const [kind, text] = STATES[state];
    const place = find("socket-state");
    place.dataset.state = kind;
    say(place, text);
    if (state === "open") this.fetchMissed();
  }

  take(message) {
    if (message.type === "prediction") this.add([message]);
    else if (message.type === "lag") this.skipped += message.skipped;
    else if (message.type === "status") this.onBroker(message);
    if (message.type === "connection") this.onBroker({ broker: "back" });
    if (message.type === "lag") this.schedule();
  }

  /** What came while there was no connection: the latest rows by REST, those that are known left out. */
  async fetchMissed() {
    const turn = ++this.turn;
    const { attacks, name } = this.filter;
    const query = { limit: MOST_ROWS, attack: attacks ? "true" : "", class: name };
    const { predictions } = await get("/predictions", query).catch(() => ({ predictions: [] }));
    if (turn !== this.turn) return;
    const missing = predictions.filter((row) => !this.known.has(row.traffic_data_id));
    if (!missing.length) return this.schedule();
    if (this.held && this.rows.length) this.waiting = inOrder([...this.waiting, ...missing]);
    else {
      this.rows = inOrder([...this.rows, ...this.waiting, ...missing]);
      this.waiting = [];
      this.table.replace(this.rows);
    }
    this.known = new Set([...this.rows, ...this.waiting].map((row) => row.traffic_data_id));
    this.schedule();
  }

  add(rows) {
    for (const row of rows) {
      if (this.known.has(row.traffic_data_id)) continue;
      this.known.add(row.traffic_data_id);
      this.waiting.push(row);
    }
    if (this.waiting.length > 2 * MOST_ROWS) this.forget();
    this.schedule();
  }

  /** Of what waits only as much as can be shown is kept, and of the ids only theirs. */
  forget() {
    this.missed += this.waiting.length - MOST_ROWS;
    this.waiting = this.waiting.slice(-MOST_ROWS);
    this.known = new Set([...this.rows, ...this.waiting].map((row) => row.traffic_data_id));
  }

  schedule() {
    if (this.frame) return;
    this.frame = requestAnimationFrame((now) => {
      this.frame = 0;
      if (now - this.drawn < RENDER_MS) return this.schedule();
      this.drawn = now;
      this.draw();
    });
  }

  /** While somebody points at a row, or has scrolled down to it, it must not move away. */
  get held() {
    const frame = find("feed-frame");
    return this.paused || frame.scrollTop > 4 || find("feed-rows").matches(":hover, :focus-within");
  }

  draw() {
    if (!this.held && this.waiting.length) {
      this.table.prepend(this.waiting);
      this.rows = this.rows.concat(this.waiting).slice(-MOST_ROWS);
      this.waiting = [];
      this.missed = 0;
      if (this.known.size > 4 * MOST_ROWS) this.forget();
    }
    const empty = find("feed-empty");
    empty.hidden = this.rows.length > 0 || this.waiting.length > 0;
    const { attacks, name } = this.filter;
    empty.textContent = attacks || name ? "No such rows yet." : "No verdicts yet. They appear here within a second or two of a row on the input topic.";
    this.tell();
  }

  tell() {
    const fresh = this.waiting.length + this.missed;
    const parts = [];
    if (this.held && fresh) parts.push(`${plural(fresh, "new row")} held ${this.paused ? "until you resume" : "while you look"}.`);
    if (this.skipped) parts.push(`${count(this.skipped)} rows came faster than they can be shown; attacks are shown first.`);
    const place = find("feed-note");
    place.setAttribute("aria-live", "off"); // it changes with every batch of rows
    say(place, parts.join(" "));
  }

  pause(paused) {
    this.paused = paused;
    const control = find("feed-pause");
    control.setAttribute("aria-pressed", String(paused));
    control.textContent = paused ? "Resume" : "Pause";
    this.schedule();
  }
}

/** The newest of these, by time. */
function inOrder(rows) {
  rows.sort((a, b) => (a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : 0));
  return rows.slice(-MOST_ROWS);
}

/** The classes of the contract, as choices of the filter. */
export function offerClasses(classes) {
  const chosen = find("feed-class");
  for (const { name } of classes) chosen.append(make("option", { value: name }, name === BENIGN ? "BENIGN (normal)" : name));
}
