// A model card's Markdown as elements: headings, lists, tables, code. Only text is taken from it, no markup, no links.

import { make, table } from "./dom.js";

const INLINE = /(`[^`]+`|\*\*[^*]+\*\*)/;

/** Elements for the blocks of the text. */
export function render(text) {
  const lines = text.replaceAll("\r", "").split("\n");
  const blocks = [];
  while (lines.length) blocks.push(block(lines));
  return blocks.filter(Boolean);
}

function block(lines) {
  const line = lines[0];
  if (!line.trim()) return void lines.shift();
  if (line.startsWith("```")) return code(lines);
  const heading = /^#{1,6}\s+(.*)/.exec(line);
  if (heading) {
    lines.shift();
    return make("h4", {}, ...inline(heading[1]));
  }
  if (/^\s*[-*]\s/.test(line)) return list(lines);
  if (line.trim().startsWith("|") && isRule(lines[1] ?? "")) return grid(lines);
  return make("p", {}, ...inline(taken(lines, (next) => next.trim() && !/^(#|```|\s*[-*]\s|\|)/.test(next)).join(" ")));
}

/** The line under a table's heads. */
const isRule = (line) => line.includes("|") && /^[\s:|-]+$/.test(line);

/** The first line, and those after it as long as they go on. */
function taken(lines, goesOn) {
  const found = [lines.shift()];
  while (lines.length && goesOn(lines[0])) found.push(lines.shift());
  return found;
}

function code(lines) {
  const inside = taken(lines, (next) => !next.startsWith("```")).slice(1);
  lines.shift();
  return make("pre", {}, inside.join("\n"));
}

function list(lines) {
  const items = [];
  for (const line of taken(lines, (next) => /^\s+\S|^\s*[-*]\s/.test(next))) {
    const begun = /^\s*[-*]\s+(.*)/.exec(line);
    if (begun) items.push(begun[1]);
    else items[items.length - 1] += ` ${line.trim()}`;
  }
  return make("ul", {}, items.map((item) => make("li", {}, ...inline(item))));
}

function grid(lines) {
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  const [head, , ...rows] = taken(lines, (next) => next.trim().startsWith("|")).map(cells);
  const made = table("Figures of the card", head, rows.map((row) => row.map((cell) => make("span", {}, ...inline(cell)))));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Figures of the card" }, made);
}

function inline(text) {
  return text.split(INLINE).map((part) => {
    if (part.startsWith("`") && part.length > 2) return make("code", {}, part.slice(1, -1));
    if (part.startsWith("**") && part.length > 4) return make("strong", {}, part.slice(2, -2));
    return part;
  });
}
