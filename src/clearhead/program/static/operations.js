/**
 * The operations of a program: what each word means.
 *
 * Each takes the arrays it is given and its parameters, and returns an array. First those that go number by number,
 * then those along an axis, then products and rearrangements. aten.py says which operations of PyTorch they stand for.
 */

import { NDArray, alongAxis, broadcastShape, concatenate, elementwise, sizeOf } from "./arrays.js";
import { matmul } from "./matmul.js";

/** @type {(f: (a: number, b: number, c: number) => number) => (inputs: NDArray[]) => NDArray} */
const each = (f) => (inputs) => elementwise(f, ...inputs);

/** @type {Record<string, (inputs: NDArray[], parameters: number[]) => NDArray>} */
export const OPERATIONS = {
  see: ([x]) => x,
  number: (_, [value]) => NDArray.from(value),

  add: each((a, b) => a + b),
  sub: each((a, b) => a - b),
  mul: each((a, b) => a * b),
  div: each((a, b) => a / b),
  maximum: each((a, b) => Math.max(a, b)),
  eq: each((a, b) => Number(a === b)),
  where: each((condition, a, b) => (condition ? a : b)),
  rsqrt: each((a) => 1 / Math.sqrt(a)),
  tanh: each((a) => Math.tanh(a)),
  sigmoid: each((a) => 1 / (1 + Math.exp(-a))),
  silu: each((a) => a / (1 + Math.exp(-a))),
  relu: each((a) => Math.max(0, a)),
  gelu: each((a) => 0.5 * a * (1 + erf(a * Math.SQRT1_2))),
  gelu_tanh: each((a) => 0.5 * a * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (a + 0.044715 * a ** 3)))),

  softmax: ([x], [axis]) => alongAxis(fillSoftmax, x, axis),
  all: ([x], [axis]) => reduced((line) => Number(line.every(Boolean)), x, axis),
  mean: ([x], [axis]) => reduced((line) => total(line) / line.length, x, axis),
  norm: ([x], [axis]) => norm(x, axis),
  layer_norm: ([x, weight, bias], [eps]) => elementwise((a, w, b) => a * w + b, standardized(x, eps), weight, bias),

  matmul: ([x, y]) => matmul(x, y),

  reshape: ([x], shape) => x.reshape(shape),
  expand: ([x], shape) => x.expand(shape),
  permute: ([x], axes) => x.permute(axes),
  slice: ([x], [axis, start, stop]) => x.slice(axis, start, stop),
  cat: (inputs, [axis]) => concatenate(inputs, axis),
  take: ([table, places]) => entries(table, [places]),
  index: ([x, ...places]) => entries(x, places),
};

/**
 * exp(x) over its sum, of a line that is first moved so that its largest number is 0.
 *
 * @param {Float64Array} line
 * @param {Float64Array} out
 */
export function fillSoftmax(line, out) {
  const highest = line.reduce((a, b) => Math.max(a, b));
  for (let i = 0; i < line.length; i++) out[i] = Math.exp(line[i] - highest);
  const sum = total(out);
  for (let i = 0; i < out.length; i++) out[i] /= sum;
}

/**
 * One number of each line along an axis, which keeps one entry.
 *
 * @param {(line: Float64Array) => number} f
 * @param {NDArray} x
 * @param {number} axis
 */
function reduced(f, x, axis) {
  const fill = (/** @type {Float64Array} */ line, /** @type {Float64Array} */ out) => {
    out[0] = f(line);
  };
  return alongAxis(fill, x, axis, 1);
}

/**
 * The length of each line along an axis, which keeps one entry.
 *
 * @param {NDArray} x
 * @param {number} axis
 */
export function norm(x, axis) {
  return reduced((line) => Math.sqrt(line.reduce((sum, a) => sum + a * a, 0)), x, axis);
}

/**
 * The lines of the last axis with mean 0 and variance 1 (Ba et al., 2016).
 *
 * @param {NDArray} x
 * @param {number} eps
 */
function standardized(x, eps) {
  const fill = (/** @type {Float64Array} */ line, /** @type {Float64Array} */ out) => {
    const mean = total(line) / line.length;
    const variance = line.reduce((sum, a) => sum + (a - mean) ** 2, 0) / line.length;
    const scale = 1 / Math.sqrt(variance + eps);
    for (let i = 0; i < line.length; i++) out[i] = (line[i] - mean) * scale;
  };
  return alongAxis(fill, x, x.rank - 1);
}

/**
 * x[places[0], places[1], ...]: entries of the first axes, by places that are broadcast.
 *
 * @param {NDArray} x
 * @param {NDArray[]} places
 */
function entries(x, places) {
  const shape = broadcastShape(...places.map((place) => place.shape));
  const at = places.map((place) => place.expand(shape).flat());
  const rest = x.shape.slice(places.length);
  const [numbers, width] = [x.flat(), sizeOf(rest)];
  const out = new Float64Array(sizeOf(shape) * width);
  for (let i = 0; i * width < out.length; i++) {
    const entry = at.reduce((entry, place, axis) => entry * x.shape[axis] + within(place[i], x.shape[axis]), 0);
    out.set(numbers.subarray(entry * width, (entry + 1) * width), i * width);
  }
  return new NDArray(out, [...shape, ...rest]);
}

/**
 * @param {number} place
 * @param {number} size
 */
function within(place, size) {
  if (!(place >= 0 && place < size)) throw new Error(`there is no entry ${place} among ${size}; they count from 0`);
  return place;
}

/** @param {Float64Array} line */
function total(line) {
  return line.reduce((sum, a) => sum + a, 0);
}

/**
 * The error function, to full precision: 2/sqrt(pi) exp(-x^2) (x + 2 x^3 / 3 + 4 x^5 / 15 + ...), all of one sign.
 *
 * @param {number} x
 */
export function erf(x) {
  if (Math.abs(x) > 6) return Math.sign(x); // 1 - erf(6) is below the smallest step from 1
  let [sum, term] = [0, x];
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    sum += term;
    term *= (2 * x * x) / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}
