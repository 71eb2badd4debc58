// uPlot in the colours of the page: made anew when they change, as large as its place.

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A line or bars over time, or over numbers; `show(xs, ys)` draws. */
export class Plot {
  constructor(place, { stroke, format, time = true, bars = false, top = null }) {
    Object.assign(this, { place, stroke, format, time, bars, top, plot: null, data: [[], []] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.remake());
    new ResizeObserver(() => this.resize()).observe(place);
  }

  show(xs, ys) {
    this.data = [xs, ys];
    if (this.plot) this.plot.setData(this.data);
    else this.remake();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.place;
    const grown = this.plot && (width !== this.plot.width || height !== this.plot.height);
    if (grown && width) this.plot.setSize({ width, height });
  }

  remake() {
    this.plot?.destroy();
    this.plot = null;
    const width = this.place.clientWidth;
    if (width) this.plot = new window.uPlot(this.options(width), this.data, this.place);
  }

  options(width) {
    const grid = { stroke: colour("--line"), width: 1 };
    const font = "11px system-ui, sans-serif";
    const axis = { stroke: colour("--muted"), font, grid, ticks: { show: false } };
    const line = colour(this.stroke);
    const paths = this.bars ? window.uPlot.paths.bars({ size: [0.7, 24] }) : window.uPlot.paths.spline();
    return {
      width,
      height: this.place.clientHeight,
      padding: [8, 22, 0, 0],
      cursor: { y: false, drag: { x: false, y: false } },
      legend: { show: false },
      scales: {
        x: { time: this.time, range: this.bars ? (_, low, high) => [low - 0.5, high + 0.5] : aroundOne },
        y: { range: (_, low, high) => [0, Math.max(this.top ?? 0, high === null ? 1 : high * 1.15, 0.001)] },
      },
      axes: [
        { ...axis, grid: { show: false }, space: 70, size: 26, values: this.time ? clock : (_, values) => values.map(whole) },
        { ...axis, size: 52, values: (_, values) => values.map(this.format) },
      ],
      series: [{}, { stroke: line, width: this.bars ? 0 : 2, fill: `${line}${this.bars ? "cc" : "22"}`, paths, points: { show: this.data[0].length < 3 } }],
    };
  }
}

/** One point alone has some time around it: there are no two ticks within a millisecond. */
const aroundOne = (_, low, high) => (low === high && low !== null ? [low - 1800, high + 300] : [low, high]);
const clock = (_, values) => values.map((at) => new Date(at * 1000).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }));
const whole = (value) => (Number.isInteger(value) ? String(value) : "");
