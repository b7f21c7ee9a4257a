/**
 * The host of a file: everything stands in the page itself, and the page computes what an edit changes.
 *
 * With the model's weights the whole pass is repeated (program.js); without, the numbers of each act are derived from
 * its q, k and v (act.js), and an edit reaches as far as the act's context.
 *
 * @import { Answer, AnswerTo, Candidate, Cuts, DocumentJson, Given, GivenActs, GivenWhole, Heads } from "./types.js"
 * @import { Host, Output, Question, Seen, Station, TokenIds, Want, WantNumbers } from "./types.js"
 * @import { Nested } from "./arrays.js"
 * @import { Edit } from "./edits.js"
 *
 * @typedef {{run(edits: Edit[], token_ids: TokenIds | null): Seen, weight(name: string): NDArray}} Source
 */
import { Act } from "./act.js";
import { NDArray } from "./arrays.js";
import { matmul } from "./matmul.js";
import { Program } from "./program.js";
import { cut, drawn, shares } from "./sampling.js";
import { isOfKeys } from "./stations.js";
import { Stream } from "./taken-apart.js";
import { unpack } from "./unpack.js";

const PICTURE = 256;
const THUMB = 32;
const CANDIDATES = 8;
const BEST = 50;
const LENS = 3;
const WORDS = 2000;
const RUNS = 6;

/** @implements {Host} */
export class FileHost {
  /** @param {GivenWhole | GivenActs} given - what explorer/page.py puts into the page */
  static async open(given) {
    if (given.program === undefined)
      return new FileHost(given, new Acts(given, await unpack(given.values, given.blob)), given);
    const [program, beside] = [
      await Program.open(given.program, given.blob),
      await unpack(given.beside, given.beside_blob),
    ];
    return new FileHost(given, new Whole(given, program, beside), null);
  }

  /** there is always a text */
  ready = true;
  can = { ask: false };

  /**
   * @param {Given} given
   * @param {Source} source
   * @param {GivenActs | null} kept - of the pass without changes, where the model is not here
   */
  constructor(given, source, kept) {
    this.given = given;
    this.source = source;
    this.kept = kept;
    /** @type {Map<string, Run>} */
    this.runs = new Map();
  }

  /**
   * The document of a question about the texts that the file holds.
   *
   * @param {Question} question
   * @returns {Promise<DocumentJson>}
   */
  async open(question) {
    const doc = structuredClone(this.given.document);
    const run = this.run(question);
    doc.edits = question.edits;
    doc.temperature = question.temperature;
    if (doc.edits.length && this.kept) {
      doc.remarks = [
        ...doc.remarks,
        "This file holds no weights: a change reaches the context of its own act. `clearhead explore` computes everything after it too.",
      ];
    }
    const ids = question.token_ids ?? doc.token_ids;
    for (const [name, row] of Object.entries(ids)) {
      const entries = this.entries(name);
      row.forEach((id, i) => {
        if (id !== doc.token_ids[name][i]) doc.labels[name][i] = entries[id]?.trim() || entries[id];
      });
    }
    doc.token_ids = ids;
    if (doc.edits.length || question.token_ids) {
      for (const station of doc.stations) if (station.kind === "act") small(doc.heads[station.path], run, station);
    }
    const written = Object.values(ids).at(-1);
    if (written && doc.output.length && run.has("logits"))
      doc.output = output(run.tensor("logits"), written, question.temperature, this.given.names);
    return doc;
  }

  /**
   * What a question's wants ask for, in their order.
   *
   * @template {readonly Want[]} const W
   * @param {Question} question
   * @param {W} wants
   * @returns {Promise<{-readonly [I in keyof W]: AnswerTo<W[I]>}>}
   */
  async values(question, wants) {
    const run = this.run(question);
    const answers = wants.map((want) => this.answer(run, want, question));
    return /** @type {{-readonly [I in keyof W]: AnswerTo<W[I]>}} */ (/** @type {unknown} */ (answers));
  }

  /**
   * The values of a question, kept as long as it is one of the last.
   *
   * @param {Pick<Question, "edits" | "token_ids">} question
   */
  run({ edits = [], token_ids = null }) {
    const key = JSON.stringify([edits, token_ids]);
    const known = this.runs.get(key);
    if (known) return known;
    if (token_ids && this.kept) throw new Error("this file holds no weights: other tokens need `clearhead explore`");
    const seen = this.source.run(edits, token_ids);
    const run = new Run(seen, this.given.document, edits.length > 0 || token_ids !== null);
    this.runs.set(key, run);
    if (this.runs.size > RUNS) this.runs.delete([...this.runs.keys()][0]);
    return run;
  }

  /**
   * @param {Run} run
   * @param {Want} want
   * @param {Question} question
   * @returns {Answer}
   */
  answer(run, want, question) {
    const { given } = this;
    const row = want.rows?.[0] ?? 0;
    switch (want.kind) {
      case "weight":
        return windowed(this.source.weight(want.path), want);
      case "proof":
        return { proof: run.changed ? run.proof(want.path, want.head ?? 0) : given.proofs[want.path][want.head ?? 0] };
      case "candidates":
        return sampled(run.tensor("logits"), row, question.temperature, want.cuts ?? {}, given);
      case "contributions":
        return this.contributions(run, row, want.columns[0]);
      case "lens":
        return this.lens(run, row);
      case "roles":
        return { roles: {} }; // measured on other texts, which a file cannot read
      case "written":
        throw new Error("this file cannot write a text: open the model with `clearhead explore`");
      case "names":
        return { names: given.names.slice(...want.columns) };
      case "tokens":
        return { token_ids: [this.token(want.path, want.step)], remarks: [] };
      case "words":
        return this.words(want.path, want.step);
      default:
        return windowed(run.matrix(want), want);
    }
  }

  /**
   * What each part adds: computed where the model is here, else what was kept of the pass without changes.
   *
   * @param {Run} run
   * @param {number} row
   * @param {number} token
   */
  contributions(run, row, token) {
    if (!this.kept) return { contributions: this.stream(run).contributions(row, token) };
    const kept = run.changed ? undefined : this.kept.contributions[row]?.[token];
    return { contributions: kept ?? [], missing: kept === undefined };
  }

  /**
   * @param {Run} run
   * @param {number} row
   */
  lens(run, row) {
    if (this.kept) {
      const kept = run.changed ? undefined : this.kept.lens[row];
      return { lens: kept ?? [], missing: kept === undefined };
    }
    return {
      lens: this.stream(run)
        .lens(row)
        .map(({ path, logits }) => ({ path, candidates: ranked(logits, 1, LENS, this.given.names) })),
    };
  }

  /** @param {Run} run */
  stream(run) {
    return new Stream(
      run.stations,
      (path) => run.tensor(path),
      (name) => this.source.weight(name),
    );
  }

  /**
   * The entry of the vocabulary that a person means: with a blank before it or without.
   *
   * @param {string} label
   * @param {string} text
   */
  token(label, text) {
    for (const wanted of [` ${text}`, text]) {
      const id = this.entries(label).indexOf(wanted);
      if (id >= 0) return id;
    }
    throw new Error(
      `“${text}” is not a single entry of the vocabulary, and this file cannot cut words: take a word of the list, or open the model with \`clearhead explore\``,
    );
  }

  /**
   * The texts of a label's vocabulary.
   *
   * @param {string} label
   */
  entries(label) {
    return this.given.entries[label] ?? this.given.names;
  }

  /**
   * The words that hold what was typed, those first that begin with it, and how many there are: explorer/wordlist.py.
   *
   * @param {string} label
   * @param {string} typed
   */
  words(label, typed) {
    const whole = this.entries(label).filter((entry) => /[\p{L}\p{N}]/u.test(entry) && !entry.startsWith("<"));
    const begin = whole.filter((entry) => entry.startsWith(" "));
    const words = [...new Set((begin.length ? begin : whole).map((entry) => entry.trim()))].sort((a, b) =>
      a.localeCompare(b),
    );
    const wanted = typed.trim().toLowerCase();
    const held = words.filter((word) => word.toLowerCase().includes(wanted));
    const first = held.filter((word) => word.toLowerCase().startsWith(wanted));
    return { words: [...new Set([...first, ...held])].slice(0, WORDS), count: held.length };
  }
}

/** Values of the whole model, computed in the page. */
class Whole {
  /**
   * @param {GivenWhole} given
   * @param {Program} program
   * @param {Record<string, NDArray>} beside - tensors that the program has worked into its constants
   */
  constructor({ aliases }, program, beside) {
    this.aliases = aliases;
    this.program = program;
    this.beside = beside;
    this.inputs = Object.keys(program.inputs);
  }

  /**
   * @param {Edit[]} edits
   * @param {TokenIds | null} token_ids
   */
  run(edits, token_ids) {
    const tokens = token_ids ? Object.fromEntries(Object.values(token_ids).map((row, i) => [this.inputs[i], row])) : {};
    const lengths = Object.values(this.program.inputs).map((ids) => ids.length);
    if (Object.values(tokens).some((row, i) => row.length !== lengths[i])) {
      throw new Error(
        "this file computes texts of as many tokens as it holds: `clearhead explore` reads and writes others",
      );
    }
    return this.program.run(edits, { tokens });
  }

  /** @param {string} name */
  weight(name) {
    return this.beside[name] ?? this.program.weight(this.aliases[name] ?? name);
  }
}

/** Values that were kept: acts open from their q, k and v. */
class Acts {
  /**
   * @param {GivenActs} given
   * @param {Record<string, NDArray>} arrays
   */
  constructor({ acts }, arrays) {
    this.acts = acts;
    this.arrays = arrays;
  }

  /**
   * @param {Edit[]} edits
   * @returns {Seen}
   */
  run(edits) {
    /** @type {Map<string, Act>} */
    const made = new Map();
    return {
      has: (path) => path in this.acts || path in this.arrays,
      get: (path, step, call = 0) => {
        if (!this.acts[path]) {
          if (!this.arrays[path])
            throw new Error("this file does not hold these numbers: open the model with `clearhead explore`");
          return this.arrays[path];
        }
        const key = `${path} ${call}`;
        const ours = edits.filter((edit) => edit.path === path && (edit.call ?? call) === call);
        const act = made.get(key) ?? this.act(path, call).edited(ours);
        made.set(key, act);
        return act.step(step ?? "");
      },
    };
  }

  /**
   * @param {string} path
   * @param {number} call
   */
  act(path, call) {
    const part = (/** @type {string} */ name) => this.arrays[`${path} ${call} ${name}`] ?? null;
    const shared = (/** @type {string} */ name) => part(name) ?? this.arrays[`${path} 0 ${name}`];
    return new Act({
      q: this.arrays[`${path} ${call} q`],
      k: shared("k"),
      v: shared("v"),
      mask: part("mask"),
      bias: part("bias"),
      score: this.acts[path].score,
      start: 0,
    });
  }

  /**
   * A score's own weights lie in its act; no others are held.
   *
   * @param {string} name
   */
  weight(name) {
    const [, above, own = ""] = /^(.*)\.score\.(\w+)$/.exec(name) ?? [];
    const held = this.acts[`${above}.attention`]?.score[own];
    if (held !== undefined) return NDArray.from(/** @type {Nested} */ (held));
    throw new Error("this file does not hold the model's weights: `clearhead explore` shows these operands");
  }
}

/** The matrices of one run, a recurrent network's calls joined. */
class Run {
  /**
   * @param {Seen} values
   * @param {DocumentJson} document
   * @param {boolean} changed - whether it is of edits or of other tokens
   */
  constructor(values, document, changed) {
    this.values = values;
    this.changed = changed;
    this.stations = new Map(document.stations.map((station) => [station.path, station]));
  }

  /** @param {string} path */
  has(path) {
    return this.stations.has(path) && (!this.values.has || this.values.has(path));
  }

  /** @param {string} path */
  station(path) {
    const station = this.stations.get(path);
    if (!station) throw new Error(`nothing was seen at ${path}`);
    return station;
  }

  /**
   * A tensor without its batch, [heads,] rows, columns.
   *
   * @param {string} path
   * @param {string} [step]
   */
  tensor(path, step = "") {
    const { calls, turned } = this.station(path);
    const count = isOfKeys(step) ? 1 : calls;
    const parts = Array.from({ length: count }, (_, call) => this.values.get(path, step, calls > 1 ? call : undefined));
    const whole = (turned ? parts.reverse() : parts).map((x) => x.reshape(x.shape.slice(1)));
    return whole.length === 1 ? whole[0] : joined(whole);
  }

  /**
   * A matrix [rows, columns].
   *
   * @param {Pick<WantNumbers, "path" | "step" | "head">} want
   */
  matrix({ path, step = "", head }) {
    const station = this.station(path);
    const x = this.tensor(path, station.kind === "act" ? step || "weights" : "");
    if (x.rank < 3) return x;
    const group = station.kind === "act" ? station.shape[0] / x.shape[0] : 1;
    const own = Math.floor((head ?? 0) / group);
    return x.slice(0, own, own + 1).reshape(x.shape.slice(1));
  }

  /**
   * max |weights . v - context| of a head.
   *
   * @param {string} path
   * @param {number} head
   */
  proof(path, head) {
    const [weights, v, context] = ["weights", "v", "context"].map((step) => this.matrix({ path, step, head }));
    const ours = matmul(weights, v).flat();
    return context.flat().reduce((most, x, i) => Math.max(most, Math.abs(x - ours[i])), 0);
  }
}

/**
 * Arrays [..., rows, columns] below one another.
 *
 * @param {NDArray[]} parts
 */
function joined(parts) {
  const shape = parts[0].shape;
  const heads = shape.length > 2 ? shape[0] : 1;
  const [columns] = shape.slice(-1);
  const rowsOf = (/** @type {NDArray} */ part) => part.shape[part.rank - 2];
  const rows = parts.reduce((sum, part) => sum + rowsOf(part), 0);
  const out = new Float64Array(heads * rows * columns);
  let first = 0;
  for (const part of parts) {
    const numbers = part.flat();
    const own = rowsOf(part) * columns;
    for (let head = 0; head < heads; head++)
      out.set(numbers.subarray(head * own, (head + 1) * own), head * rows * columns + first);
    first += own;
  }
  return new NDArray(out, shape.length > 2 ? [heads, rows, columns] : [rows, columns]);
}

/**
 * @param {NDArray} x
 * @param {WantNumbers} want
 */
function windowed(x, want) {
  let y = x.rank < 2 ? x.reshape([1, x.size]) : x;
  [want.rows, want.columns].forEach((place, axis) => {
    if (place) y = y.slice(axis, Math.max(0, place[0]), Math.min(y.shape[axis], place[1]));
  });
  if (want.pooled && y.shape.some((n) => n > PICTURE)) y = pooled(y, PICTURE);
  return { shape: y.shape, data: y.flat() };
}

/**
 * The number furthest from 0 of each patch.
 *
 * @param {NDArray} x
 * @param {number} most
 */
function pooled(x, most) {
  const shape = x.shape.map((n) => Math.min(n, most));
  const out = new Float64Array(shape[0] * shape[1]);
  const numbers = x.flat();
  for (let r = 0; r < x.shape[0]; r++) {
    for (let c = 0; c < x.shape[1]; c++) {
      const value = numbers[r * x.shape[1] + c];
      const place = Math.floor((r * shape[0]) / x.shape[0]) * shape[1] + Math.floor((c * shape[1]) / x.shape[1]);
      if (Number.isFinite(value) && Math.abs(value) > Math.abs(out[place])) out[place] = value;
    }
  }
  return new NDArray(out, shape);
}

/**
 * The small pictures of an act drawn again.
 *
 * @param {Heads} about
 * @param {Run} run
 * @param {Station} station
 */
function small(about, run, station) {
  const weights = run.tensor(station.path, "weights");
  const [heads, queries, keys] = weights.shape;
  const [, rows, columns] = about.shape;
  const data = new Uint8Array(heads * rows * columns);
  for (let head = 0; head < heads; head++) {
    about.rows.forEach((query, r) => {
      for (let c = 0; c < keys; c++) {
        const place = (head * rows + r) * columns + (keys > THUMB ? Math.floor((c * columns) / keys) : c);
        data[place] = Math.max(
          data[place],
          Math.round(255 * Math.min(1, Math.max(0, weights.at(head, Math.min(query, queries - 1), c)))),
        );
      }
    });
  }
  about.data = data; // bytes as they are
}

/**
 * @param {NDArray} logits
 * @param {number[]} ids
 * @param {number} temperature
 * @param {string[]} names
 * @returns {Output[]}
 */
function output(logits, ids, temperature, names) {
  return ids.map((_, row) => {
    const also = ids.slice(row + 1, row + 2);
    const found = ranked(rowOf(logits, row), temperature, CANDIDATES, names, also);
    const next = also.length ? (found.pop() ?? null) : null;
    return { row, next, candidates: found };
  });
}

/**
 * The n best entries of a row of logits, and after them these.
 *
 * @param {Float64Array} logits
 * @param {number} temperature
 * @param {number} n
 * @param {string[]} names
 * @param {number[]} [also]
 * @returns {Candidate[]}
 */
function ranked(logits, temperature, n, names, also = []) {
  const p = shares(logits, temperature);
  return [...best(p, n), ...also].map((id) => ({ id, text: names[id], logit: logits[id], probability: p[id] }));
}

/**
 * What may be drawn after a token: the best, how many are left by the cuts, and the one that chance draws.
 *
 * @param {NDArray} logits
 * @param {number} row
 * @param {number} temperature
 * @param {Cuts} cuts
 * @param {Given} given
 */
function sampled(logits, row, temperature, cuts, { names, document }) {
  const z = rowOf(logits, row);
  const before = shares(z, temperature);
  const allowed = z.slice();
  for (const id of document.forbidden) allowed[id] = -Infinity;
  const after = cut(shares(allowed, temperature), cuts);
  const one = (/** @type {number} */ id) => ({
    id,
    text: names[id],
    logit: z[id],
    probability: before[id],
    share: after[id],
  });
  const left = after.filter((share) => share > 0).length;
  const chosen = cuts.chance === undefined ? null : one(drawn(after, cuts.chance));
  return { candidates: best(after, Math.min(BEST, left)).map(one), left, drawn: chosen };
}

/** @type {(logits: NDArray, row: number) => Float64Array} */
const rowOf = (logits, row) => logits.slice(0, row, row + 1).flat();

/** @type {(shares: Float64Array, n: number) => number[]} */
const best = (shares, n) =>
  Array.from(shares.keys())
    .sort((a, b) => shares[b] - shares[a])
    .slice(0, n);
