// A validation report, step by step: what passed, what did not and why, what was not reached.

import { facts, make } from "./dom.js";
import { value, words } from "./format.js";

const STATES = new Map([
  [true, ["good", "passed"]],
  [false, ["attack", "refused"]],
  [null, ["", "not reached"]],
]);

/** The report as elements. */
export function showReport(validation) {
  const steps = validation.steps.map((step) => {
    const [kind, text] = STATES.get(step.passed);
    return make("li", {}, make("span", { class: `badge ${kind}` }, text),
      make("span", {}, step.title ?? words(step.name), step.reason && step.passed !== null ? make("div", { class: "reason" }, step.reason) : null));
  });
  const against = validation.figures?.against_active?.text;
  return [
    make("ol", { class: "steps", "aria-label": "Validation, step by step" }, steps),
    against ? make("p", { class: "hint" }, `Against the active model: ${against}.`) : null,
  ];
}

/** Figures as facts: those that are a number or a text. */
export function showFigures(figures) {
  const plain = Object.entries(figures ?? {}).filter(([, found]) => ["number", "string"].includes(typeof found));
  return facts(plain.map(([name, found]) => [words(name), value(found)]));
}
