/**
 * A watched pass of a model that a page can run again, with edits: the other half of program.py.
 *
 *     const program = await Program.open(json, base64);
 *     const values = program.run([{ path: "decoder.blocks.1.resid_mid", where: [0, 3], op: "multiply", value: 0 }]);
 *     values.get("logits");
 *
 * A node is `[op, input, ..., [parameter, ...]]`, and stands after its inputs: running is going through them in order.
 * What an edit cannot reach is not computed again.
 *
 * @typedef {import("./edits.js").Edit} Edit
 * @typedef {Record<string, number[] | number[][]>} Tokens token ids by the model's names for them, or batches of them
 * @typedef {[op: string, ...inputs: (number | (string | number)[])[]]} NodeJson `[op, input, ..., [parameter, ...]]`
 * @typedef {number | Record<string, number>} Call the number of a node, or of an act those of its steps
 * @typedef {Object} ProgramJson what `Program.to_json` gives
 * @property {Record<string, [shape: number[], ids: number[]]>} inputs
 * @property {import("./unpack.js").Packed} constants
 * @property {NodeJson[]} nodes
 * @property {Record<string, Call[]>} values
 * @property {Record<string, string[]>} axes
 *
 * @typedef {Object} Node
 * @property {string} op
 * @property {number[]} inputs - numbers of nodes before it
 * @property {string} name - of a constant or an input
 * @property {number[]} parameters - of the others
 * @property {NDArray | null} constant
 */

import { NDArray, numberOf } from "./arrays.js";
import { EditError, applied, mustFit } from "./edits.js";
import { OPERATIONS } from "./operations.js";
import { unpack } from "./unpack.js";

export class Program {
  /** @type {Node[]} */
  #nodes;
  #description;
  /** @type {NDArray[] | null} */
  #plain = null; // the values of the last tokens without edits, by which what an edit does not reach is known

  /**
   * @param {ProgramJson | string} json
   * @param {string} base64 - what `Program.blob` gives
   */
  static async open(json, base64) {
    /** @type {ProgramJson} */
    const description = typeof json === "string" ? JSON.parse(json) : json;
    return new Program(description, await unpack(description.constants, base64));
  }

  /**
   * @param {ProgramJson} description
   * @param {Record<string, NDArray>} constants
   */
  constructor(description, constants) {
    this.#description = description;
    this.#nodes = description.nodes.map(([op, ...rest]) => {
      const inputs = rest.filter((part) => typeof part === "number");
      const given = rest.flatMap((part) => (typeof part === "number" ? [] : part));
      const name = typeof given[0] === "string" ? given[0] : "";
      return {
        op,
        inputs,
        name,
        parameters: given.map(numberOf),
        constant: op === "constant" ? constants[name] : null,
      };
    });
  }

  /** The token ids of the pass by the model's names for them. */
  get inputs() {
    return Object.fromEntries(Object.entries(this.#description.inputs).map(([name, [, ids]]) => [name, ids]));
  }

  /**
   * Whether one of the model's tensors is in the program.
   *
   * @param {string} name
   */
  holds(name) {
    return this.#nodes.some((one) => one.constant && one.name === name);
  }

  /**
   * One of the model's tensors by its name.
   *
   * @param {string} name
   */
  weight(name) {
    const node = this.#nodes.find((one) => one.op === "constant" && one.name === name);
    if (!node?.constant) throw new Error(`the program holds no tensor "${name}"`);
    return node.constant;
  }

  /** The paths of everything that was seen, in the order of the pass. */
  get paths() {
    return Object.keys(this.#description.values);
  }

  /**
   * The names of a value's axes; of an act of attention, those of its weights.
   *
   * @param {string} path
   */
  axes(path) {
    return this.#description.axes[path];
  }

  /**
   * For each call of a path the number of its node, or of an act those of its steps.
   *
   * @param {string} path
   */
  calls(path) {
    const calls = this.#description.values[path];
    if (!calls) throw new Error(`nothing was seen under "${path}"; program.paths names what was`);
    return calls;
  }

  /**
   * Every value that was seen, with these edits.
   *
   * @param {Edit[]} [edits]
   * @param {{tokens?: Tokens}} [options] - other token ids, as many
   * @throws {EditError} an edit names a place that does not exist
   */
  run(edits = [], { tokens = {} } = {}) {
    const inputs = this.#inputs(tokens);
    const plain = this.#evaluated(this.#plain ?? [], new Map(), inputs);
    this.#plain = plain;
    return new Values(this, edits.length ? this.#evaluated(plain, this.#placed(edits, plain), inputs) : plain);
  }

  /**
   * The token ids of the pass, or others.
   *
   * @param {Tokens} tokens
   */
  #inputs(tokens) {
    const known = Object.keys(this.#description.inputs);
    for (const name of Object.keys(tokens)) {
      if (!known.includes(name)) throw new Error(`no tokens are called "${name}"; there are ${known.join(", ")}`);
    }
    return Object.fromEntries(known.map((name) => [name, this.#input(name, tokens[name]?.flat())]));
  }

  /**
   * @param {string} name
   * @param {number[]} [given]
   */
  #input(name, given = this.#description.inputs[name][1]) {
    const [shape, { length }] = this.#description.inputs[name];
    if (given.length !== length) throw new Error(`"${name}" has ${length} tokens, not ${given.length}`);
    return NDArray.from(given).reshape(shape);
  }

  /**
   * The edits of each node, by its number.
   *
   * @param {Edit[]} edits
   * @param {NDArray[]} plain
   */
  #placed(edits, plain) {
    /** @type {Map<number, Edit[]>} */
    const placed = new Map();
    for (const edit of edits) {
      this.calls(edit.path).forEach((call, number) => {
        if ((edit.call ?? number) !== number) return;
        const node = nodeOf(call, edit.step ?? "", edit.path);
        mustFit(edit, plain[node].shape);
        placed.set(node, [...(placed.get(node) ?? []), edit]);
      });
      if ((edit.call ?? 0) >= this.calls(edit.path).length) {
        throw new EditError(`"${edit.path}" was seen ${this.calls(edit.path).length} times; calls count from 0`);
      }
    }
    return placed;
  }

  /**
   * The value of each node; one of `known` is taken over where nothing that it depends on has changed.
   *
   * @param {NDArray[]} known
   * @param {Map<number, Edit[]>} edits
   * @param {Record<string, NDArray>} inputs
   */
  #evaluated(known, edits, inputs) {
    /** @type {NDArray[]} */
    const values = [];
    this.#nodes.forEach((node, i) => {
      const same = known[i] && node.inputs.every((input) => values[input] === known[input]);
      if (node.op === "input") values[i] = changed(inputs[node.name], known[i]);
      else values[i] = same ? known[i] : this.#computed(node, values);
      for (const edit of edits.get(i) ?? []) values[i] = applied(edit, values[i]);
    });
    return values;
  }

  /**
   * @param {Node} node
   * @param {NDArray[]} values
   */
  #computed({ op, inputs, parameters, constant }, values) {
    return (
      constant ??
      OPERATIONS[op](
        inputs.map((input) => values[input]),
        parameters,
      )
    );
  }
}

/** What one run has computed. */
export class Values {
  #program;
  #values;

  /**
   * @param {Program} program
   * @param {NDArray[]} values
   */
  constructor(program, values) {
    this.#program = program;
    this.#values = values;
  }

  /**
   * One value.
   *
   * @param {string} path
   * @param {string} [step] - of an act of attention: q, k, v, similarities, scaled, biased, masked, weights or context
   * @param {number} [call] - of a value that was seen several times
   * @returns {NDArray}
   */
  get(path, step = "", call = undefined) {
    const calls = this.#program.calls(path);
    if ((call === undefined && calls.length > 1) || !((call ?? 0) in calls)) {
      throw new Error(`"${path}" was seen ${calls.length} times; say which call, from 0`);
    }
    return this.#values[nodeOf(calls[call ?? 0], step, path)];
  }
}

/**
 * The number of the node of a call's tensor, or of one step of its act.
 *
 * @param {Call} call
 * @param {string} step
 * @param {string} path
 */
function nodeOf(call, step, path) {
  const steps = typeof call === "number" ? { "": call } : call;
  if (Object.hasOwn(steps, step)) return steps[step];
  const fix = "" in steps ? "it is a tensor; leave the step empty" : `its steps are ${Object.keys(steps).join(", ")}`;
  throw new EditError(`"${path}" has no step "${step}": ${fix}`);
}

/**
 * The tokens that are given, or the known ones where they say the same.
 *
 * @param {NDArray} given
 * @param {NDArray | undefined} known
 */
function changed(given, known) {
  return known && given.data.every((id, i) => id === known.data[i]) ? known : given;
}
