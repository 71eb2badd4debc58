// Counts by name as bars, the largest first; each is a list item that reads as a sentence.

import { fill, make } from "./dom.js";
import { count, percent } from "./format.js";

/** Show {name: number}; `calm` in a colour that is no alarm. */
export function showBars(place, counts, empty, calm = false) {
  const entries = Object.entries(counts).filter(([, number]) => number > 0).sort((a, b) => b[1] - a[1]);
  if (!entries.length) {
    fill(place, make("p", { class: "empty" }, empty));
    return;
  }
  const list = place.querySelector("ul.bars") ?? make("ul", { class: calm ? "bars calm" : "bars" });
  const most = entries[0][1];
  const all = entries.reduce((sum, [, number]) => sum + number, 0);
  const before = new Map([...list.children].map((item) => [item.dataset.name, item]));
  fill(list, entries.map(([name, number]) => written(before.get(name) ?? item(name), number, number / most, (100 * number) / all)));
  if (list.parentElement !== place) fill(place, list);
}

function item(name) {
  return make("li", { "data-name": name },
    make("div", { class: "names" }, make("span", {}, name), make("span", { class: "count" })),
    make("div", { class: "track" }, make("div", { class: "fill" })));
}

function written(element, number, length, share) {
  element.dataset.count = number;
  element.querySelector(".count").textContent = `${count(number)} · ${percent(share)}`;
  element.querySelector(".fill").style.width = `${100 * length}%`;
  return element;
}
