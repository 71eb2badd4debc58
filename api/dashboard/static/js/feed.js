// The live feed: rows as they come, filtered by the server, shown in batches, and what was missed fetched from REST.

import { get, orNull } from "./api.js";
import { find, make, say } from "./dom.js";
import { FeedTable, MOST_ROWS } from "./feed_table.js";
import { count, plural } from "./format.js";
import { sleep } from "./poll.js";
import { LiveSocket } from "./socket.js";

const RENDER_MS = 100;
const GAP_MS = 500;
const GAP_LONGEST_MS = 8000;
const STORED_MS = 3000; // a row is on the topic some time before it is in the store
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
    find("row-dialog").addEventListener("close", () => this.schedule());
    const frame = find("feed-frame");
    frame.addEventListener("scroll", () => this.table.finish(), { passive: true });
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
    this.missed = 0;
    this.turn += 1;
    this.table.show([]);
    const { attacks, name } = this.filter;
    this.socket.open({ only: attacks ? "attacks" : "", class: name });
  }

  show(state) {
    const [kind, text] = STATES[state];
    const place = find("socket-state");
    place.dataset.state = kind;
    say(place, text);
    if (state === "open") this.fillGap();
  }

  take(message) {
    if (message.type === "prediction") this.add([message]);
    else if (message.type === "connection") this.onBroker({ broker: "back" });
    else if (message.type === "status") {
      this.onBroker(message);
      if (message.broker === "back") this.fillGap();
    } else if (message.type === "lag") {
      this.skipped += message.skipped;
      this.schedule();
    }
  }

  /** What came while there was no connection, as soon as the API can say; then once more, for what was on its way. */
  async fillGap() {
    const turn = ++this.turn;
    for (let wait = GAP_MS; !await this.fetchMissed(turn); wait = Math.min(2 * wait, GAP_LONGEST_MS)) await sleep(wait);
    await sleep(STORED_MS);
    await this.fetchMissed(turn);
  }

  /** The latest rows by REST, those that are known left out. False where the API did not say, and it still matters. */
  async fetchMissed(turn) {
    if (turn !== this.turn) return true;
    const { attacks, name } = this.filter;
    const query = { limit: MOST_ROWS, attack: attacks ? "true" : "", class: name };
    const answer = await orNull(get("/predictions", query));
    if (turn !== this.turn) return true;
    if (answer) this.merge(answer.predictions.filter((row) => !this.known.has(row.traffic_data_id)));
    return answer !== null;
  }

  merge(missing) {
    if (missing.length && this.held && this.rows.length) this.waiting = inOrder([...this.waiting, ...missing]);
    else if (missing.length) {
      this.rows = inOrder([...this.rows, ...this.waiting, ...missing]).slice(-MOST_ROWS);
      this.waiting = [];
      this.table.show(this.rows);
    }
    this.remember();
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

  /** Of what waits only as much as can be shown is kept. */
  forget() {
    this.missed += this.waiting.length - MOST_ROWS;
    this.waiting = this.waiting.slice(-MOST_ROWS);
    this.remember();
  }

  /** The ids of what is shown or waits, and no others. */
  remember() {
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

  /** While somebody points at a row, looks at it, or has scrolled down to it, it must not move away. */
  get held() {
    const frame = find("feed-frame");
    return this.paused || frame.scrollTop > 4 || find("feed-rows").matches(":hover, :focus-within") || find("row-dialog").open;
  }

  draw() {
    if (!this.held && this.waiting.length) {
      this.rows = this.rows.concat(this.waiting).slice(-MOST_ROWS);
      this.table.show(this.rows);
      this.waiting = [];
      this.missed = 0;
      if (this.known.size > 4 * MOST_ROWS) this.remember();
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
    if (this.skipped) parts.push(`${count(this.skipped)} rows skipped, attacks first.`);
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

/** The newest last. */
function inOrder(rows) {
  return rows.sort((a, b) => (a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : 0));
}

/** The classes of the contract, as choices of the filter. */
export function offerClasses(classes) {
  const chosen = find("feed-class");
  for (const { name, benign } of classes) chosen.append(make("option", { value: name }, benign ? `${name} (normal)` : name));
}

/** Chooses the class that the page's address names, as links in notifications do: `/?class=PortScan`. */
export function chooseClass(name) {
  const chosen = find("feed-class");
  if ([...chosen.options].some(({ value }) => value === name)) chosen.value = name;
}
