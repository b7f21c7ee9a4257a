/**
 * A watched pass of a model that a page can run again, with edits: the other half of program.py.
 *
 *     const program = await Program.open(json, base64);
 *     const values = program.run([{ path: "decoder.blocks.1.resid_mid", where: [0, 3], op: "multiply", value: 0 }]);
 *     values.get("logits");
 *
 * A node is `[op, input, ..., [parameter, ...]]`, and stands behind its inputs: running is going through them in order.
 * What an edit cannot reach is not computed again.
 */

import { NDArray } from "./arrays.js";
import { EditError, applied, touches } from "./edits.js";
import { OPERATIONS } from "./operations.js";
import { unpack } from "./unpack.js";

export class Program {
  #nodes;
  #description;
  #plain = null; // the values of the last tokens without edits, by which what an edit does not reach is known

  /**
   * @param {Object | string} json - what `Program.to_json` gives
   * @param {string} base64 - what `Program.blob` gives
   */
  static async open(json, base64) {
    const description = typeof json === "string" ? JSON.parse(json) : json;
    return new Program(description, await unpack(description.constants, base64));
  }

  /** @param {Object<string, NDArray>} constants */
  constructor(description, constants) {
    this.#description = description;
    this.#nodes = description.nodes.map(([op, ...rest]) => {
      const parameters = Array.isArray(rest.at(-1)) ? rest.pop() : [];
      return { op, inputs: rest, parameters, constant: op === "constant" ? constants[parameters[0]] : null };
    });
  }

  /** The token ids of the pass by the model's names for them. */
  get inputs() {
    return Object.fromEntries(Object.entries(this.#description.inputs).map(([name, [, ids]]) => [name, ids]));
  }

  /** One of the model's tensors by its name. */
  weight(name) {
    const node = this.#nodes.find(({ op, parameters }) => op === "constant" && parameters[0] === name);
    if (!node) throw new Error(`the program holds no tensor "${name}"`);
    return node.constant;
  }

  /** The paths of everything that was seen, in the order of the pass. */
  get paths() {
    return Object.keys(this.#description.values);
  }

  /** The names of a value's axes; of an act of attention, those of its weights. */
  axes(path) {
    return this.#description.axes[path];
  }

  /** For each call of a path the number of its node, or of an act those of its steps. */
  calls(path) {
    const calls = this.#description.values[path];
    if (!calls) throw new Error(`nothing was seen under "${path}"; program.paths names what was`);
    return calls;
  }

  /**
   * Every value that was seen, with these edits.
   *
   * @param {import("./edits.js").Edit[]} [edits]
   * @param {{tokens?: Object<string, number[]>}} [options] - other token ids, as many, by the model's names for them
   * @throws {EditError} an edit names a place that does not exist
   */
  run(edits = [], { tokens = {} } = {}) {
    this.#plain = this.#evaluated(this.#plain ?? [], new Map(), this.#inputs(tokens));
    return new Values(this, edits.length ? this.#evaluated(this.#plain, this.#placed(edits), {}) : this.#plain);
  }

  /** The token ids of the pass, or others. */
  #inputs(tokens) {
    const known = Object.keys(this.#description.inputs);
    for (const name of Object.keys(tokens)) {
      if (!known.includes(name)) throw new Error(`no tokens are called "${name}"; there are ${known.join(", ")}`);
    }
    return Object.fromEntries(known.map((name) => [name, this.#input(name, tokens[name]?.flat(Infinity))]));
  }

  #input(name, given = this.#description.inputs[name][1]) {
    const [shape, { length }] = this.#description.inputs[name];
    if (given.length !== length) throw new Error(`"${name}" has ${length} tokens, not ${given.length}`);
    return NDArray.from(given).reshape(shape);
  }

  /** The edits of each node, by its number. */
  #placed(edits) {
    const placed = new Map();
    for (const edit of edits) {
      this.calls(edit.path).forEach((call, number) => {
        if ((edit.call ?? number) !== number) return;
        const node = nodeOf(call, edit.step ?? "", edit.path);
        touches(edit, this.#plain[node].shape);
        placed.set(node, [...(placed.get(node) ?? []), edit]);
      });
      if ((edit.call ?? 0) >= this.calls(edit.path).length) {
        throw new EditError(`"${edit.path}" was seen ${this.calls(edit.path).length} times; calls count from 0`);
      }
    }
    return placed;
  }

  /** The value of each node; one of `known` is taken over where nothing that it depends on has changed. */
  #evaluated(known, edits, inputs) {
    const values = [];
    this.#nodes.forEach((node, i) => {
      const same = known[i] && node.inputs.every((input) => values[input] === known[input]);
      if (node.op === "input") values[i] = changed(inputs[node.parameters[0]], known[i]);
      else values[i] = same ? known[i] : this.#computed(node, values);
      for (const edit of edits.get(i) ?? []) values[i] = applied(edit, values[i]);
    });
    return values;
  }

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

/** The number of the node of a call's tensor, or of one step of its act. */
function nodeOf(call, step, path) {
  const steps = typeof call === "number" ? { "": call } : call;
  if (Object.hasOwn(steps, step)) return steps[step];
  const fix = "" in steps ? "it is a tensor; leave the step empty" : `its steps are ${Object.keys(steps).join(", ")}`;
  throw new EditError(`"${path}" has no step "${step}": ${fix}`);
}

/** The tokens that are given, or the known ones where they say the same. */
function changed(given, known) {
  return known && (!given || given.data.every((id, i) => id === known.data[i])) ? known : given;
}
