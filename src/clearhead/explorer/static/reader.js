/**
 * What explanations are made of: numbers that are read, and their sum.
 *
 * @import { Doc, Host, Made, Question, Span, Term, WantNumbers } from "./types.js"
 *
 * @typedef {Made & {total: number}} Sum
 */
import { stationOf } from "./stations.js";

/** Reads rows and single numbers of the page's question. */
export class Reader {
  /** @param {{host: Host, question: Question, doc: Doc}} page */
  constructor({ host, question, doc }) {
    this.host = host;
    this.question = question;
    this.doc = doc;
  }

  /** @param {string} path */
  station(path) {
    return stationOf(this.doc, path);
  }

  /** @param {WantNumbers[]} wants */
  async want(...wants) {
    return (await this.host.values(this.question, wants)).map(({ data }) => Float64Array.from(data));
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
    if (shape.length < 3) return (await this.want({ path, rows }))[0];
    const parts = await this.want(...Array.from({ length: shape[0] }, (_, head) => ({ path, head, rows })));
    return Float64Array.from(parts.flatMap((part) => [...part]));
  }

  /**
   * Numbers of one of the model's tensors.
   *
   * @param {string} path
   * @param {Span | null} [rows]
   * @param {Span | null} [columns]
   */
  async weight(path, rows = null, columns = null) {
    return (await this.want({ path, kind: "weight", rows, columns }))[0];
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
    return (await this.want({ path, step, head, rows, columns }))[0];
  }
}

/** @type {(terms: Term[]) => Sum} */
export const summed = (terms) => ({ terms, total: terms.reduce((sum, term) => sum + term.product, 0), sum: "sum" });
