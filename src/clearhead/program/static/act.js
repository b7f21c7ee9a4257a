/**
 * One act of attention in the words of the textbook, for pages that have its q, k and v and not the whole program.
 *
 *     similarities -> scaled -> biased -> masked -> weights -> context
 *     context = softmax(scale * sim(q, k) + bias, where the mask allows) v        (Vaswani et al., 2017)
 *
 * Axes: batch, heads (of queries), kv_heads (heads = groups * kv_heads), queries, keys, head_dim, v_head_dim. Each step
 * takes rows [start, stop) of queries, and computes only these.
 *
 * @typedef {"q" | "k" | "v" | "similarities" | "scaled" | "biased" | "masked" | "weights" | "context"} Step
 * @typedef {NDArray | import("./arrays.js").Nested} Numbers
 * @typedef {{name: string, scale?: number} & {[parameter: string]: Numbers | undefined}} Score see SIMILARITIES
 * @typedef {(q: NDArray, k: NDArray, score: Score) => NDArray} Compare
 * @typedef {import("./edits.js").Edit} Edit
 * @typedef {readonly [start: number, stop: number]} Rows
 */

import { NDArray, alongAxis, elementwise } from "./arrays.js";
import { EditError, applied, touches } from "./edits.js";
import { matmul } from "./matmul.js";
import { fillSoftmax, norm } from "./operations.js";

/** @type {readonly string[]} */
export const STEPS = ["q", "k", "v", "similarities", "scaled", "biased", "masked", "weights", "context"];

/**
 * How a query and a key are compared: (q, k, score) -> [batch, heads, queries, keys], unscaled.
 *
 *     dot, scaleddot   q . k
 *     cosine           q . k / (|q| |k|)
 *     bilinear         q W k                     W: `weight`
 *     additive         v . tanh(W_q q + W_k k)   `v_weight`, `q_weight`, `k_weight`; without W, q and k come projected
 *
 * @type {Record<string, Compare>}
 */
const SIMILARITIES = {
  dot: (q, k) => byGroup(q, k.T),
  scaleddot: (q, k) => byGroup(q, k.T),
  cosine: (q, k) => byGroup(normalized(q), normalized(k).T),
  bilinear: (q, k, { weight }) => byGroup(matmul(q, asArray(weight)), k.T),
  additive: (q, k, { q_weight, k_weight, v_weight }) => {
    if (q_weight) [q, k] = [matmul(q, asArray(q_weight)), matmul(k, asArray(k_weight))];
    return additive(q, k, asArray(v_weight));
  },
};

export class Act {
  /**
   * @param {Object} act - arrays, or nested lists of numbers
   * @param {Numbers} act.q - [batch, heads, queries, q_dim]
   * @param {Numbers} act.k - [batch, kv_heads, keys, k_dim]
   * @param {Numbers} act.v - [batch, kv_heads, keys, v_dim]
   * @param {Numbers | null} [act.mask] - true = may look; broadcastable to [batch, heads, queries, keys]
   * @param {Numbers | null} [act.bias] - what is added to the scaled similarities; broadcastable likewise
   * @param {Score} act.score - its name, its scale and its parameters
   * @param {number} [act.start] - which row of the whole text the first query is
   * @param {Edit[]} [act.edits] - of its steps; those of q, k and v are in these already
   */
  constructor({ q, k, v, mask = null, bias = null, score, start = 0, edits = [] }) {
    const compare = SIMILARITIES[score.name.toLowerCase()];
    if (!compare) throw new Error(`score "${score.name}" is not one of ${Object.keys(SIMILARITIES).join(", ")}`);
    this.q = asArray(q);
    this.k = asArray(k);
    this.v = asArray(v);
    this.mask = mask === null ? null : asArray(mask);
    this.bias = bias === null ? null : asArray(bias);
    this.score = score;
    this.start = start;
    this.edits = edits;
    this.compare = compare;
  }

  /** [batch, heads, queries, keys]: the shape of the weights. */
  get shape() {
    return [...this.q.shape.slice(0, 3), this.k.shape[2]];
  }

  /**
   * The act with further edits: of q, k and v at once, of its steps whenever they are derived.
   *
   * @param {Edit[]} edits
   */
  edited(edits) {
    const { q, k, v } = this;
    /** @type {Record<string, NDArray>} */
    const held = { q, k, v };
    const ours = edits.filter((edit) => this.#touches(edit));
    for (const edit of ours) {
      const first = edit.step === "q" ? this.start : 0;
      if (edit.step && edit.step in held) held[edit.step] = applied(edit, held[edit.step], first);
    }
    return new Act({ ...this, ...held, edits: [...this.edits, ...ours] });
  }

  /**
   * One step by its name; of k and v the rows are those of the keys.
   *
   * @param {string} name
   * @param {Rows} [rows]
   * @returns {NDArray}
   */
  step(name, rows) {
    mustBeStep(name);
    const step = this[name];
    return typeof step === "function" ? step.call(this, rows) : rowsIn(step, rows);
  }

  /**
   * How alike each query and each key are, before any scaling.
   *
   * @param {Rows} [rows]
   */
  similarities(rows) {
    return this.#step("similarities", this.compare(rowsIn(this.q, rows), this.k, this.score), rows);
  }

  /**
   * The similarities times the score's scale.
   *
   * @param {Rows} [rows]
   */
  scaled(rows) {
    const { scale = 1 } = this.score;
    return this.#step(
      "scaled",
      elementwise((a) => a * scale, this.similarities(rows)),
      rows,
    );
  }

  /**
   * The scaled similarities plus the bias.
   *
   * @param {Rows} [rows]
   */
  biased(rows) {
    const x = this.scaled(rows);
    return this.#step("biased", this.bias ? elementwise((a, b) => a + b, x, rowsIn(this.bias, rows)) : x, rows);
  }

  /**
   * The biased similarities, -inf where a query may not look.
   *
   * @param {Rows} [rows]
   */
  masked(rows) {
    const x = this.biased(rows);
    const fill = (/** @type {number} */ a, /** @type {number} */ allowed) => (allowed ? a : -Infinity);
    return this.#step("masked", this.mask ? elementwise(fill, x, rowsIn(this.mask, rows)) : x, rows);
  }

  /**
   * The softmax of the masked similarities: each row sums to 1, or is all 0 if it may look nowhere.
   *
   * @param {Rows} [rows]
   */
  weights(rows) {
    return this.#step("weights", alongAxis(weigh, this.masked(rows), 3), rows);
  }

  /**
   * What each query takes home: the values averaged by its weights.
   *
   * @param {Rows} [rows]
   */
  context(rows) {
    return this.#step("context", byGroup(this.weights(rows), this.v), rows);
  }

  /** @param {Edit} edit */
  #touches(edit) {
    mustBeStep(edit.step);
    /** @type {Record<string, number[]>} */
    const shapes = { q: this.q.shape, k: this.k.shape, v: this.v.shape, context: this.shape.with(3, this.v.shape[3]) };
    return touches(edit, shapes[edit.step] ?? this.shape, "kv".includes(edit.step) ? 0 : this.start);
  }

  /**
   * @param {Step} name
   * @param {NDArray} x
   * @param {Rows} [rows]
   */
  #step(name, x, rows) {
    const first = this.start + (rows?.[0] ?? 0);
    return this.edits.filter((edit) => edit.step === name).reduce((changed, edit) => applied(edit, changed, first), x);
  }
}

/**
 * @param {string | undefined} name
 * @returns {asserts name is Step}
 */
function mustBeStep(name) {
  if (name !== undefined && STEPS.includes(name)) return;
  throw new EditError(`an act of attention has no step "${name}"; its steps are ${STEPS.join(", ")}`);
}

/**
 * The softmax of a line, or zeros where nothing may be looked at.
 *
 * @param {Float64Array} line
 * @param {Float64Array} out
 */
function weigh(line, out) {
  if (line.some((a) => a !== -Infinity)) fillSoftmax(line, out);
}

/**
 * The product of x [batch, heads, rows, a] with y [batch, kv_heads, a, b].
 *
 * Each kv head serves its group of heads: the group's rows are laid one below the other.
 *
 * @param {NDArray} x
 * @param {NDArray} y
 */
function byGroup(x, y) {
  const [batch, heads, rows, width] = x.shape;
  const stacked = x.reshape([batch, y.shape[1], (heads / y.shape[1]) * rows, width]);
  return matmul(stacked, y).reshape([batch, heads, rows, y.shape[3]]);
}

/**
 * @param {NDArray} q
 * @param {NDArray} k
 * @param {NDArray} v
 */
function additive(q, k, v) {
  const [[batch, heads, queries, hidden], [, kvHeads, keys]] = [q.shape, k.shape];
  const group = heads / kvHeads;
  const asks = q.reshape([batch, kvHeads, group, queries, 1, hidden]);
  const asked = k.reshape([batch, kvHeads, 1, 1, keys, hidden]);
  const compared = elementwise((a, b) => Math.tanh(a + b), asks, asked);
  return matmul(compared, v).reshape([batch, heads, queries, keys]);
}

/**
 * Each vector over its length.
 *
 * @param {NDArray} x
 */
function normalized(x) {
  return elementwise((a, length) => a / Math.max(length, 1e-12), x, norm(x, x.rank - 1));
}

/**
 * Rows [start, stop) of the last axis but one, which may be one row for all.
 *
 * @param {NDArray} x
 * @param {Rows} [rows]
 */
function rowsIn(x, rows) {
  const axis = x.rank - 2;
  return rows && x.shape[axis] > 1 ? x.slice(axis, ...rows) : x;
}

/** @param {Numbers | undefined} x */
function asArray(x) {
  if (x === undefined) throw new Error("the score has not all of its parameters");
  return x instanceof NDArray ? x : NDArray.from(x);
}
