/**
 * What one run of a file's programs has computed, as the page reads it: matrices, windows of them, small pictures.
 *
 * @import { Picture, Seen, Station, ValuesOf } from "./types.js"
 */
import { NDArray } from "./arrays.js";
import { matmul } from "./matmul.js";
import { isOfKeys } from "./stations.js";

const PICTURE = 256;
const THUMB = 32;

/** The matrices of one run, a recurrent network's calls joined. */
export class Run {
  /**
   * @param {Seen} values
   * @param {Map<string, Station>} stations
   * @param {boolean} changed - whether it is of edits or of other tokens
   */
  constructor(values, stations, changed) {
    this.values = values;
    this.stations = stations;
    this.changed = changed;
  }

  /** @param {string} path */
  has(path) {
    return this.stations.has(path) && (!this.values.has || this.values.has(path));
  }

  /** @param {string} path */
  station(path) {
    const station = this.stations.get(path);
    if (!station) throw new Error(`nothing was seen at ${path}`);
    return station;
  }

  /**
   * A tensor without its batch, [heads,] rows, columns.
   *
   * @param {string} path
   * @param {string} [step]
   */
  tensor(path, step = "") {
    const { calls, turned } = this.station(path);
    const count = isOfKeys(step) ? 1 : calls;
    const parts = Array.from({ length: count }, (_, call) => this.values.get(path, step, calls > 1 ? call : undefined));
    const whole = (turned ? parts.reverse() : parts).map((x) => x.reshape(x.shape.slice(1)));
    return whole.length === 1 ? whole[0] : joined(whole);
  }

  /**
   * One row of a tensor without heads.
   *
   * @param {string} path
   * @param {number} row
   */
  row(path, row) {
    return this.tensor(path)
      .slice(0, row, row + 1)
      .flat();
  }

  /**
   * A matrix [rows, columns].
   *
   * @param {Pick<ValuesOf, "path" | "step" | "head">} want
   */
  matrix({ path, step = "", head }) {
    const station = this.station(path);
    const x = this.tensor(path, station.kind === "act" ? step || "weights" : "");
    if (x.rank < 3) return x;
    const group = station.kind === "act" ? station.shape[0] / x.shape[0] : 1;
    const own = Math.floor((head ?? 0) / group);
    return x.slice(0, own, own + 1).reshape(x.shape.slice(1));
  }

  /**
   * max |weights . v - context| of a head.
   *
   * @param {string} path
   * @param {number} head
   */
  proof(path, head) {
    const [weights, v, context] = ["weights", "v", "context"].map((step) => this.matrix({ path, step, head }));
    const ours = matmul(weights, v).flat();
    return context.flat().reduce((most, x, i) => Math.max(most, Math.abs(x - ours[i])), 0);
  }
}

/**
 * Arrays [..., rows, columns] below one another.
 *
 * @param {NDArray[]} parts
 */
function joined(parts) {
  const shape = parts[0].shape;
  const heads = shape.length > 2 ? shape[0] : 1;
  const [columns] = shape.slice(-1);
  const rowsOf = (/** @type {NDArray} */ part) => part.shape[part.rank - 2];
  const rows = parts.reduce((sum, part) => sum + rowsOf(part), 0);
  const out = new Float64Array(heads * rows * columns);
  let first = 0;
  for (const part of parts) {
    const numbers = part.flat();
    const own = rowsOf(part) * columns;
    for (let head = 0; head < heads; head++)
      out.set(numbers.subarray(head * own, (head + 1) * own), head * rows * columns + first);
    first += own;
  }
  return new NDArray(out, shape.length > 2 ? [heads, rows, columns] : [rows, columns]);
}

/**
 * @param {NDArray} x
 * @param {Pick<ValuesOf, "rows" | "columns" | "pooled">} want
 */
export function windowed(x, want) {
  let y = x.rank < 2 ? x.reshape([1, x.size]) : x;
  [want.rows, want.columns].forEach((place, axis) => {
    if (place) y = y.slice(axis, Math.max(0, place[0]), Math.min(y.shape[axis], place[1]));
  });
  if (want.pooled && y.shape.some((n) => n > PICTURE)) y = pooled(y, PICTURE);
  return { shape: y.shape, data: y.flat() };
}

/**
 * The number furthest from 0 of each patch.
 *
 * @param {NDArray} x
 * @param {number} most
 */
function pooled(x, most) {
  const shape = x.shape.map((n) => Math.min(n, most));
  const out = new Float64Array(shape[0] * shape[1]);
  const numbers = x.flat();
  for (let r = 0; r < x.shape[0]; r++) {
    for (let c = 0; c < x.shape[1]; c++) {
      const value = numbers[r * x.shape[1] + c];
      const place = Math.floor((r * shape[0]) / x.shape[0]) * shape[1] + Math.floor((c * shape[1]) / x.shape[1]);
      if (Number.isFinite(value) && Math.abs(value) > Math.abs(out[place])) out[place] = value;
    }
  }
  return new NDArray(out, shape);
}

/**
 * The small pictures of an act's weights, a byte a number.
 *
 * @param {NDArray} weights [heads, queries, keys]
 * @param {number[]} shown the queries that they show
 * @returns {Pick<Picture, "shape" | "data">}
 */
export function picture(weights, shown) {
  const [heads, , keys] = weights.shape;
  const [rows, columns] = [shown.length, Math.min(keys, THUMB)];
  const data = new Uint8Array(heads * rows * columns);
  for (let head = 0; head < heads; head++) {
    shown.forEach((query, r) => {
      for (let c = 0; c < keys; c++) {
        const place = (head * rows + r) * columns + (keys > THUMB ? Math.floor((c * columns) / keys) : c);
        const share = Math.min(1, Math.max(0, weights.at(head, query, c)));
        data[place] = Math.max(data[place], Math.round(255 * share));
      }
    });
  }
  return { shape: [heads, rows, columns], data };
}
