/**
 * Edits: changes of single numbers of what a model shows, as data; the plain JSON of `clearhead.edits.Edit`.
 *
 * `where` has one entry for each axis: an index, a range [start, stop] (stop is left out) or null for the whole axis;
 * axes left out at the end are whole. Rows (the last axis but one) count in the whole text, of which an array may be a
 * part.
 *
 * @typedef {Object} Edit
 * @property {string} path - of the value
 * @property {(number | [number, number] | null)[]} [where]
 * @property {"set" | "add" | "multiply"} [op]
 * @property {import("./arrays.js").Nested} [value] - a number ("inf", "-inf", "nan"), or nested lists that broadcast
 * @property {string} [step] - of an act of attention
 * @property {number | null} [call] - of a value that is seen several times; null means every call
 */

import { NDArray, elementwise, replaced } from "./arrays.js";

/** @type {Record<string, (old: number, value: number) => number>} */
const OPS = { set: (_, value) => value, add: (old, value) => old + value, multiply: (old, value) => old * value };

/** An edit names a place that does not exist. */
export class EditError extends Error {}

/**
 * Whether an edit changes anything in a value of this shape whose rows begin at `start`.
 *
 * @param {Edit} edit
 * @param {number[]} shape
 * @param {number} [start]
 * @throws {EditError} the place can be in no such value
 */
export function touches(edit, shape, start = 0) {
  const where = edit.where ?? [];
  if (!Object.hasOwn(OPS, edit.op ?? "set")) {
    throw new EditError(`an edit's op is set, add or multiply, not "${edit.op}"; choose one of the three`);
  }
  if (where.length > shape.length) {
    throw new EditError(`the edit of "${edit.path}" names ${where.length} axes, the value has ${shape.length}`);
  }
  where.forEach((place, axis) => {
    const [low, high] = bounds(place, shape[axis]);
    const openEnded = axis === shape.length - 2 && start > 0; // a later part holds the rows that are still to come
    if (!(low >= 0 && low < high) || (high > shape[axis] && !openEnded)) {
      throw new EditError(
        `the edit of "${edit.path}" asks for ${JSON.stringify(place)} on axis ${axis}, ` +
          `which has ${shape[axis]} entries; indices count from 0; ranges are [start, stop)`,
      );
    }
  });
  if (!start) return true;
  const stop = start + (shape.at(-2) ?? 1);
  const [low, high] = bounds(where[shape.length - 2] ?? null, stop);
  return low < stop && high > start;
}

/**
 * A changed copy of x, whose rows begin at `first`; x itself where the edit misses it.
 *
 * @param {Edit} edit
 * @param {NDArray} x
 * @param {number} [first]
 */
export function applied(edit, x, first = 0) {
  let value = NDArray.from(edit.value ?? 0);
  const ranges = x.shape.map((size, axis) => {
    const shift = axis === x.rank - 2 ? first : 0;
    const [low, high] = bounds(edit.where?.[axis] ?? null, shift + size);
    const [start, stop] = [low - shift, high - shift].map((place) => Math.min(Math.max(place, 0), size));
    const perRow = axis === x.rank - 2 && value.rank > 1 && value.shape[value.rank - 2] > 1;
    if (perRow) value = rowsForPlace(value, Math.max(shift - low, 0), Math.max(stop - start, 0));
    return /** @type {[number, number]} */ ([start, Math.max(start, stop)]);
  });
  const old = ranges.reduce((window, [start, stop], axis) => window.slice(axis, start, stop), x);
  return old.size ? replaced(x, ranges, elementwise(OPS[edit.op ?? "set"], old, spread(value, old.shape, edit))) : x;
}

/**
 * `count` rows of a value that has one for each row of its place, from `start` on.
 *
 * @param {NDArray} value
 * @param {number} start
 * @param {number} count
 */
function rowsForPlace(value, start, count) {
  const axis = value.rank - 2;
  const rows = value.shape[axis];
  const from = Math.min(start, rows);
  return value.slice(axis, from, Math.min(from + count, rows));
}

/**
 * @param {NDArray} value
 * @param {number[]} shape
 * @param {Edit} edit
 */
function spread(value, shape, edit) {
  try {
    return value.expand(shape);
  } catch {
    throw new EditError(
      `the value of the edit of "${edit.path}" has shape [${value.shape.join(", ")}], ` +
        `its place [${shape.join(", ")}]; give a number, or nested lists that broadcast to the place`,
    );
  }
}

/**
 * @param {NonNullable<Edit["where"]>[number]} place
 * @param {number} size
 * @returns {[start: number, stop: number]}
 */
function bounds(place, size) {
  if (place === null) return [0, size];
  return Array.isArray(place) ? place : [place, place + 1];
}
