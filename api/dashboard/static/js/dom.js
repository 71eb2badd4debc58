// Making and changing elements. Text from elsewhere only ever becomes text: nothing here reads markup.

export const find = (id) => document.getElementById(id);

/** An element; of its properties `class`, `data-…`, `aria-…`, `role` and the like are attributes, `on…` listeners. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else element.setAttribute(name, value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Put these in place of what is there. Who had the focus in it has it on what is named alike, or else on the place. */
export function fill(element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  element.replaceChildren(...children.flat(3).filter((child) => child !== null && child !== undefined));
  if (focused && !focused.isConnected) {
    const alike = [...element.querySelectorAll(focused.tagName)].find((other) => nameOf(other) === nameOf(focused));
    (alike ?? element.closest("[tabindex]"))?.focus({ preventScroll: true });
  }
}

const nameOf = (element) => element.getAttribute("aria-label") ?? element.textContent;

/** Set a text where it is another one: live regions speak at each change. */
export function say(element, text, bad = false) {
  if (element.textContent !== text) element.textContent = text;
  element.classList.toggle("bad", bad);
}

/** A button. */
export function button(text, onclick, properties = {}) {
  return make("button", { type: "button", onclick, ...properties }, text);
}

/** A table of rows of cells; a cell is text, an element, or {cell, class}. */
export function table(caption, heads, rows) {
  const cell = (tag, content, more = {}) => {
    const plain = content === null || typeof content !== "object" || content instanceof Node;
    const [inner, kind] = plain ? [content, null] : [content.cell, content.class];
    return make(tag, { class: kind, ...more }, inner ?? "–");
  };
  return make("table", {},
    make("caption", { class: "hidden" }, caption),
    make("thead", {}, make("tr", {}, heads.map((head) => cell("th", head, { scope: "col" })))),
    make("tbody", {}, rows.map((row) => make("tr", {}, row.map((content) => cell("td", content))))),
  );
}

/** Name and value pairs as a description list's children. */
export function pairs(entries) {
  return entries.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value ?? "–")));
}

/** The same in two columns, for long values. */
export function facts(entries) {
  const known = entries.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return make("dl", { class: "facts" }, known.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

/** The close button, and a click beside it, close a dialog. */
export function closable(dialog) {
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}
