// Numbers, times and names as people read them.

import { make } from "./dom.js";

const WHOLE = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const FULL = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23",
});
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export const count = (value) => (value === null || value === undefined ? "–" : WHOLE.format(value));
export const compact = (value) => (value < 100_000 ? WHOLE.format(value) : SHORT.format(value));
export const score = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));
export const percent = (value) => `${value < 10 && value > 0 ? value.toFixed(1) : value.toFixed(0)} %`;

/** A rate with as many places as say something. */
export const rate = (value) => (value >= 10 || value === 0 ? WHOLE.format(value) : value.toFixed(1));

/** A measured value with at most six places; one that would have none of them, as a power of ten. */
export function value(number) {
  if (typeof number !== "number") return String(number);
  if (number !== 0 && Math.abs(number) < 5e-7) return number.toExponential(1);
  return number.toLocaleString(undefined, { maximumFractionDigits: 6 });
}

export function bytes(number) {
  if (number === null || number === undefined) return "–";
  if (number < 1024) return `${number} bytes`;
  const power = Math.min(3, Math.floor(Math.log2(number) / 10));
  return `${(number / 1024 ** power).toFixed(1)} ${["", "KiB", "MiB", "GiB"][power]}`;
}

export const milliseconds = (ms) => {
  if (ms === null || ms === undefined) return "–";
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
};

/** A span of time in its two largest units. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const units = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => whole >= size);
  if (first < 0) return seconds > 0 ? milliseconds(1000 * seconds) : "0 s";
  const [[name, size], next] = units.slice(first);
  const rest = next ? Math.floor((whole % size) / next[1]) : 0;
  return `${Math.floor(whole / size)} ${name}${rest ? ` ${rest} ${next[0]}` : ""}`;
}

/** The local time of an ISO time: its day, too, where that is another one than today. */
export function timeText(iso) {
  const at = new Date(iso);
  return at.toDateString() === new Date().toDateString() ? TIME.format(at) : DATE.format(at);
}

/** A time element in full, local and as the API has it. */
export function instant(iso) {
  return make("time", { datetime: iso }, FULL.format(new Date(iso)), make("span", { class: "hint" }, ` (${utcTitle(iso)})`));
}

export const utcTitle = (iso) => `${iso.replace("T", " ").replace("Z", "")} UTC`;

/** A time element, local with UTC in its tooltip. */
export function time(iso) {
  if (!iso) return "–";
  return make("time", { datetime: iso, title: utcTitle(iso) }, timeText(iso));
}

/** `threat_detector` as words. */
export const words = (name) => (name ?? "").replaceAll("_", " ");

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
