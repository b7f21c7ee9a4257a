/**
 * Products of matrices, and of batches of them.
 *
 * Numbers are read in the order in which they lie: where the columns of y are runs of numbers (a weight [out, in] that
 * is used turned), each entry is a dot product; where its rows are, each row of the result is a sum of them.
 */

import { NDArray, broadcastShape, sizeOf, walk } from "./arrays.js";

/**
 * @typedef {{data: Float64Array, start: number, step: number}} Lines runs of numbers, `step` from one to the next
 * @typedef {(sizes: [n: number, k: number, m: number], x: Lines, y: Lines, out: Float64Array) => void} Multiply
 */

/**
 * x [..., n, k] times y [..., k, m]; the axes before these are broadcast.
 *
 * @param {NDArray} x
 * @param {NDArray} y
 */
export function matmul(x, y) {
  const [[n, k], [rows, m]] = [x.shape.slice(-2), y.shape.slice(-2)];
  if (k !== rows) throw new Error(`a product of [${x.shape.join(", ")}] and [${y.shape.join(", ")}] does not exist`);
  const batch = broadcastShape(x.shape.slice(0, -2), y.shape.slice(0, -2));
  const inColumns = y.strides.at(-2) === 1;
  const a = inRows(x).expand([...batch, n, k]);
  const b = (inColumns ? y : inRows(y)).expand([...batch, k, m]);
  const [aStep, bStep] = [a.strides[a.rank - 2], b.strides[b.rank - (inColumns ? 1 : 2)]];
  const multiply = inColumns ? dots : sumsOfRows;
  const out = new Float64Array(sizeOf(batch) * n * m);
  let done = 0;
  walk(batch, [a, b], ([aStart, bStart]) => {
    const lines = { data: a.data, start: aStart, step: aStep };
    const others = { data: b.data, start: bStart, step: bStep };
    multiply([n, k, m], lines, others, out.subarray(done, done + n * m));
    done += n * m;
  });
  return new NDArray(out, [...batch, n, m]);
}

/**
 * The array itself if its last axis is a run of numbers, else a copy that is.
 *
 * @param {NDArray} x
 */
function inRows(x) {
  return x.strides.at(-1) === 1 ? x : new NDArray(x.flat(), x.shape);
}

/**
 * out[i, j] = row i of x . column j of y; four rows go abreast, so that a column is read once for all of them.
 *
 * @type {Multiply}
 */
function dots([n, k, m], x, y, out) {
  const [a, b] = [x.data, y.data];
  for (let j = 0; j < m; j++) {
    const column = y.start + j * y.step;
    let i = 0;
    for (; i + 4 <= n; i += 4) {
      const row = x.start + i * x.step;
      const [row1, row2, row3] = [row + x.step, row + 2 * x.step, row + 3 * x.step];
      let [sum, sum1, sum2, sum3] = [0, 0, 0, 0];
      for (let p = 0; p < k; p++) {
        const factor = b[column + p];
        sum += a[row + p] * factor;
        sum1 += a[row1 + p] * factor;
        sum2 += a[row2 + p] * factor;
        sum3 += a[row3 + p] * factor;
      }
      [out[i * m + j], out[(i + 1) * m + j], out[(i + 2) * m + j], out[(i + 3) * m + j]] = [sum, sum1, sum2, sum3];
    }
    for (; i < n; i++) {
      const row = x.start + i * x.step;
      let sum = 0;
      for (let p = 0; p < k; p++) sum += a[row + p] * b[column + p];
      out[i * m + j] = sum;
    }
  }
}

/**
 * out[i] = the sum of x[i, p] * row p of y.
 *
 * @type {Multiply}
 */
function sumsOfRows([n, k, m], x, y, out) {
  const [a, b] = [x.data, y.data];
  for (let i = 0; i < n; i++) {
    for (let p = 0; p < k; p++) {
      const factor = a[x.start + i * x.step + p];
      const row = y.start + p * y.step;
      for (let j = 0, place = i * m; j < m; j++, place++) out[place] += factor * b[row + j];
    }
  }
}
