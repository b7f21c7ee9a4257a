/**
 * How one number of a step of an act came about: q, k, v -> similarities -> scaled -> biased -> masked -> weights ->
 * context, each from the step before it.
 *
 * @import { Cell, Explanation, Factor, Heads, Open, Place, Station, Term } from "./types.js"
 * @import { Reader } from "./reader.js"
 *
 * @typedef {Object} Asked
 * @property {Reader} reader
 * @property {Station} station of the act
 * @property {Heads} about
 * @property {string} path
 * @property {string} step
 * @property {number} head
 * @property {number} row
 * @property {number} column
 *
 * @typedef {Object} Comparison
 * @property {Reader} reader
 * @property {Float64Array} q of one query
 * @property {Float64Array} k of one key
 * @property {(i: number, name?: string) => Factor[]} factors of term i; `name` stands for what is made of k
 * @property {Record<string, string>} weights of the score, by the letters of scores.py
 */
import { labelled, number } from "./dom.js";
import { summed } from "./reader.js";

/**
 * One number of a step of an act.
 *
 * @param {Reader} reader
 * @param {Station} station
 * @param {Open} open
 * @param {Cell} cell
 * @returns {Promise<Explanation>}
 */
export async function ofStep(reader, station, open, [row, column]) {
  const { path, head = 0 } = open;
  const step = open.step || "weights";
  return STEPS[step]({ reader, station, about: reader.doc.heads[path], path, step, head, row, column });
}

/** @type {Record<string, (asked: Asked) => Promise<Explanation>>} */
const STEPS = {
  q: projected,
  k: projected,
  v: projected,
  similarities: similarity,

  async scaled({ about, ...asked }) {
    const x = await numberOf(asked, "similarities");
    const from = placeOf(asked, "similarities");
    return {
      formula: "similarity · scale",
      terms: [{ label: "similarity", a: x, b: about.scale, product: x * about.scale, from }],
      total: x * about.scale,
      sum: "product",
    };
  },

  async biased(asked) {
    const [x, y] = await Promise.all([numberOf(asked, "scaled"), numberOf(asked, "biased")]);
    const scaled = { label: "scaled", product: x, from: placeOf(asked, "scaled") };
    return { formula: "scaled + bias", ...summed([scaled, { label: "bias, by distance", product: y - x }]) };
  },

  async masked({ about, ...asked }) {
    const [x, y] = await Promise.all([numberOf(asked, "biased"), numberOf(asked, "masked")]);
    const [before, mask] = [about.biased ? "biased" : "scaled", y === -Infinity ? -Infinity : 0];
    return {
      formula: `${before} + mask: 0 where it may look, −∞ where it may not`,
      terms: [
        { label: before, product: x, from: placeOf(asked, before) },
        { label: "mask", product: mask },
      ],
      total: mask === 0 ? x : mask,
      sum: "sum",
    };
  },

  async weights({ reader, station, path, head, row, column }) {
    const m = await reader.step(path, "masked", head, [row, row + 1]);
    const most = m.reduce((a, b) => Math.max(a, b), -Infinity);
    const powers = Array.from(m, (x) => (x === -Infinity ? 0 : Math.exp(x - most)));
    const all = powers.reduce((a, b) => a + b, 0);
    const columns = labelled(reader.doc, station.columns, m.length);
    /** @type {(p: number, c: number) => Term} */
    const term = (p, c) => ({
      label: columns[c],
      a: m[c],
      product: p,
      from: { path, step: "masked", head, cell: [row, c] },
      own: c === column,
    });
    return {
      formula: `e^masked of “${columns[column]}” over the sum of e^masked of the whole row (the largest is taken off first)`,
      terms: powers.map(term),
      total: all ? powers[column] / all : 0,
      sum: `${number(powers[column], 7)} / ${number(all, 7)}`,
    };
  },

  async context({ reader, station, path, head, row, column }) {
    const [w, v] = await Promise.all([
      reader.step(path, "weights", head, [row, row + 1]),
      reader.step(path, "v", head, null, [column, column + 1]),
    ]);
    const from = held(reader, path, "v", head);
    const rows = labelled(reader.doc, station.rows, station.shape[1]);
    const columns = labelled(reader.doc, station.columns, w.length);
    /** @type {(c: number) => Factor[]} */
    const factors = (c) => [
      { label: "weight", from: { path, step: "weights", head, cell: [row, c] } },
      { label: `v[${column}]`, from: { ...from, cell: [c, column] } },
    ];
    const terms = Array.from(w, (x, c) => ({
      label: `${columns[c]}: `,
      factors: factors(c),
      a: x,
      b: v[c],
      product: x * v[c],
    }));
    return { formula: `weights of “${rows[row]}” · number ${column} of every value`, ...summed(terms) };
  },
};

/** @type {(asked: Pick<Asked, "path" | "head" | "row" | "column">, step: string) => Place} */
const placeOf = ({ path, head, row, column }, step) => ({ path, step, head, cell: [row, column] });

/**
 * The same place's number in another step.
 *
 * @param {Pick<Asked, "reader" | "path" | "head" | "row" | "column">} asked
 * @param {string} step
 */
async function numberOf({ reader, path, head, row, column }, step) {
  return (await reader.step(path, step, head, [row, row + 1], [column, column + 1]))[0];
}

/**
 * What an act holds in the place of what was projected.
 *
 * @param {Asked} asked
 * @returns {Promise<Explanation>}
 */
async function projected({ reader, about, path, step, head, row, column }) {
  const before = reader.station(path.replace(/attention$/, step));
  const kv = step === "q" ? head : Math.floor(head / (about.shape[0] / before.shape[0]));
  const [x] = await reader.read({ kind: "values", path: before.path, head: kv, rows: [row, row + 1] });
  const own = (await reader.step(path, step, head, [row, row + 1]))[column];
  const same = Math.abs(x[column] - own) <= 1e-6 * Math.max(1, Math.abs(own));
  const changed =
    step === "v"
      ? "mixed with the first block's values, or changed by you"
      : `turned by the token's position, ${row} (rotary positions), or changed by you`;
  return {
    formula: step === "v" ? "v, mixed with the first block's" : `${step}, turned by position`,
    terms: [{ label: before.title, product: x[column], from: { path: before.path, head: kv, cell: [row, column] } }],
    total: same ? x[column] : null,
    sum: "the same",
    note: same ? null : changed,
  };
}

/**
 * Where the q, k or v of an act's head is shown: in the act if it was changed on its way there, else as it was
 * projected.
 *
 * @param {Reader} reader
 * @param {string} path
 * @param {"q" | "k" | "v"} name
 * @param {number} head
 */
function held(reader, path, name, head) {
  const { placed, shape } = reader.doc.heads[path];
  if (placed.includes(name)) return { path, step: name, head };
  const projected = reader.station(path.replace(/attention$/, name));
  return { path: projected.path, step: "", head: Math.floor(head / (shape[0] / projected.shape[0])) };
}

/**
 * How alike a query and a key are.
 *
 * @param {Asked} asked
 * @returns {Promise<Explanation>}
 */
async function similarity({ reader, station, about, path, head, row, column }) {
  const [q, k] = await Promise.all([
    reader.step(path, "q", head, [row, row + 1]),
    reader.step(path, "k", head, [column, column + 1]),
  ]);
  const from = { q: held(reader, path, "q", head), k: held(reader, path, "k", head) };
  /** @type {Comparison["factors"]} */
  const factors = (i, name) => [
    { label: `q[${i}]`, from: { ...from.q, cell: [row, i] } },
    name ? { label: name } : { label: `k[${i}]`, from: { ...from.k, cell: [column, i] } },
  ];
  const make = SCORES[about.score] ?? SCORES.dot;
  return make({ reader, q, k, factors, weights: station.formula?.weights ?? {} });
}

/**
 * How a query and a key are compared, term by term.
 *
 * @type {Record<string, (comparison: Comparison) => Promise<Explanation>>}
 */
const SCORES = {
  dot: productOf,
  scaleddot: productOf,

  async cosine({ q, k, factors }) {
    const length = (/** @type {Float64Array} */ x) => Math.max(Math.hypot(...x), 1e-12);
    const [long, wide] = [length(q), length(k)];
    const terms = Array.from(q, (x, i) => ({
      label: "",
      factors: factors(i),
      a: x,
      b: k[i],
      product: (x * k[i]) / (long * wide),
    }));
    return {
      formula: `q · k / (|q| |k|): |q| = ${long.toPrecision(5)}, |k| = ${wide.toPrecision(5)}`,
      ...summed(terms),
    };
  },

  async bilinear({ reader, q, k, factors, weights: { W } }) {
    if (!W) return without("q W k");
    const turned = times(k, await reader.weight(W), 1, k.length);
    const terms = Array.from(q, (x, i) => ({
      label: "",
      factors: factors(i, `(W k)[${i}]`),
      a: x,
      b: turned[i],
      product: x * turned[i],
    }));
    return { formula: "q W k: q times what the score's matrix makes of k", ...summed(terms) };
  },

  async additive({ reader, q, k, factors, weights: { v, W_q, W_k } }) {
    if (!v) return without("v · tanh(W_q q + W_k k)");
    const scale = await reader.weight(v);
    const n = scale.length;
    const [asks, asked] = W_q
      ? [times(q, await reader.weight(W_q), n, 1), times(k, await reader.weight(W_k), n, 1)]
      : [q, k];
    const terms = Array.from(scale, (x, i) => {
      const bend = Math.tanh(asks[i] + asked[i]);
      const sum = `${number(asks[i], 3)} ${asked[i] < 0 ? "−" : "+"} ${number(Math.abs(asked[i]), 3)}`;
      return {
        label: `v[${i}] · tanh(${sum})`,
        a: x,
        b: bend,
        product: x * bend,
        from: W_q ? null : factors(i)[0].from,
      };
    });
    return {
      formula: W_q
        ? "v · tanh(W_q q + W_k k): a small network compares them"
        : "v · tanh(q + k): a small network compares them",
      ...summed(terms),
    };
  },
};

/**
 * @param {Comparison} comparison
 * @returns {Promise<Explanation>}
 */
async function productOf({ q, k, factors }) {
  const terms = Array.from(q, (x, i) => ({ label: "", factors: factors(i), a: x, b: k[i], product: x * k[i] }));
  return { formula: "q · k: the sum of the products", ...summed(terms) };
}

/**
 * What is left to say of a score whose weights are not named.
 *
 * @type {(formula: string) => Explanation}
 */
const without = (formula) => ({
  formula,
  terms: [],
  total: null,
  note: "the score has weights of its own, which this trace does not name",
});

/**
 * What a matrix makes of x: output o is the sum of x[i] · w[i * along + o * across].
 *
 * @param {Float64Array} x
 * @param {Float64Array} w
 * @param {number} along
 * @param {number} across
 */
function times(x, w, along, across) {
  return Float64Array.from({ length: w.length / x.length }, (_, o) =>
    x.reduce((sum, xi, i) => sum + xi * w[i * along + o * across], 0),
  );
}
