// Rows of a table as one stop of the Tab key: the arrow keys, Home and End go from row to row.

/** `place` holds rows with a button each, made with tabindex -1; `settle` says when they have changed. */
export class RovingRows {
  constructor(place) {
    this.place = place;
    place.addEventListener("keydown", (event) => this.move(event));
    place.addEventListener("focusin", ({ target }) => this.enter(target.closest("tbody tr")));
  }

  /** The row that Tab goes to: the one that has the focus, or else the first. */
  settle() {
    if (!this.place.contains(document.activeElement)) this.enter(this.place.querySelector("tr:has(button)"));
  }

  enter(line) {
    const stop = line?.querySelector("button");
    if (!stop) return;
    this.place.querySelector("button[tabindex='0']")?.setAttribute("tabindex", "-1");
    stop.setAttribute("tabindex", "0");
  }

  move(event) {
    const line = event.target.closest("tbody tr");
    const rows = line?.parentElement;
    const to = { ArrowDown: line?.nextElementSibling, ArrowUp: line?.previousElementSibling, Home: rows?.firstElementChild, End: rows?.lastElementChild }[event.key];
    if (!to) return;
    event.preventDefault();
    to.querySelector("button").focus();
  }
}
