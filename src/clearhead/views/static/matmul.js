/**
 * Products of matrices, and of batches of them.
 *
 * Numbers are read in the order in which they lie: where the columns of y are runs of numbers (a weight [out, in] that is
 * used turned), each entry is a dot product; where its rows are, each row of the result is a sum of them.
 */

import { NDArray, broadcastShape, sizeOf, walk } from "./arrays.js";

/** x [..., n, k] times y [..., k, m]; the axes before these are broadcast. */
export function matmul(x, y) {
  const [[n, k], [rows, m]] = [x.shape.slice(-2), y.shape.slice(-2)];
  if (k !== rows) throw new Error(`a product of [${x.shape.join(", ")}] and [${y.shape.join(", ")}] does not exist`);
  const batch = broadcastShape(x.shape.slice(0, -2), y.shape.slice(0, -2));
  const columns = y.strides.at(-2) === 1;
  const a = inRows(x).expand([...batch, n, k]);
  const b = (columns ? y : inRows(y)).expand([...batch, k, m]);
  const out = new Float64Array(sizeOf(batch) * n * m);
  const multiply = columns ? dots : sumsOfRows;
  let start = 0;
  walk(batch, [a, b], ([i, j]) => {
    multiply(a.data, i, a.strides.at(-2), b.data, j, b.strides.at(columns ? -1 : -2), out.subarray(start, start + n * m), n, k, m);
    start += n * m;
  });
  return new NDArray(out, [...batch, n, m]);
}

/** The array itself if its last axis is a run of numbers, else a copy that is. */
function inRows(x) {
  return x.strides.at(-1) === 1 ? x : new NDArray(x.flat(), x.shape);
}

/** out[i, j] = row i of a . column j of b; four rows go abreast, so that a column is read once for all of them. */
function dots(a, aStart, aStep, b, bStart, bStep, out, n, k, m) {
  for (let j = 0; j < m; j++) {
    const column = bStart + j * bStep;
    let i = 0;
    for (; i + 4 <= n; i += 4) {
      const row0 = aStart + i * aStep;
      const [row1, row2, row3] = [row0 + aStep, row0 + 2 * aStep, row0 + 3 * aStep];
      let [sum0, sum1, sum2, sum3] = [0, 0, 0, 0];
      for (let p = 0; p < k; p++) {
        const y = b[column + p];
        sum0 += a[row0 + p] * y;
        sum1 += a[row1 + p] * y;
        sum2 += a[row2 + p] * y;
        sum3 += a[row3 + p] * y;
      }
      out[i * m + j] = sum0;
      out[(i + 1) * m + j] = sum1;
      out[(i + 2) * m + j] = sum2;
      out[(i + 3) * m + j] = sum3;
    }
    for (; i < n; i++) {
      const row = aStart + i * aStep;
      let sum = 0;
      for (let p = 0; p < k; p++) sum += a[row + p] * b[column + p];
      out[i * m + j] = sum;
    }
  }
}

/** out[i] = the sum of a[i, p] * row p of b. */
function sumsOfRows(a, aStart, aStep, b, bStart, bStep, out, n, k, m) {
  for (let i = 0; i < n; i++) {
    for (let p = 0; p < k; p++) {
      const factor = a[aStart + i * aStep + p];
      const row = bStart + p * bStep;
      for (let j = 0, place = i * m; j < m; j++, place++) out[place] += factor * b[row + j];
    }
  }
}
