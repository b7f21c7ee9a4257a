/**
 * How the next token is drawn, for pages that hold the logits themselves: the same cuts as `clearhead.generation`.
 *
 *     p = softmax(z / temperature), and 0 for all but
 *         top_k   the k most probable tokens
 *         min_p   those with at least this share of the most probable one's probability
 *         top_p   the fewest of these that together have this probability
 */

/** The probabilities of a row of logits; temperature 0 is greedy. */
export function shares(logits, temperature) {
  const x = logits.map((value) => value / Math.max(temperature, 1e-4));
  const most = x.reduce((a, b) => Math.max(a, b), -Infinity);
  return whole(x.map((value) => Math.exp(value - most)));
}

/** What the cuts leave of probabilities, made whole again; as probable as the last one that stays is still in. */
export function cut(p, { top_k = 0, top_p = 1, min_p = 0 }) {
  const least = min_p * p.reduce((a, b) => Math.max(a, b), 0);
  const kept = atLeast(p, top_k > 0 && top_k < p.length ? Math.max(least, ordered(p)[top_k - 1]) : least);
  if (top_p >= 1) return kept;
  const best = ordered(kept);
  let [sum, last] = [0, 0];
  best.forEach((share, i) => {
    if (sum < top_p) last = i;
    sum += share;
  });
  return atLeast(kept, best[last]);
}

/** The token that a number from 0 to 1 draws. */
export function drawn(p, chance) {
  const all = p.reduce((a, b) => a + b, 0);
  let sum = 0;
  const found = p.findIndex((share) => (sum += share) > chance * all);
  return found < 0 ? p.length - 1 : found;
}

const ordered = (p) => p.slice().sort((a, b) => b - a);
const atLeast = (p, least) => whole(p.map((share) => (share >= least ? share : 0)));

function whole(p) {
  const all = p.reduce((a, b) => a + b, 0);
  return p.map((share) => share / all);
}
