// Why a row got its verdict: scored again by its own models and policy, and what each of these looked at.

import { ApiError, get } from "./api.js";
import { facts, fill, make, table } from "./dom.js";
import { count, plural, score, value, words } from "./format.js";

const METHODS = {
  tree_path: "The row's path through the tree; every condition had to hold.",
  path_contributions: "What each feature changes along the paths of the trees, from the mean of all training rows.",
  sampled_orders: "What each feature changes when it takes the place of a typical row's, averaged over many orders.",
};

/** Asked for when it is opened, and again after a refusal: it costs the server more than a row does. */
export function why(id) {
  const place = make("div", {});
  const folded = make("details", { class: "why" }, make("summary", {}, "Why?"), place);
  let asked = false;
  folded.addEventListener("toggle", async () => {
    if (!folded.open || asked) return;
    asked = true;
    fill(place, make("p", { class: "empty", role: "status" }, "Scoring the row again…"));
    try {
      fill(place, ...receipt(await get(`/predictions/${id}/receipt`)));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      asked = false;
      fill(place, make("p", { class: "note bad", role: "status" }, error.message));
    }
  });
  return folded;
}

function receipt(found) {
  const equal = found.outcome === "equal";
  const told = equal ? `scored again, ${plural(found.columns_compared, "column")} are the same bits` : found.rejection ?? "scored again, these columns differ";
  return [
    make("p", { role: "status" }, make("span", { class: equal ? "badge good" : "badge attack" }, equal ? "Bit-equal" : "Different"), ` ${told}`),
    found.differences.length ? differences(found.differences) : null,
    ...found.models.flatMap(explained),
  ];
}

function differences(found) {
  const shown = (of) => (of === null ? "nothing" : String(of));
  const rows = found.map(({ column, stored, rescored }) => [column, shown(stored), shown(rescored)]);
  return scrolled("Columns that differ", ["Column", "Stored", "Scored again"], rows);
}

function explained({ model_type: type, version, explanation: of }) {
  const head = make("h3", {}, `Why the ${words(type)} says so`);
  if (of === null) return [head, make("p", { class: "note" }, `${version} does not take the row as it is stored now.`)];
  return [
    head,
    facts([
      [of.of === "score" ? "Score" : "Answer", of.of === "score" ? `${score(of.answer)}, attack from ${value(of.threshold)} on` : `${of.of} ${score(of.answer)}`],
      ["Votes of trees", of.votes && counted(of.votes, count)],
      ["Leaf", of.leaf && counted(of.leaf, score)],
    ]),
    make("p", { class: "hint" }, METHODS[of.method]),
    of.path ? path(of) : null,
    of.attribution ? attribution(of.attribution, type) : null,
  ];
}

const counted = (found, shown) => Object.entries(found).map(([name, number]) => `${name} ${shown(number)}`).join(", ");

function path(of) {
  const whole = of.path_length === of.path.length;
  const rows = (whole ? of.path : of.path_in_short).map((condition) => [condition.text, { cell: own(condition), class: "number" }]);
  const title = whole ? "Conditions of the path" : `Conditions of the path of ${count(of.path_length)} steps, in short`;
  return scrolled(title, ["Condition", { cell: "The row has", class: "number" }], rows);
}

function attribution(of, type) {
  const rows = of.parts.map((part) => [part.feature.trim(), { cell: own(part), class: "number" }, { cell: signed(part.contribution), class: "number" }]);
  const sum = `Baseline ${value(of.baseline)}, parts ${signed(of.sum)}, answer ${value(of.answer)}: `;
  const word = of.complete ? "the parts add up" : "the parts do not add up";
  return [
    scrolled(`What each feature adds, ${words(type)}`, ["Feature", { cell: "Value", class: "number" }, { cell: "Adds", class: "number" }], rows),
    make("p", { class: of.complete ? "hint" : "note bad" }, `${sum}${word}, off by ${of.error.toExponential(0)}.`),
  ];
}

function scrolled(title, heads, rows) {
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, table(title, heads, rows));
}

const own = ({ value: number, category, unit }) => category ?? `${value(number)}${unit ? ` ${unit}` : ""}`;

const signed = (number) => `${number < 0 ? "−" : "+"}${value(Math.abs(number))}`;
