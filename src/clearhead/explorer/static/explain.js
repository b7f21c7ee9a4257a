/**
 * How one number came about: its formula, its operands with their numbers and where they stand, and the sum again.
 *
 * Every explanation computes its number anew from the operands; the page shows it beside the model's own.
 *
 * @import { Bend, Cell, Explanation, Factor, FormulaKind, FormulaOfKind, From, Made } from "./types.js"
 * @import { NormOptions, Open, Operand, Rows, Station, Term } from "./types.js"
 *
 * @import { Source, Sum } from "./reader.js"
 */

import { number } from "./dom.js";
import { ofStep } from "./explain-act.js";
import { erf } from "./operations.js";
import { Reader, summed } from "./reader.js";
import { stationOf } from "./stations.js";

/**
 * Functions that follow a sum.
 *
 * @type {Record<Bend, (x: number) => number>}
 */
const BENDS = {
  relu: (x) => Math.max(0, x),
  relu2: (x) => Math.max(0, x) ** 2,
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  "gelu-tanh": (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  silu: (x) => x / (1 + Math.exp(-x)),
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
};

/**
 * How a number came about.
 *
 * @param {Source} page
 * @param {Open} open
 * @param {Cell} cell
 * @returns {Promise<Explanation>}
 */
export async function explain(page, open, cell) {
  const station = stationOf(page.doc, open.path);
  const reader = new Reader(page);
  if (station.kind === "act") return ofStep(reader, station, open, cell);
  const formula = station.formula;
  if (!formula)
    return {
      formula: "",
      terms: [],
      total: null,
      note: "this trace does not know its model: its formulas are not known",
    };
  if (formula.kind === "act") return ofStep(reader, station, open, cell);
  const make = /** @type {(asked: Asked) => Promise<Made>} */ (KINDS[formula.kind]);
  const [row, column] = cell;
  return { formula: formula.text, ...(await make({ reader, station, open, row, column, formula })) };
}

/**
 * What an explanation is made of.
 *
 * @template {FormulaKind} [K=FormulaKind]
 * @typedef {Object} Asked
 * @property {Reader} reader
 * @property {Station} station
 * @property {Open} open
 * @property {number} row
 * @property {number} column
 * @property {FormulaOfKind<K>} formula
 */

/** @type {{[K in Exclude<FormulaKind, "act">]: (asked: Asked<K>) => Promise<Made>}} */
const KINDS = {
  async lookup({ reader, station, row, column, formula: { weights, options } }) {
    const label = station.rows;
    const token = reader.doc.token_ids[label][row];
    const whole = await reader.weight(weights.E, [token, token + 1]);
    /** @type {From} */
    const from = { weight: weights.E, cell: [token, column] };
    if (options.norm) return normed(reader, whole, column, options.norm, "the embedding");
    const terms = [
      {
        label: `row ${token} of the embedding matrix`,
        a: whole[column],
        b: options.scale,
        product: whole[column] * options.scale,
        from,
      },
    ];
    return { terms, total: whole[column] * options.scale, sum: "product" };
  },

  async positions({ reader, row, column, formula: { of, weights, options } }) {
    const place = row + (options.offset ?? 0);
    const [before, position] = [await reader.row(of[0], row), await reader.weight(weights.P, [place, place + 1])];
    return summed([
      { label: "token embedding", product: before[column], from: { path: of[0], cell: [row, column] } },
      { label: `position ${row}`, product: position[column], from: { weight: weights.P } },
    ]);
  },

  async copy({ reader, open, row, column, formula: { of } }) {
    const before = reader.station(of[0]);
    if (before.kind === "act") {
      const made = await ofStep(reader, before, { ...open, path: of[0], step: "context" }, [row, column]);
      return { sum: "sum", ...made };
    }
    const x = await reader.row(of[0], row);
    return summed([{ label: before.title, product: x[column], from: { path: of[0], cell: [row, column] } }]);
  },

  async mix({ reader, row, column, formula: { of, weights, options } }) {
    const [own, first, mix] = [
      await reader.row(of[0], row),
      await reader.row(of[1], row),
      await reader.weight(weights.mix, [options.row, options.row + 1]),
    ];
    return summed(
      [own, first].map((x, i) => ({
        label: ["own · what comes before", "shortcut · the embeddings"][i],
        a: x[column],
        b: mix[i],
        product: x[column] * mix[i],
        from: { path: of[i], cell: [row, column] },
      })),
    );
  },

  async sum({ reader, row, column, formula: { of } }) {
    const rows = await Promise.all(of.map((path) => reader.row(path, row)));
    return summed(
      rows.map((x, i) => ({
        label: reader.station(of[i]).title,
        product: x[column],
        from: { path: of[i], cell: [row, column] },
      })),
    );
  },

  async norm({ reader, row, column, formula: { of, options } }) {
    const rows = await Promise.all(of.map((path) => reader.row(path, row)));
    const x = Float64Array.from(rows[0], (_, i) => rows.reduce((sum, other) => sum + other[i], 0));
    return normed(reader, x, column, options, of.length > 1 ? "the sum" : "x", { path: of[0], cell: [row, column] });
  },

  async linear({ reader, station, open, row, column, formula }) {
    const { weights, options } = formula;
    const x = await operands(reader, formula, row);
    const [width] = station.shape.slice(-1);
    const first = (options.stacked ? row : station.shape.length > 2 ? (open.head ?? 0) : 0) * width;
    if (!weights.W)
      return summed([{ label: "the same number", product: x[first + column].x, from: x[first + column].from }]);
    const { then } = options;
    if (then && then !== "tanh") {
      const w = await reader.weight(weights.W, [first, first + width]);
      const b = weights.b ? await reader.weight(weights.b) : null;
      const made = Float64Array.from({ length: width }, (_, o) =>
        x.reduce((sum, one, i) => sum + one.x * w[o * x.length + i], b ? b[first + o] : 0),
      );
      return normed(reader, made, column, then, "x W");
    }
    const found = summed(await products(reader, x, weights, first + column));
    if (then) return bent(found, "tanh");
    if (options.cap)
      return {
        ...found,
        total: options.cap * Math.tanh(found.total / options.cap),
        sum: `${options.cap} · tanh(sum / ${options.cap})`,
      };
    if (options.scale)
      return { ...found, total: options.scale * found.total, sum: `${options.scale.toPrecision(4)} · sum` };
    return found;
  },

  async hidden({ reader, row, column, formula: { of, weights, options } }) {
    const x = await operands(reader, { of, options: {} }, row);
    const found = summed(await products(reader, x, weights, column));
    if (!options.gated) return bent(found, options.activation);
    const gate = summed(await products(reader, x, { W: weights.W_gate, b: weights.b_gate }, column));
    return {
      ...found,
      total: BENDS[options.activation](gate.total) * found.total,
      sum: `${options.activation}(${gate.total.toPrecision(5)}, the gate) · sum`,
    };
  },

  /** A gate of a recurrent network, or its candidate. */
  async gate({ reader, station, row, column, formula: { of, weights, options } }) {
    const entry = options.part * station.shape[station.shape.length - 1] + column;
    const read = (/** @type {number} */ start, /** @type {number} */ stop) =>
      operands(reader, { of: of.slice(start, stop), options: { rows: options.rows.slice(start, stop) } }, row);
    const last = of.length - 1;
    const [x, state] = [await read(0, last), await read(last, of.length)];
    const given = await products(reader, x, weights, entry);
    const own = await products(reader, state, { W: weights.U, b: weights.c }, entry, ["h", "U", "c"]);
    if (!options.reset) return bent(summed([...given, ...own]), options.activation);
    const reset = (await operand(reader, options.reset, {}, row))[column];
    const weighed = own.map((term) => ({ ...term, label: `reset · ${term.label}`, product: reset.x * term.product }));
    return bent(summed([...given, ...weighed]), options.activation, `reset = ${reset.x.toPrecision(5)}: `);
  },

  /** What an LSTM's cell keeps, and what comes in. */
  async cell({ reader, row, column, formula }) {
    const [forget, before, input, candidate] = await ofEach(reader, formula, row, column);
    return summed([
      {
        label: "",
        factors: [named("forget gate", forget), named("cell before", before)],
        a: forget.x,
        b: before.x,
        product: forget.x * before.x,
      },
      {
        label: "",
        factors: [named("input gate", input), named("candidate", candidate)],
        a: input.x,
        b: candidate.x,
        product: input.x * candidate.x,
      },
    ]);
  },

  /** What an LSTM gives out of its cell. */
  async state({ reader, row, column, formula }) {
    const [output, cell] = await ofEach(reader, formula, row, column);
    const bend = Math.tanh(cell.x);
    return {
      terms: [
        { label: "output gate", product: output.x, from: output.from },
        { label: "tanh(cell)", a: cell.x, product: bend, from: cell.from },
      ],
      total: output.x * bend,
      sum: "product",
    };
  },

  /** A GRU's state: some of the one before, some of the candidate. */
  async blend({ reader, row, column, formula }) {
    const [update, candidate, before] = await ofEach(reader, formula, row, column);
    return summed([
      {
        label: "",
        factors: [named("(1 − update gate)", update), named("candidate", candidate)],
        a: 1 - update.x,
        b: candidate.x,
        product: (1 - update.x) * candidate.x,
      },
      {
        label: "",
        factors: [named("update gate", update), named("state before", before)],
        a: update.x,
        b: before.x,
        product: update.x * before.x,
      },
    ]);
  },
};

/**
 * The numbers that a formula reads, those of its operands side by side: {x, from} each.
 *
 * @param {Reader} reader
 * @param {{of: string[], options: {rows?: Rows[]}}} formula
 * @param {number} row
 */
async function operands(reader, { of, options }, row) {
  return (await Promise.all(of.map((path, i) => operand(reader, path, options.rows?.[i] ?? {}, row)))).flat();
}

/**
 * For each operand its number in one column.
 *
 * @param {Reader} reader
 * @param {{of: string[], options: {rows?: Rows[]}}} formula
 * @param {number} row
 * @param {number} column
 */
async function ofEach(reader, { of, options }, row, column) {
  return (await Promise.all(of.map((path, i) => operand(reader, path, options.rows?.[i] ?? {}, row)))).map(
    (x) => x[column],
  );
}

/**
 * One operand's numbers for a row: the same row, one beside it, or both ends; see `Formula`.
 *
 * @param {Reader} reader
 * @param {string} path
 * @param {Rows} rows
 * @param {number} row
 * @returns {Promise<Operand[]>}
 */
async function operand(reader, path, { shift = 0, edge, ends = false }, row) {
  const [rows] = reader.station(path).shape.slice(-2);
  /** @type {(from: string, r: number) => Promise<Operand[]>} */
  const read = async (from, r) =>
    Array.from(await reader.row(from, r), (x, i) => ({ x, from: { path: from, cell: [r, i] } }));
  if (ends) {
    const [last, first] = [await read(path, rows - 1), await read(path, 0)];
    return [...last.slice(0, last.length / 2), ...first.slice(first.length / 2)];
  }
  if (row + shift >= 0 && row + shift < rows) return read(path, row + shift);
  return edge ? read(edge.path, edge.row) : (await read(path, row)).map(() => ({ x: 0, from: null }));
}

/** @type {(label: string, operand: Operand) => Factor} */
const named = (label, { from }) => ({ label, from });

/**
 * A sum, and what a function makes of it.
 *
 * @type {(found: Sum, bend: Bend, before?: string) => Made}
 */
const bent = (found, bend, before = "") => ({
  ...found,
  total: BENDS[bend](found.total),
  sum: `${before}${bend}(${number(found.total, 5)}, the sum)`,
});

/**
 * x times one column of W, and the bias, term by term.
 *
 * @param {Reader} reader
 * @param {Operand[]} x
 * @param {Record<string, string>} weights `W` and, where there is one, `b`
 * @param {number} entry
 * @param {string[]} [letters]
 * @returns {Promise<Term[]>}
 */
async function products(reader, x, weights, entry, [one, map, bias] = ["x", "W", "b"]) {
  const w = await reader.weight(weights.W, [entry, entry + 1]);
  /** @type {Term[]} */
  const terms = x.map(({ x: xi, from }, i) => ({
    label: `${one}[${i}] · ${map}[${i}]`,
    a: xi,
    b: w[i],
    product: xi * w[i],
    from,
  }));
  if (weights.b)
    terms.push({
      label: bias,
      product: (await reader.weight(weights.b, null, [entry, entry + 1]))[0],
      from: { weight: weights.b },
    });
  return terms;
}

/**
 * One entry of a layer norm or an RMS norm of x.
 *
 * @param {Reader} reader
 * @param {Float64Array} x
 * @param {number} column
 * @param {NormOptions} options
 * @param {string} name
 * @param {From | null} [from]
 * @returns {Promise<Made>}
 */
async function normed(reader, x, column, options, name, from = null) {
  const n = x.length;
  const mean = options.norm === "rms" ? 0 : x.reduce((sum, value) => sum + value, 0) / n;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n;
  const size = Math.sqrt(variance + (options.eps ?? 0));
  const g = (await reader.weight(options.weight))[column];
  const b = options.bias ? (await reader.weight(options.bias))[column] : 0;
  const terms = [
    { label: name, product: x[column], from },
    ...(options.norm === "rms" ? [] : [{ label: "mean of the row", product: mean }]),
    { label: options.norm === "rms" ? "√(mean of squares + ε)" : "√(variance + ε)", product: size },
    { label: "g", product: g, from: { weight: options.weight } },
    ...(options.bias ? [{ label: "b", product: b, from: { weight: options.bias } }] : []),
  ];
  return {
    terms,
    total: ((x[column] - mean) / size) * g + b,
    sum: options.norm === "rms" ? "x / size · g" : `(x − mean) / size · g${options.bias ? " + b" : ""}`,
  };
}
