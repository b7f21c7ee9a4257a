/**
 * What explanations are made of: numbers that are read, and their sum.
 *
 * @import { Doc, Made, Numbers, Span, Term, ValuesOf, WeightOf } from "./types.js"
 *
 * @typedef {Made & {total: number}} Sum
 */
import { stationOf } from "./stations.js";

/**
 * @typedef {{doc: Doc, answers(...questions: (ValuesOf | WeightOf)[]): Promise<Numbers[]>}} Source what is explained, and
 *   who answers
 */

/** Reads rows and single numbers of the page's pass. */
export class Reader {
  /** @param {Source} source */
  constructor(source) {
    this.source = source;
    this.doc = source.doc;
  }

  /** @param {string} path */
  station(path) {
    return stationOf(this.doc, path);
  }

  /** @param {(ValuesOf | WeightOf)[]} questions */
  async read(...questions) {
    return (await this.source.answers(...questions)).map(({ data }) => Float64Array.from(data));
  }

  /**
   * One row of a value; of one with heads, all heads' rows side by side.
   *
   * @param {string} path
   * @param {number} row
   * @returns {Promise<Float64Array>}
   */
  async row(path, row) {
    const { shape } = this.station(path);
    /** @type {Span} */
    const rows = [row, row + 1];
    if (shape.length < 3) return (await this.read({ kind: "values", path, rows }))[0];
    const heads = Array.from({ length: shape[0] }, (_, head) => head);
    const parts = await this.read(...heads.map((head) => /** @type {const} */ ({ kind: "values", path, head, rows })));
    return Float64Array.from(parts.flatMap((part) => [...part]));
  }

  /**
   * Numbers of one of the model's tensors.
   *
   * @param {string} name
   * @param {Span | null} [rows]
   * @param {Span | null} [columns]
   */
  async weight(name, rows = null, columns = null) {
    return (await this.read({ kind: "weight", name, rows, columns }))[0];
  }

  /**
   * Numbers of a step of an act.
   *
   * @param {string} path
   * @param {string} step
   * @param {number} head
   * @param {Span | null} [rows]
   * @param {Span | null} [columns]
   */
  async step(path, step, head, rows = null, columns = null) {
    return (await this.read({ kind: "values", path, step, head, rows, columns }))[0];
  }
}

/** @type {(terms: Term[]) => Sum} */
export const summed = (terms) => ({ terms, total: terms.reduce((sum, term) => sum + term.product, 0), sum: "sum" });
