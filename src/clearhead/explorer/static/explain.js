/**
 * How one number came about: its formula, its operands with their numbers and where they stand, and the sum again.
 *
 * Every explanation computes its number anew from the operands; the page shows it beside the model's own.
 */

import { labelled, number } from "./dom.js";
import { erf } from "./operations.js";

/** Functions that follow a sum. */
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
 * @param {object} page {host, question, doc}
 * @param {object} open {path, step, head}
 * @param {[number, number]} cell [row, column]
 * @returns {Promise<{formula: string, terms: object[], total: number, sum: string, note?: string}>}
 *   terms: {label, a, b, product, from}; `total` is what they make; `from` is {path, step, head, cell} or {weight}
 */
export async function explain(page, open, cell) {
  const station = page.doc.stations.find((one) => one.path === open.path);
  const reader = new Reader(page);
  if (station.kind === "act") return ofStep(reader, station, open, cell);
  const formula = station.formula;
  if (!formula)
    return {
      formula: "",
      terms: [],
      total: null,
      note: "this trace does not know its model: its formulas cannot be told",
    };
  const make = KINDS[formula.kind];
  const [row, column] = cell;
  return { formula: formula.text, ...(await make({ reader, station, open, row, column, formula })) };
}

/** Reads rows and single numbers of the page's question. */
class Reader {
  constructor({ host, question, doc }) {
    Object.assign(this, { host, question, doc });
  }

  station(path) {
    return this.doc.stations.find((one) => one.path === path);
  }

  async want(...wants) {
    return this.host.values(this.question, wants);
  }

  /** One row of a value; of one with heads, all heads' rows side by side. */
  async row(path, row) {
    const { shape } = this.station(path);
    const rows = [row, row + 1];
    if (shape.length < 3) return (await this.want({ path, rows }))[0].data;
    const parts = await this.want(...Array.from({ length: shape[0] }, (_, head) => ({ path, head, rows })));
    return Float64Array.from(parts.flatMap((part) => [...part.data]));
  }

  async weight(path, rows = null, columns = null) {
    return (await this.want({ path, kind: "weight", rows, columns }))[0].data;
  }

  async step(path, step, head, rows = null, columns = null) {
    return (await this.want({ path, step, head, rows, columns }))[0].data;
  }
}

const KINDS = {
  async lookup({ reader, station, row, column, formula: { weights, options } }) {
    const label = station.rows;
    const token = reader.doc.token_ids[label][row];
    const whole = await reader.weight(weights.E, [token, token + 1]);
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

  async positions({ reader, row, column, formula: { of, weights } }) {
    const [before, position] = [await reader.row(of[0], row), await reader.weight(weights.P, [row, row + 1])];
    return summed([
      { label: "token embedding", product: before[column], from: { path: of[0], cell: [row, column] } },
      { label: `position ${row}`, product: position[column], from: { weight: weights.P } },
    ]);
  },

  async copy({ reader, open, row, column, formula: { of } }) {
    const before = reader.station(of[0]);
    if (before.kind === "act") return ofStep(reader, before, { ...open, path: of[0], step: "context" }, [row, column]);
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
    const x = rows[0].map((_, i) => rows.reduce((sum, other) => sum + other[i], 0));
    return normed(reader, x, column, options, of.length > 1 ? "the sum" : "x", { path: of[0], cell: [row, column] });
  },

  async linear({ reader, station, open, row, column, formula }) {
    const { weights, options } = formula;
    const x = await operands(reader, formula, row);
    const width = station.shape.at(-1);
    const first = (options.stacked ? row : station.shape.length > 2 ? (open.head ?? 0) : 0) * width;
    if (!weights.W)
      return summed([{ label: "the same number", product: x[first + column].x, from: x[first + column].from }]);
    if (options.then?.norm) {
      const w = await reader.weight(weights.W, [first, first + width]);
      const b = weights.b ? await reader.weight(weights.b) : null;
      const made = Float64Array.from({ length: width }, (_, o) =>
        x.reduce((sum, one, i) => sum + one.x * w[o * x.length + i], b ? b[first + o] : 0),
      );
      return normed(reader, made, column, options.then, "x W");
    }
    const found = summed(await products(reader, x, weights, first + column));
    if (options.then === "tanh") return bent(found, "tanh");
    if (options.cap)
      return {
        ...found,
        total: options.cap * Math.tanh(found.total / options.cap),
        sum: `${options.cap} · tanh(sum / ${options.cap})`,
      };
    return found;
  },

  async hidden({ reader, row, column, formula }) {
    const { weights, options } = formula;
    const x = await operands(reader, formula, row);
    const found = summed(await products(reader, x, weights, column));
    if (weights.W_gate) {
      const gate = summed(await products(reader, x, { W: weights.W_gate, b: weights.b_gate }, column));
      return {
        ...found,
        total: BENDS.silu(gate.total) * found.total,
        sum: `silu(${gate.total.toPrecision(5)}, the gate) · sum`,
      };
    }
    return bent(found, options.activation);
  },

  /** A gate of a recurrent network, or its candidate. */
  async gate({ reader, station, row, column, formula: { of, weights, options } }) {
    const entry = options.part * station.shape.at(-1) + column;
    const read = (some) =>
      operands(reader, { of: of.slice(...some), options: { rows: options.rows.slice(...some) } }, row);
    const [x, state] = [await read([0, -1]), await read([-1])];
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

  /** What an LSTM tells of its cell. */
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

/** The numbers that a formula reads, those of its operands side by side: {x, from} each. */
async function operands(reader, { of, options }, row) {
  return (await Promise.all(of.map((path, i) => operand(reader, path, options.rows?.[i] ?? {}, row)))).flat();
}

/** For each operand its number in one column. */
async function ofEach(reader, { of, options }, row, column) {
  return (await Promise.all(of.map((path, i) => operand(reader, path, options.rows?.[i] ?? {}, row)))).map(
    (x) => x[column],
  );
}

/** One operand's numbers for a row: the same row, one beside it, or both ends; see `Formula`. */
async function operand(reader, path, { shift = 0, edge = null, ends = false }, row) {
  const rows = reader.station(path).shape.at(-2);
  const read = async (from, r) =>
    Array.from(await reader.row(from, r), (x, i) => ({ x, from: { path: from, cell: [r, i] } }));
  if (ends) {
    const [last, first] = [await read(path, rows - 1), await read(path, 0)];
    return [...last.slice(0, last.length / 2), ...first.slice(first.length / 2)];
  }
  if (row + shift >= 0 && row + shift < rows) return read(path, row + shift);
  return edge ? read(edge.path, edge.row) : (await read(path, row)).map(() => ({ x: 0, from: null }));
}

const named = (label, { from }) => ({ label, from });

/** A sum, and what a function makes of it. */
const bent = (found, bend, before = "") => ({
  ...found,
  total: BENDS[bend](found.total),
  sum: `${before}${bend}(${number(found.total, 5)}, the sum)`,
});

/** x times one column of W, and the bias, term by term. */
async function products(reader, x, weights, entry, [one, map, bias] = ["x", "W", "b"]) {
  const w = await reader.weight(weights.W, [entry, entry + 1]);
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

/** One entry of a layer norm or an RMS norm of x. */
async function normed(reader, x, column, options, name, from = null) {
  const n = x.length;
  const mean = options.norm === "rms" ? 0 : x.reduce((sum, value) => sum + value, 0) / n;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n;
  const size = Math.sqrt(variance + options.eps);
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

/** One number of a step of an act. */
async function ofStep(reader, station, open, [row, column]) {
  const { path, head = 0 } = open;
  const about = reader.doc.heads[path];
  const step = open.step || "weights";
  const one = (name) => ({ path, step: name, head, cell: [row, column] });
  const read = async (name) => (await reader.step(path, name, head, [row, row + 1], [column, column + 1]))[0];
  const [, queries, keys] = station.shape;
  const [rows, columns] = [labelled(reader.doc, station.rows, queries), labelled(reader.doc, station.columns, keys)];
  if (step === "q" || step === "k" || step === "v") {
    const before = path.replace(/attention$/, step);
    const kv = step === "q" ? head : Math.floor(head / (about.shape[0] / reader.station(before).shape[0]));
    const x = (await reader.want({ path: before, head: kv, rows: [row, row + 1] }))[0].data;
    const own = (await reader.step(path, step, head, [row, row + 1]))[column];
    const turned = Math.abs(x[column] - own) > 1e-6 * Math.max(1, Math.abs(own));
    const note = turned
      ? step === "v"
        ? "mixed with the first block's values, or changed by you"
        : `turned by the token's position, ${row} (rotary positions), or changed by you`
      : null;
    return {
      formula: step === "v" ? "v, mixed with the first block's" : `${step}, turned by position`,
      terms: [
        {
          label: reader.station(before).title,
          product: x[column],
          from: { path: before, head: kv, cell: [row, column] },
        },
      ],
      total: turned ? null : x[column],
      sum: "the same",
      note,
    };
  }
  if (step === "similarities") return similarity(reader, station, path, head, row, column);
  if (step === "scaled") {
    const x = await read("similarities");
    return {
      formula: "similarity · scale",
      terms: [{ label: "similarity", a: x, b: about.scale, product: x * about.scale, from: one("similarities") }],
      total: x * about.scale,
      sum: "product",
    };
  }
  if (step === "biased") {
    const [x, y] = [await read("scaled"), await read("biased")];
    return {
      formula: "scaled + bias",
      ...summed([
        { label: "scaled", product: x, from: one("scaled") },
        { label: "bias, by distance", product: y - x },
      ]),
    };
  }
  if (step === "masked") {
    const [x, y] = [await read("biased"), await read("masked")];
    const masked = y === -Infinity;
    return {
      formula: `${about.biased ? "biased" : "scaled"} + mask: 0 where it may look, −∞ where it may not`,
      terms: [
        { label: about.biased ? "biased" : "scaled", product: x, from: one(about.biased ? "biased" : "scaled") },
        { label: "mask", product: masked ? -Infinity : 0 },
      ],
      total: masked ? -Infinity : x,
      sum: "sum",
    };
  }
  if (step === "weights") {
    const m = await reader.step(path, "masked", head, [row, row + 1]);
    const most = m.reduce((a, b) => Math.max(a, b), -Infinity);
    const powers = Array.from(m, (x) => (x === -Infinity ? 0 : Math.exp(x - most)));
    const all = powers.reduce((a, b) => a + b, 0);
    const terms = powers.map((p, c) => ({
      label: columns[c],
      a: m[c],
      product: p,
      from: { path, step: "masked", head, cell: [row, c] },
      own: c === column,
    }));
    return {
      formula: `e^masked of “${columns[column]}” over the sum of e^masked of the whole row (the largest is taken off first)`,
      terms,
      total: all ? powers[column] / all : 0,
      sum: `${number(powers[column], 7)} / ${number(all, 7)}`,
    };
  }
  const w = await reader.step(path, "weights", head, [row, row + 1]);
  const v = await reader.step(path, "v", head, null, [column, column + 1]);
  const from = held(reader, path, "v", head);
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
}

/** Where the q, k or v of an act's head is shown: in the act if it was changed on its way there, else as it was projected. */
function held(reader, path, name, head) {
  const { placed, shape } = reader.doc.heads[path];
  if (placed.includes(name)) return { path, step: name, head };
  const projected = reader.station(path.replace(/attention$/, name));
  return { path: projected.path, step: "", head: Math.floor(head / (shape[0] / projected.shape[0])) };
}

async function similarity(reader, station, path, head, row, column) {
  const [q, k] = [
    await reader.step(path, "q", head, [row, row + 1]),
    await reader.step(path, "k", head, [column, column + 1]),
  ];
  const from = { q: held(reader, path, "q", head), k: held(reader, path, "k", head) };
  const factors = (i, name) => [
    { label: `q[${i}]`, from: { ...from.q, cell: [row, i] } },
    name ? { label: name } : { label: `k[${i}]`, from: { ...from.k, cell: [column, i] } },
  ];
  const { score } = reader.doc.heads[path];
  const make = SCORES[score] ?? SCORES.dot;
  return make({ reader, q, k, factors, weights: station.formula?.weights ?? {} });
}

/** How a query and a key are compared, term by term; the letters of the weights are those of scores.py. */
const SCORES = {
  dot: productOf,
  scaleddot: productOf,

  async cosine({ q, k, factors }) {
    const length = (x) => Math.max(Math.hypot(...x), 1e-12);
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

async function productOf({ q, k, factors }) {
  const terms = Array.from(q, (x, i) => ({ label: "", factors: factors(i), a: x, b: k[i], product: x * k[i] }));
  return { formula: "q · k: the sum of the products", ...summed(terms) };
}

/** What is left to say of a score whose weights are not named. */
const without = (formula) => ({
  formula,
  terms: [],
  total: null,
  note: "the score has weights of its own, which this trace does not name",
});

/** What a matrix makes of x: output o is the sum of x[i] · w[i * along + o * across]. */
function times(x, w, along, across) {
  return Float64Array.from({ length: w.length / x.length }, (_, o) =>
    x.reduce((sum, xi, i) => sum + xi * w[i * along + o * across], 0),
  );
}

const summed = (terms) => ({ terms, total: terms.reduce((sum, term) => sum + term.product, 0), sum: "sum" });
