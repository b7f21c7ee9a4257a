/**
 * The residual stream taken apart, for pages that hold the model: what each part adds to a logit, and what would be
 * written if the model ended after a block. The same as `clearhead.insight.contributions` and `explorer/document.py`
 * say.
 *
 *     logit = W_t . (g * (x - mean(x)) / size + b),    x = embeddings + what every head and feed-forward network adds
 *
 * The way through the stream stands in the formulas of the stations: a sum is followed to both of its sides.
 *
 * @import { Contribution, FormulaOfKind, NormOptions } from "./types.js"
 * @import { Run } from "./run.js"
 *
 * @typedef {Omit<Contribution, "value"> & {x: Float64Array}} Part a vector that is added to the stream
 */
import { NDArray } from "./arrays.js";
import { matmul } from "./matmul.js";

const ROUNDING = 1e-6; // of the largest term: an edit of the stream breaks the sum by more

/** Reads one run: a row of what was seen, and rows of the model's tensors. */
export class Stream {
  /**
   * @param {Run} run
   * @param {(name: string) => NDArray} weight
   */
  constructor(run, weight) {
    this.run = run;
    this.weight = weight;
  }

  /** @param {string} name */
  vector(name) {
    return Float64Array.from(this.weight(name).flat());
  }

  /** @param {string} path */
  formula(path) {
    return this.run.stations.get(path)?.formula;
  }

  /** How the logits are read off the stream; null where they are not. */
  head() {
    const formula = this.formula("logits");
    return formula?.kind === "linear" ? formula : null;
  }

  /**
   * What each part adds to the logit of `token` after the token at `row`; empty where it is not such a sum.
   *
   * @param {number} row
   * @param {number} token
   * @returns {Contribution[]}
   */
  contributions(row, token) {
    const head = this.head();
    const norm = head && this.formula(head.of[0]);
    if (!head || norm?.kind !== "norm" || head.options.cap) return [];
    const parts = this.added(norm.of[0]);
    if (!parts) return [];
    const w = this.weight(head.weights.W)
      .slice(0, token, token + 1)
      .flat();
    const { size, centre } = measured(this.run.row(norm.of[0], row), norm.options);
    const g = this.vector(norm.options.weight).map((x, i) => x * w[i] * (head.options.scale ?? 1));
    const found = parts
      .flatMap((part) => this.terms(part, row))
      .map(({ x, ...one }) => ({ ...one, value: dot(centre(x), g) / size }));
    const { bias } = norm.options;
    if (bias)
      found.push({ name: "the last norm's bias", path: head.of[0], head: null, value: dot(this.vector(bias), w) });
    const sum = found.reduce((all, one) => all + one.value, 0);
    const most = found.reduce((all, one) => Math.max(all, Math.abs(one.value)), 1);
    return Math.abs(sum - this.run.row("logits", row)[token]) <= ROUNDING * most ? found : [];
  }

  /**
   * The paths whose values were added up to this one, in the order of the pass; null where it is not a plain sum.
   *
   * @param {string} path
   * @returns {string[] | null}
   */
  added(path) {
    if (this.run.station(path).block === null) return [path];
    const formula = this.formula(path);
    const before = formula?.kind === "sum" || formula?.kind === "copy" ? this.added(formula.of[0]) : null;
    return before && [...before, ...(formula?.of.slice(1) ?? [])];
  }

  /**
   * The vectors that one part adds: of an attention, one a head.
   *
   * @param {string} path
   * @param {number} row
   * @returns {Part[]}
   */
  terms(path, row) {
    const { block, part, formula } = this.run.station(path);
    const name = block === null ? "the embeddings" : `block ${block}, ${part.replace("_", "-")}`;
    const { of = [], weights = {} } = formula ?? {};
    if (!weights.W || !this.run.station(of[0]).axes.includes("heads"))
      return [{ name, path, head: null, x: this.run.row(path, row) }];
    const [context, matrix] = [this.run.tensor(of[0]), this.weight(weights.W)];
    const [heads, , width] = context.shape;
    /** @type {Part[]} */
    const found = Array.from({ length: heads }, (_, head) => {
      const own = context
        .slice(0, head, head + 1)
        .slice(1, row, row + 1)
        .reshape([1, width]);
      const x = matmul(own, matrix.slice(1, head * width, (head + 1) * width).T).flat();
      return { name: `${name}, head ${head}`, path: this.formula(of[0])?.of[0] ?? of[0], head, x };
    });
    return weights.b ? [...found, { name: `${name}, bias`, path, head: null, x: this.vector(weights.b) }] : found;
  }

  /**
   * For the embeddings and each block: its path, and the logits if the model ended there.
   *
   * @param {number} row
   */
  lens(row) {
    const head = this.head();
    const norm = head && this.formula(head.of[0]);
    const streams = [...this.run.stations.keys()].filter((path) => /^decoder\..*resid_out$/.test(path));
    if (!head || !streams.length) return [];
    const w = this.weight(head.weights.W);
    const { cap, scale = 1 } = head.options;
    return ["decoder.embedded", ...streams].map((path) => {
      const stream = this.run.row(path, row);
      const x = norm?.kind === "norm" ? this.normed(stream, norm) : stream;
      const logits = matmul(new NDArray(x, [1, x.length]), w.T)
        .flat()
        .map((z) => scale * z);
      return { path, logits: cap ? logits.map((z) => cap * Math.tanh(z / cap)) : logits };
    });
  }

  /**
   * @param {Float64Array} x
   * @param {FormulaOfKind<"norm">} formula
   */
  normed(x, { options }) {
    const { size, centre } = measured(x, options);
    const [g, b] = [this.vector(options.weight), options.bias ? this.vector(options.bias) : null];
    return centre(x).map((a, i) => (a / size) * g[i] + (b ? b[i] : 0));
  }
}

/**
 * The size that a norm divides x by, and what it takes off.
 *
 * @param {Float64Array} x
 * @param {NormOptions} options
 */
function measured(x, { norm, eps }) {
  const mean = (/** @type {Float64Array} */ y) => y.reduce((sum, a) => sum + a, 0) / y.length;
  /** @type {(y: Float64Array) => Float64Array} */
  const centre =
    norm === "layer"
      ? (y) => {
          const middle = mean(y);
          return y.map((a) => a - middle);
        }
      : (y) => y;
  return { centre, size: Math.sqrt(mean(centre(x).map((a) => a * a)) + (eps ?? 0)) };
}

/** @type {(a: Float64Array, b: Float64Array) => number} */
const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
