/**
 * How the next token is drawn, for pages that hold the logits themselves: the same cuts as `clearhead.generation`.
 *
 *     p = softmax(z / temperature), and 0 for all but
 *         top_k   the k most probable tokens
 *         min_p   those with at least this share of the most probable one's probability
 *         top_p   the fewest of these that together have this probability
 */

/**
 * The probabilities of a row of logits; at temperature 0 the first of the best has all.
 *
 * @param {Float64Array} logits
 * @param {number} temperature
 * @returns {Float64Array}
 */
export function shares(logits, temperature) {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const first = logits.indexOf(most);
  if (temperature === 0) return logits.map((_, id) => (id === first ? 1 : 0));
  return whole(logits.map((value) => Math.exp((value - most) / temperature)));
}

/**
 * What the cuts leave of probabilities, made whole again; of equally probable tokens the earlier ones come first.
 *
 * @param {Float64Array} p
 * @param {import("./types.js").Cuts} cuts
 */
export function cut(p, { top_k = 0, top_p = 1, min_p = 0 }) {
  const order = Array.from(p.keys()).sort((a, b) => p[b] - p[a]); // a stable sort
  const most = order.slice(0, top_k > 0 ? top_k : p.length).filter((id) => p[id] >= min_p * p[order[0]]);
  return only(p, top_p < 1 ? nucleus(p, most, top_p) : most);
}

/**
 * The token that a number from 0 to 1 draws.
 *
 * @param {Float64Array} p
 * @param {number} chance
 */
export function drawn(p, chance) {
  const all = p.reduce((a, b) => a + b, 0);
  let sum = 0;
  const found = p.findIndex((share) => {
    sum += share;
    return sum > chance * all;
  });
  return found < 0 ? p.findLastIndex((share) => share > 0) : found;
}

/**
 * The fewest of the ids, the most probable first, that together have the probability; rounding decides nothing.
 *
 * @param {Float64Array} p
 * @param {number[]} ids
 * @param {number} top_p
 */
function nucleus(p, ids, top_p) {
  const wanted = (top_p - ROUNDING) * ids.reduce((sum, id) => sum + p[id], 0);
  let [sum, n] = [0, 0];
  while (n < 1 || (n < ids.length && sum < wanted)) sum += p[ids[n++]];
  return ids.slice(0, n);
}

const ROUNDING = 8 * Number.EPSILON;

/**
 * @param {Float64Array} p
 * @param {number[]} ids
 */
function only(p, ids) {
  const kept = p.map(() => 0);
  for (const id of ids) kept[id] = p[id];
  return whole(kept);
}

/** @param {Float64Array} p */
function whole(p) {
  const all = p.reduce((a, b) => a + b, 0);
  return p.map((share) => share / all);
}
