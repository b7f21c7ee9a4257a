/**
 * The host of a file: everything stands in the page itself, and the page computes what an edit changes.
 *
 * With the model's weights the whole pass is one program (program.js), and is run again; without, each act of attention
 * is a small one from its q, k and v, and an edit reaches as far as the act's context.
 *
 * @import { Answer, Answers, Given, GivenActs, GivenWhole, Host, Pass, Question, Seen } from "./types.js"
 * @import { Text, TokenIds } from "./types.js"
 * @import { NDArray } from "./arrays.js"
 * @import { Edit } from "./edits.js"
 *
 * @typedef {{run(edits: Edit[], token_ids: TokenIds | null): Seen, weight(name: string): NDArray}} Source
 */
import { applied, mustFit } from "./edits.js";
import { Program } from "./program.js";
import { Run, picture, windowed } from "./run.js";
import { ranked, sampled } from "./sampling.js";
import { Stream } from "./taken-apart.js";
import { unpack } from "./unpack.js";

const CANDIDATES = 8;
const LENS = 3;
const WORDS = 2000;
const RUNS = 6;
const NO_WEIGHTS =
  "This file holds no weights: a change reaches the context of its own act. `clearhead explore` computes everything after it too.";
const NO_SUM = "Not known here: this logit is not a plain sum of what the parts of the model add.";
const NO_STREAM = "Not known here: no residual stream leads to the logits of this model.";

/** @implements {Host} */
export class FileHost {
  /** @param {GivenWhole | GivenActs} given - what explorer/page.py puts into the page */
  static async open(given) {
    if (given.program === undefined) return new FileHost(given, await Acts.open(given), given);
    return new FileHost(given, await Whole.open(given), null);
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
    this.stations = new Map(given.description.stations.map((station) => [station.path, station]));
    /** @type {Map<string, Run>} */
    this.runs = new Map();
  }

  /**
   * @param {Pass} of
   * @param {Question[]} questions
   */
  async answer(of, questions) {
    return questions.map((question) => {
      try {
        return this.one(of, question);
      } catch (error) {
        if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) throw error;
        return { error: error instanceof Error ? error.message : String(error) };
      }
    });
  }

  /**
   * @param {Pass} of
   * @param {Question} question
   * @returns {Answer}
   */
  one(of, question) {
    const { given } = this;
    const run = this.run(of);
    switch (question.kind) {
      case "description":
        return given.description;
      case "text":
        return this.text(of);
      case "overview":
        return this.overview(of, run);
      case "values":
        return windowed(run.matrix(question), question);
      case "weight":
        return windowed(this.source.weight(question.name), question);
      case "proof": {
        const { path, head } = question;
        return { proof: run.changed ? run.proof(path, head) : given.proofs[path][head] };
      }
      case "candidates": {
        const [{ temperature }, { forbidden }, { row, cuts }] = [of, given.description, question];
        return sampled(run.row("logits", row), given.names, { temperature, cuts, forbidden });
      }
      case "contributions":
        return this.contributions(run, question.row, question.token);
      case "lens":
        return this.lens(run, question.row);
      case "names":
        return { names: given.names.slice(question.first, question.last) };
      case "tokens":
        return { token_ids: [this.token(question.label, question.text)], remarks: [] };
      case "words":
        return this.words(question.label, question.text);
      case "roles":
        return { roles: {} }; // measured on other texts, which a file cannot read
      case "written":
        throw new Error("this file cannot write a text: open the model with `clearhead explore`");
    }
  }

  /**
   * The values of a pass, kept as long as it is one of the last.
   *
   * @param {Pick<Pass, "edits" | "token_ids">} of
   */
  run({ edits, token_ids }) {
    const key = JSON.stringify([edits, token_ids]);
    const known = this.runs.get(key);
    if (known) return known;
    const run = new Run(this.source.run(edits, token_ids), this.stations, edits.length > 0 || token_ids !== null);
    this.runs.set(key, run);
    if (this.runs.size > RUNS) this.runs.delete([...this.runs.keys()][0]);
    return run;
  }

  /**
   * The text that the file holds, with other tokens if there are.
   *
   * @param {Pass} of
   * @returns {Text}
   */
  text({ token_ids }) {
    const { text } = this.given;
    if (!token_ids) return text;
    const labels = Object.entries(text.labels).map(([name, own]) => {
      const entries = this.entries(name);
      const changed = (/** @type {number} */ id, /** @type {number} */ i) => id !== text.token_ids[name][i];
      return [name, token_ids[name].map((id, i) => (changed(id, i) ? entries[id]?.trim() || entries[id] : own[i]))];
    });
    return { ...text, token_ids, labels: Object.fromEntries(labels) };
  }

  /**
   * @param {Pass} of
   * @param {Run} run
   * @returns {Answers["overview"]}
   */
  overview({ edits, temperature, token_ids }, run) {
    const { overview, names, text, description } = this.given;
    const ids = Object.values(token_ids ?? text.token_ids).at(-1) ?? [];
    const changed = (/** @type {string} */ path) =>
      run.changed && (!this.kept || edits.some((one) => one.path === path));
    const pictures = Object.entries(overview.pictures).map(([path, own]) => {
      if (!changed(path)) return [path, own];
      const steps = edits.filter((edit) => edit.path === path).map((edit) => edit.step);
      const placed = /** @type {const} */ (["q", "k", "v"]).filter((x) => own.placed.includes(x) || steps.includes(x));
      return [path, { ...picture(run.tensor(path, "weights"), description.acts[path].rows), placed }];
    });
    const output = overview.output.map((entry) => {
      if (!run.has("logits")) return entry;
      const also = ids.slice(entry.row + 1, entry.row + 2);
      const found = ranked(run.row("logits", entry.row), names, { n: CANDIDATES, temperature, also });
      return { row: entry.row, next: also.length ? (found.pop() ?? null) : null, candidates: found };
    });
    const remarks = edits.length && this.kept ? [NO_WEIGHTS] : [];
    return { pictures: Object.fromEntries(pictures), output, remarks };
  }

  /**
   * What each part adds: computed where the model is here, else what was kept of the pass without changes.
   *
   * @param {Run} run
   * @param {number} row
   * @param {number} token
   * @returns {Answers["contributions"]}
   */
  contributions(run, row, token) {
    if (this.kept)
      return (!run.changed && this.kept.contributions[row]?.[token]) || { contributions: [], missing: notHere(run) };
    const found = this.stream(run).contributions(row, token);
    return { contributions: found, missing: found.length ? null : NO_SUM };
  }

  /**
   * @param {Run} run
   * @param {number} row
   * @returns {Answers["lens"]}
   */
  lens(run, row) {
    if (this.kept) return (!run.changed && this.kept.lens[row]) || { lens: [], missing: notHere(run) };
    const found = this.stream(run).lens(row);
    const lens = found.map(({ path, logits }) => ({ path, candidates: ranked(logits, this.given.names, { n: LENS }) }));
    return { lens, missing: lens.length ? null : NO_STREAM };
  }

  /** @param {Run} run */
  stream(run) {
    return new Stream(run, (name) => this.source.weight(name));
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

/** @param {Run} run */
const notHere = ({ changed }) =>
  `This file holds no weights, so it cannot compute this here: ${changed ? "take your changes back, or " : ""}open the model with \`clearhead explore\`.`;

/** Values of the whole model, computed in the page. */
class Whole {
  /** @param {GivenWhole} given */
  static async open(given) {
    const program = await Program.open(given.program, given.blob);
    return new Whole(given, program, await unpack(given.beside, given.beside_blob));
  }

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

/** Values that were kept, and acts that are computed from what they hold, each when it is looked at. */
class Acts {
  /** @param {GivenActs} given */
  static async open({ acts, values, blob }) {
    const programs = Object.entries(acts).map(
      async ([path, one]) => /** @type {const} */ ([path, await Program.open(one.program, one.blob)]),
    );
    return new Acts(Object.fromEntries(await Promise.all(programs)), await unpack(values, blob));
  }

  /**
   * @param {Record<string, Program>} programs
   * @param {Record<string, NDArray>} arrays
   */
  constructor(programs, arrays) {
    this.programs = programs;
    this.arrays = arrays;
  }

  /**
   * @param {Edit[]} edits
   * @param {TokenIds | null} token_ids
   * @returns {Seen}
   */
  run(edits, token_ids) {
    if (token_ids) throw new Error("this file holds no weights: other tokens need `clearhead explore`");
    const { programs, arrays } = this;
    /** @type {Map<string, Seen>} */
    const runs = new Map();
    return {
      has: (path) => path in programs || path in arrays,
      get(path, step, call) {
        const ours = edits.filter((edit) => edit.path === path);
        if (path in programs) {
          const run = runs.get(path) ?? programs[path].run(ours);
          runs.set(path, run);
          return run.get(path, step, call);
        }
        if (!(path in arrays))
          throw new Error("this file does not hold these numbers: open the model with `clearhead explore`");
        for (const edit of ours) mustFit(edit, arrays[path].shape);
        return ours.reduce((x, edit) => applied(edit, x), arrays[path]);
      },
    };
  }

  /**
   * A score's own weights are in its act's program; no others are held.
   *
   * @param {string} name
   */
  weight(name) {
    const holder = Object.values(this.programs).find((program) => program.holds(name));
    if (holder) return holder.weight(name);
    throw new Error("this file does not hold the model's weights: `clearhead explore` shows these operands");
  }
}
