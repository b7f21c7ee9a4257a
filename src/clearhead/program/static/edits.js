/**
 * Edits: changes of single numbers of what a model shows, as data; the plain JSON of `clearhead.edits.Edit`.
 *
 * `where` has one entry for each axis: an index, a range [start, stop] (stop is left out) or null for the whole axis;
 * axes left out at the end are whole.
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
 * Refuse an edit whose place is in no value of this shape.
 *
 * @param {Edit} edit
 * @param {number[]} shape
 * @throws {EditError}
 */
export function mustFit(edit, shape) {
  const where = edit.where ?? [];
  if (!Object.hasOwn(OPS, edit.op ?? "set")) {
    throw new EditError(`an edit's op is set, add or multiply, not "${edit.op}"; choose one of the three`);
  }
  if (where.length > shape.length) {
    throw new EditError(`the edit of "${edit.path}" names ${where.length} axes, the value has ${shape.length}`);
  }
  where.forEach((place, axis) => {
    const [low, high] = bounds(place, shape[axis]);
    if (!(low >= 0 && low < high && high <= shape[axis])) {
      throw new EditError(
        `the edit of "${edit.path}" asks for ${JSON.stringify(place)} on axis ${axis}, ` +
          `which has ${shape[axis]} entries; indices count from 0; ranges are [start, stop)`,
      );
    }
  });
}

/**
 * A changed copy of x.
 *
 * @param {Edit} edit
 * @param {NDArray} x
 */
export function applied(edit, x) {
  const ranges = x.shape.map((size, axis) => bounds(edit.where?.[axis] ?? null, size));
  const old = ranges.reduce((window, [start, stop], axis) => window.slice(axis, start, stop), x);
  const value = spread(NDArray.from(edit.value ?? 0), old.shape, edit);
  return replaced(x, ranges, elementwise(OPS[edit.op ?? "set"], old, value));
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
