/**
 * Unpacking: the inverse of packing.py.
 *
 * The bytes are deflated; inside, kind after kind, stand all first bytes of its numbers, then all second bytes, ...
 */

import { NDArray, sizeOf } from "./arrays.js";

const KINDS = { float64: Float64Array, float32: Float32Array, int32: Int32Array, uint8: Uint8Array };

/**
 * @param {{counts: Object<string, number>, arrays: Object<string, [string, number[], number]>}} description
 * @param {string} base64 - the packed bytes
 * @returns {Promise<Object<string, NDArray>>} the arrays by their names, all in float64
 */
export async function unpack(description, base64) {
  const bytes = await inflated(bytesOf(base64));
  const numbers = {};
  let start = 0;
  for (const [kind, count] of Object.entries(description.counts)) {
    numbers[kind] = joined(bytes, start, count, KINDS[kind]);
    start += count * KINDS[kind].BYTES_PER_ELEMENT;
  }
  const array = ([kind, shape, first]) => {
    return new NDArray(Float64Array.from(numbers[kind].subarray(first, first + sizeOf(shape))), shape);
  };
  return Object.fromEntries(Object.entries(description.arrays).map(([name, where]) => [name, array(where)]));
}

/** Numbers of a kind, of which all first bytes stand at `start`, then all second bytes, ... */
function joined(bytes, start, count, Kind) {
  const width = Kind.BYTES_PER_ELEMENT;
  const out = new Uint8Array(count * width);
  for (let byte = 0; byte < width; byte++) {
    for (let i = 0, from = start + byte * count; i < count; i++) out[i * width + byte] = bytes[from + i];
  }
  return new Kind(out.buffer);
}

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
