// Counts by name as bars; each is a list item that reads as a sentence.

import { fill, make, say } from "./dom.js";
import { count, percent } from "./format.js";

/** The API's attacks by class, and what no class explains, as entries. */
export const shares = (classes) => classes.map(({ name, attacks, share }) => ({ name, number: attacks, share }));

/** Counts that are of one whole, the largest first, as entries. */
export function parts(counts) {
  const found = Object.entries(counts).filter(([, number]) => number > 0).sort((a, b) => b[1] - a[1]);
  const whole = found.reduce((sum, [, number]) => sum + number, 0);
  return found.map(([name, number]) => ({ name, number, share: (100 * number) / whole }));
}

/** Show entries {name, number, share}, in their order; `calm` in a colour that is no alarm. */
export function showBars(place, entries, empty, calm = false) {
  if (!entries.length) {
    fill(place, make("p", { class: "empty" }, empty));
    return;
  }
  const list = place.querySelector("ul.bars") ?? make("ul", { class: calm ? "bars calm" : "bars" });
  const most = Math.max(...entries.map(({ number }) => number));
  const before = [...list.children];
  const items = entries.map((entry, at) => written(before[at] ?? item(), entry, entry.number / most));
  before.slice(items.length).forEach((left) => left.remove());
  list.append(...items.slice(before.length)); // what is there stays where it is
  if (list.parentElement !== place) fill(place, list);
}

function item() {
  return make("li", {},
    make("div", { class: "names" }, make("span", { class: "name" }), make("span", { class: "count" })),
    make("div", { class: "track" }, make("div", { class: "fill" })));
}

function written(element, { name, number, share }, length) {
  Object.assign(element.dataset, { name, count: number });
  say(element.querySelector(".name"), name);
  say(element.querySelector(".count"), `${count(number)} · ${percent(share)}`);
  element.querySelector(".fill").style.width = `${100 * length}%`;
  return element;
}
