// What is wrong when something is, in words: from /health, and from what this page itself meets.

import { get } from "./api.js";
import { fill, find, make, say } from "./dom.js";

export class Health {
  constructor() {
    Object.assign(this, { reasons: [], refusals: [], reachable: true, broker: null, known: false, starting: false });
  }

  async refresh() {
    try {
      const { reasons, ready, status } = await get("/health");
      this.reasons = reasons ?? (ready ? [] : ["netheal is not ready; why is told to those who have a token"]);
      this.starting = status === "starting";
      this.known = true;
      this.show();
    } finally {
      find("main").removeAttribute("data-waiting"); // its first line is there: nothing moves down any more
    }
  }

  /** What the API refuses to tell other parts of the page. */
  setRefusals(messages) {
    this.refusals = messages.map((message) => `the API refuses some figures, which are old: ${message}`);
    this.show();
  }

  setReachable(reachable) {
    this.reachable = reachable;
    this.show();
  }

  /** A status message of the socket. */
  setBroker({ broker, message }) {
    this.broker = broker === "away" ? message : null;
    this.show();
  }

  get problems() {
    if (!this.reachable) return ["The API does not answer. This page goes on asking; what it shows is what was last known."];
    const told = this.broker && !this.reasons.some((reason) => reason.includes("broker")) ? [this.broker] : [];
    return [...this.reasons, ...told, ...this.refusals].map((reason) => reason.charAt(0).toUpperCase() + reason.slice(1));
  }

  show() {
    const problems = this.problems;
    const state = find("health-state");
    if (!this.reachable) paint(state, "bad", "API unreachable");
    else if (this.starting && !this.refusals.length) paint(state, "wait", "Starting");
    else if (problems.length) paint(state, "warn", `${problems.length} to look at`);
    else if (this.known) paint(state, "good", "All well");
    const place = find("problems");
    const title = this.starting && this.reachable ? "Starting" : "Needs attention";
    const text = [title, ...problems].join("\n");
    if (place.dataset.text === text) return;
    place.dataset.text = text;
    const list = make("ul", {}, problems.map((problem) => make("li", {}, problem)));
    fill(place, problems.length ? make("div", { class: "problems" }, make("strong", {}, title), list) : null);
  }
}

function paint(element, state, text) {
  element.dataset.state = state;
  say(element, text);
}
