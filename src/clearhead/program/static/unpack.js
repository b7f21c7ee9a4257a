/**
 * Unpacking: the inverse of packing.py.
 *
 * The bytes are deflated; inside, kind after kind, stand all first bytes of its numbers, then all second bytes, ...
 *
 * @typedef {"float64" | "float32" | "int32" | "uint8"} Kind
 * @typedef {Object} Packed
 * @property {Partial<Record<Kind, number>>} counts - how many numbers of each kind there are, in this order
 * @property {Record<string, [kind: Kind, shape: number[], first: number]>} arrays
 */

import { NDArray, sizeOf } from "./arrays.js";

const KINDS = { float64: Float64Array, float32: Float32Array, int32: Int32Array, uint8: Uint8Array };

/**
 * @param {Packed} description
 * @param {string} base64 - the packed bytes
 * @returns {Promise<Record<string, NDArray>>} the arrays by their names, all in float64
 */
export async function unpack(description, base64) {
  const bytes = await inflated(bytesOf(base64));
  /** @type {Partial<Record<Kind, InstanceType<typeof KINDS[Kind]>>>} */
  const numbers = {};
  let start = 0;
  for (const [kind, count] of /** @type {[Kind, number][]} */ (Object.entries(description.counts))) {
    numbers[kind] = joined(bytes, start, count, KINDS[kind]);
    start += count * KINDS[kind].BYTES_PER_ELEMENT;
  }
  /** @param {Packed["arrays"][string]} where */
  const array = ([kind, shape, first]) => {
    const own = numbers[kind]?.subarray(first, first + sizeOf(shape)) ?? [];
    return new NDArray(Float64Array.from(own), shape);
  };
  return Object.fromEntries(Object.entries(description.arrays).map(([name, where]) => [name, array(where)]));
}

/**
 * Numbers of a kind, of which all first bytes stand at `start`, then all second bytes, ...
 *
 * @param {Uint8Array} bytes
 * @param {number} start
 * @param {number} count
 * @param {typeof KINDS[Kind]} Kind
 */
function joined(bytes, start, count, Kind) {
  const width = Kind.BYTES_PER_ELEMENT;
  const out = new Uint8Array(count * width);
  for (let byte = 0; byte < width; byte++) {
    for (let i = 0, from = start + byte * count; i < count; i++) out[i * width + byte] = bytes[from + i];
  }
  return new Kind(out.buffer);
}

/** @param {string} base64 */
function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
