// The WebSocket: opened with a ticket where a token is used, and again with growing waits when it breaks.

import { ApiError, asQuery, change, token } from "./api.js";

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 8_000;
const SILENCE_MS = 75_000; // the server pings every 30 s

/** Calls `onMessage(message)`, and `onState("connecting" | "open" | "closed")`. */
export class LiveSocket {
  constructor(onMessage, onState) {
    Object.assign(this, { onMessage, onState, query: {}, socket: null, failures: 0, timer: 0, watch: 0, turn: 0 });
  }

  /** Connect, or connect anew with other options. */
  open(query) {
    this.query = query;
    this.failures = 0;
    this.connect();
  }

  /** At once, where a wait goes on: the API is known to answer again. */
  hurry() {
    if (!this.socket) this.connect();
  }

  async connect() {
    const turn = ++this.turn;
    clearTimeout(this.timer);
    this.drop();
    this.onState("connecting");
    let ticket = "";
    try {
      if (token()) ticket = (await change("POST", "/ws/ticket")).ticket;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (turn === this.turn) this.retry();
      return;
    }
    if (turn === this.turn) this.listen(asQuery({ ...this.query, detail: "full", ticket }));
  }

  listen(query) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws/realtime${query}`);
    this.socket = socket;
    this.alive();
    socket.onmessage = (event) => {
      this.alive();
      const message = JSON.parse(event.data);
      if (message.type === "connection") {
        this.failures = 0;
        this.onState("open");
      }
      this.onMessage(message);
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.drop();
      this.retry();
    };
  }

  alive() {
    clearTimeout(this.watch);
    this.watch = setTimeout(() => this.connect(), SILENCE_MS);
  }

  drop() {
    clearTimeout(this.watch);
    const socket = this.socket;
    this.socket = null;
    if (socket) {
      socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  retry() {
    this.onState("closed");
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.failures);
    this.failures += 1;
    this.timer = setTimeout(() => this.connect(), wait * (0.75 + Math.random() / 2));
  }
}
