/**
 * Arrays of float64 numbers with any number of axes.
 *
 * An array is a window onto a flat run of numbers: `offset` is where it begins, `strides[i]` how far one step along
 * axis i goes. Rearranging (`permute`, `slice`, `expand`) opens another window onto the same numbers; computing makes
 * new ones. What an array shows never changes. Axes count from 0.
 *
 * @typedef {number | string | boolean | Nested[]} Nested nested lists as JSON has them; "inf", "-inf" and "nan" are
 *   numbers
 */

export class NDArray {
  /**
   * @param {Float64Array} data - the run of numbers, which may hold more than this array shows
   * @param {number[]} shape
   * @param {number[]} [strides] - of rows one after the other, unless given
   * @param {number} [offset]
   */
  constructor(data, shape, strides = rowStrides(shape), offset = 0) {
    this.data = data;
    this.shape = shape;
    this.strides = strides;
    this.offset = offset;
  }

  /**
   * An array of nested lists of numbers as JSON has them, of truths as 0 and 1, or of a single one.
   *
   * @param {Nested} nested
   */
  static from(nested) {
    /** @type {number[]} */
    const shape = [];
    for (let part = nested; Array.isArray(part); part = part[0]) shape.push(part.length);
    const numbers = /** @type {(number | string | boolean)[]} */ (/** @type {unknown[]} */ ([nested]).flat(Infinity));
    if (numbers.length !== sizeOf(shape))
      throw new Error(`rows of unequal length do not make an array of ${text(shape)}`);
    return new NDArray(Float64Array.from(numbers, numberOf), shape);
  }

  /** How many numbers there are. */
  get size() {
    return sizeOf(this.shape);
  }

  /** How many axes there are. */
  get rank() {
    return this.shape.length;
  }

  /**
   * One number, e.g. `weights.at(0, head, query, key)`.
   *
   * @param {number[]} index
   */
  at(...index) {
    return this.data[index.reduce((place, i, axis) => place + i * this.strides[axis], this.offset)];
  }

  /** All numbers in order, as one run; shared with the array where it can be. */
  flat() {
    if (this.#inOrder()) return this.data.subarray(this.offset, this.offset + this.size);
    const out = new Float64Array(this.size);
    copyInto(new NDArray(out, this.shape), this);
    return out;
  }

  /** As nested lists. */
  toNested() {
    /** @type {(numbers: Float64Array, shape: number[]) => Nested} */
    const nest = (numbers, shape) => {
      if (!shape.length) return numbers[0];
      const step = numbers.length / shape[0] || 0;
      const part = (/** @type {number} */ i) => nest(numbers.subarray(i * step, (i + 1) * step), shape.slice(1));
      return Array.from({ length: shape[0] }, (_, i) => part(i));
    };
    return nest(this.flat(), this.shape);
  }

  /**
   * The same numbers in order, with other axes.
   *
   * @param {number[]} shape
   */
  reshape(shape) {
    if (sizeOf(shape) !== this.size) throw new Error(`${text(this.shape)} cannot become ${text(shape)}`);
    return new NDArray(this.flat(), shape);
  }

  /**
   * The axes in another order: axis i of the result is axis `axes[i]` of this.
   *
   * @param {number[]} axes
   */
  permute(axes) {
    const picked = (/** @type {number[]} */ list) => axes.map((axis) => list[axis]);
    return new NDArray(this.data, picked(this.shape), picked(this.strides), this.offset);
  }

  /** The last two axes exchanged. */
  get T() {
    const last = this.rank - 1;
    return this.permute([...this.shape.keys()].map((axis) => (axis < last - 1 ? axis : 2 * last - 1 - axis)));
  }

  /**
   * Entries [start, stop) along an axis.
   *
   * @param {number} axis
   * @param {number} start
   * @param {number} stop
   */
  slice(axis, start, stop) {
    const shape = this.shape.with(axis, stop - start);
    return new NDArray(this.data, shape, this.strides, this.offset + start * this.strides[axis]);
  }

  /**
   * Axes of one entry repeated, and new axes before them, up to this shape.
   *
   * @param {number[]} shape
   */
  expand(shape) {
    const added = shape.length - this.rank;
    const strides = shape.map((n, axis) => {
      const own = this.shape[axis - added] ?? 1;
      if (own !== n && own !== 1) throw new Error(`${text(this.shape)} cannot be spread to ${text(shape)}`);
      return own === n && axis >= added ? this.strides[axis - added] : 0;
    });
    if (added < 0) throw new Error(`${text(this.shape)} cannot be spread to ${text(shape)}`);
    return new NDArray(this.data, shape, strides, this.offset);
  }

  /** Whether the numbers lie in the order of the axes, without gaps. */
  #inOrder() {
    const wanted = rowStrides(this.shape);
    return this.shape.every((n, axis) => n === 1 || this.strides[axis] === wanted[axis]);
  }
}

/**
 * The shape that arrays of these shapes have together: an axis of one entry goes with any.
 *
 * @param {number[][]} shapes
 */
export function broadcastShape(...shapes) {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1).filter((n) => n !== 1);
    if (sizes.some((n) => n !== sizes[0])) throw new Error(`${shapes.map(text).join(" and ")} do not go together`);
    return sizes[0] ?? 1;
  });
}

/**
 * `f(a, b, c)` of each number of one to three arrays, which are broadcast.
 *
 * @param {(a: number, b: number, c: number) => number} f
 * @param {NDArray[]} inputs
 */
export function elementwise(f, ...inputs) {
  const shape = broadcastShape(...inputs.map((input) => input.shape));
  const [x, y = x, z = x] = inputs.map((input) => input.expand(shape));
  const out = new Float64Array(sizeOf(shape));
  const n = shape.at(-1) ?? 1;
  const [xStep, yStep, zStep] = [x, y, z].map((array) => array.strides.at(-1) ?? 0);
  const [xs, ys, zs] = [x.data, y.data, z.data];
  let place = 0;
  walk(shape.slice(0, -1), [x, y, z], ([i, j, k]) => {
    for (const end = place + n; place < end; place++, i += xStep, j += yStep, k += zStep) {
      out[place] = f(xs[i], ys[j], zs[k]);
    }
  });
  return new NDArray(out, shape);
}

/**
 * What `f` makes of each line of numbers along an axis.
 *
 * @param {(line: Float64Array, out: Float64Array) => void} f - fills `out` of `width` numbers
 * @param {NDArray} x
 * @param {number} axis
 * @param {number} [width] - how many numbers come of a line; by default as many as it has
 */
export function alongAxis(f, x, axis, width = x.shape[axis]) {
  const last = [...x.shape.keys()].filter((other) => other !== axis).concat(axis);
  const lines = x.permute(last);
  const [numbers, n] = [lines.flat(), x.shape[axis]];
  const out = new Float64Array((x.size / n) * width);
  for (let i = 0, j = 0; j < out.length; i += n, j += width) f(numbers.subarray(i, i + n), out.subarray(j, j + width));
  return new NDArray(out, lines.shape.with(-1, width)).permute([...last.keys()].map((to) => last.indexOf(to)));
}

/**
 * Arrays one after the other along an axis.
 *
 * @param {NDArray[]} arrays
 * @param {number} axis
 */
export function concatenate(arrays, axis) {
  const total = arrays.reduce((sum, x) => sum + x.shape[axis], 0);
  const shape = arrays[0].shape.with(axis, total);
  const out = new NDArray(new Float64Array(sizeOf(shape)), shape);
  let start = 0;
  for (const x of arrays) {
    copyInto(out.slice(axis, start, start + x.shape[axis]), x);
    start += x.shape[axis];
  }
  return out;
}

/**
 * A copy of x in which the block of these ranges, one [start, stop) for each axis, is another.
 *
 * @param {NDArray} x
 * @param {[number, number][]} ranges
 * @param {NDArray} block
 */
export function replaced(x, ranges, block) {
  const copy = new NDArray(x.flat().slice(), x.shape);
  copyInto(
    ranges.reduce((window, [start, stop], axis) => window.slice(axis, start, stop), copy),
    block,
  );
  return copy;
}

/**
 * Calls `visit` with the place in the data of each array, at each index of their first axes, which are of `shape`.
 *
 * @param {number[]} shape
 * @param {NDArray[]} arrays
 * @param {(places: number[]) => void} visit
 */
export function walk(shape, arrays, visit) {
  const places = arrays.map((array) => array.offset);
  const index = shape.map(() => 0);
  for (let left = sizeOf(shape); left > 0; left--) {
    visit(places);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const ends = ++index[axis] === shape[axis];
      const steps = ends ? 1 - shape[axis] : 1;
      for (let i = 0; i < arrays.length; i++) places[i] += steps * arrays[i].strides[axis];
      if (!ends) break;
      index[axis] = 0;
    }
  }
}

/** @type {Map<Nested, number>} */
const WORDS = new Map([
  ["inf", Infinity],
  ["-inf", -Infinity],
  ["nan", NaN],
]);

/**
 * A number of JSON, which has no infinities: they are written as "inf" and "-inf".
 *
 * @param {Nested} value
 */
export function numberOf(value) {
  return WORDS.get(value) ?? Number(value);
}

/**
 * How many numbers an array of this shape has.
 *
 * @param {number[]} shape
 */
export function sizeOf(shape) {
  return shape.reduce((size, n) => size * n, 1);
}

/** @param {number[]} shape */
function rowStrides(shape) {
  /** @type {number[]} */
  const strides = new Array(shape.length);
  for (let axis = shape.length - 1, step = 1; axis >= 0; step *= shape[axis--]) strides[axis] = step;
  return strides;
}

/**
 * @param {NDArray} target
 * @param {NDArray} source
 */
function copyInto(target, source) {
  const n = target.shape.at(-1) ?? 1;
  const [toStep, fromStep] = [target, source].map((array) => array.strides.at(-1) ?? 0);
  walk(target.shape.slice(0, -1), [target, source], ([to, from]) => {
    for (let i = 0; i < n; i++, to += toStep, from += fromStep) target.data[to] = source.data[from];
  });
}

/** @param {number[]} shape */
function text(shape) {
  return `[${shape.join(", ")}]`;
}
