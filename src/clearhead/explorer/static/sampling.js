/**
 * What comes next and how it is drawn, for pages that hold the logits themselves: the same cuts as
 * `clearhead.generation`.
 *
 *     p = softmax(z / temperature), and 0 for all but
 *         top_k   the k most probable tokens
 *         min_p   those with at least this share of the most probable one's probability
 *         top_p   the fewest of these that together have this probability
 *
 * @import { Answers, Candidate, Cuts } from "./types.js"
 */

const BEST = 50;

/**
 * The n best entries of a row of logits, and after them these.
 *
 * @param {Float64Array} logits
 * @param {string[]} names
 * @param {{n: number, temperature?: number, also?: number[]}} options
 * @returns {Candidate[]}
 */
export function ranked(logits, names, { n, temperature = 1, also = [] }) {
  const p = shares(logits, temperature);
  return [...best(p, n), ...also].map((id) => ({ id, text: names[id], logit: logits[id], probability: p[id] }));
}

/**
 * What may be drawn after a token: the best, how many are left by the cuts, and the one that chance draws.
 *
 * @param {Float64Array} logits
 * @param {string[]} names
 * @param {{temperature: number, cuts: Cuts, forbidden: number[]}} options
 * @returns {Answers["candidates"]}
 */
export function sampled(logits, names, { temperature, cuts, forbidden }) {
  const before = shares(logits, temperature);
  const allowed = logits.slice();
  for (const id of forbidden) allowed[id] = -Infinity;
  const after = cut(shares(allowed, temperature), cuts);
  const one = (/** @type {number} */ id) => ({
    id,
    text: names[id],
    logit: logits[id],
    probability: before[id],
    share: after[id],
  });
  const left = after.filter((share) => share > 0).length;
  const chance = cuts.chance ?? null;
  const chosen = chance === null ? null : one(drawn(after, chance));
  return { candidates: best(after, Math.min(BEST, left)).map(one), left, drawn: chosen };
}

/** @type {(shares: Float64Array, n: number) => number[]} */
const best = (shares, n) =>
  Array.from(shares.keys())
    .sort((a, b) => shares[b] - shares[a])
    .slice(0, n);

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
 * @param {Cuts} cuts
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
function drawn(p, chance) {
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
