// A validation report, step by step: what passed, what did not and why, what was not reached.

import { facts, make } from "./dom.js";
import { plural, value, words } from "./format.js";

const STATES = new Map([
  [true, ["good", "passed"]],
  [false, ["attack", "refused"]],
  [null, ["", "not reached"]],
]);

/** What a person should read before they serve the model. */
export function showWarnings(warnings) {
  if (!warnings.length) return null;
  const items = warnings.map((warning) => make("li", {}, warning));
  return make("div", { class: "problems" }, make("strong", {}, plural(warnings.length, "warning")), make("ul", { "aria-label": "Warnings" }, items));
}

/** The report as elements. */
export function showReport(validation) {
  const steps = validation.steps.map((step) => {
    const [kind, text] = STATES.get(step.passed);
    return make("li", {}, make("span", { class: `badge ${kind}` }, text),
      make("span", {}, step.title ?? words(step.name), step.reason && step.passed !== null ? make("div", { class: "reason" }, step.reason) : null));
  });
  const against = validation.figures?.against_active?.text;
  return [
    showWarnings(validation.warnings ?? []),
    make("ol", { class: "steps", "aria-label": "Validation, step by step" }, steps),
    against ? make("p", { class: "hint" }, `Against the active model: ${against}.`) : null,
  ];
}

/** Figures as facts: those that are a number or a text. */
export function showFigures(figures) {
  const plain = Object.entries(figures ?? {}).filter(([, found]) => ["number", "string"].includes(typeof found));
  return facts(plain.map(([name, found]) => [words(name), value(found)]));
}
