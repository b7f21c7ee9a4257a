/**
 * Labels that are more than text: boxes of a picture, spans of time.
 *
 * @import { ByLabel, Child, Region, Text } from "./types.js"
 */
import { svg } from "./dom.js";

const SIZE = 14; // pixels

/**
 * A text whose labels are texts; the regions that they came with stand beside them.
 *
 * @param {Text} text
 */
export function apart(text) {
  const labels = eachOf(text.labels, (label) => (typeof label === "string" ? label : label.text));
  /** @type {ByLabel<Region | null>} */
  const regions = eachOf(text.labels, (label) => (typeof label === "string" ? null : label));
  return { ...text, labels, regions };
}

/**
 * @template T, U
 * @param {ByLabel<T>} lists
 * @param {(value: T) => U} take
 * @returns {ByLabel<U>}
 */
const eachOf = (lists, take) =>
  Object.fromEntries(Object.entries(lists).map(([name, values]) => [name, values.map((value) => take(value))]));

/**
 * A small drawing of where one of these regions is; null of a text.
 *
 * @param {readonly (Region | null)[] | null | undefined} regions
 * @param {number} index
 */
export function region(regions, index) {
  const { box, span } = regions?.[index] ?? {};
  if (box) {
    const [left, top, right, bottom] = box.map((share) => SIZE * share);
    return drawing(
      svg("rect.around", { x: 0.5, y: 0.5, width: SIZE - 1, height: SIZE - 1 }),
      svg("rect.part", { x: left, y: top, width: right - left, height: bottom - top }),
    );
  }
  if (!span) return null;
  const end = Math.max(...(regions ?? []).map((one) => one?.span?.[1] ?? 0));
  const [from, to] = span.map((seconds) => (SIZE * seconds) / end);
  return drawing(
    svg("line.around", { x1: 0, x2: SIZE, y1: SIZE / 2, y2: SIZE / 2 }),
    svg("rect.part", { x: from, y: SIZE / 2 - 3, width: Math.max(1, to - from), height: 6 }),
  );
}

/** @param {Child[]} parts */
const drawing = (...parts) =>
  svg("svg.region", { viewBox: `0 0 ${SIZE} ${SIZE}`, width: SIZE, height: SIZE, "aria-hidden": "true" }, parts);
