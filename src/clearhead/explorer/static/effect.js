/**
 * What changes do to the words that are written: of each place the probability of its word, before and now.
 *
 * @import { Doc, Move, Output, State } from "./types.js"
 * @import { Page } from "./page.js"
 */
import { h, percent, visible } from "./dom.js";

const SEEN = 0.01; // a change of probability that is marked
const NAMED = 3; // other words that are named

/**
 * For each place that both passes have: {row, text, old, now, other}. `old` is null where the word was not among those
 * that are known of it; `other` is the word that would be written now, where it is another one.
 *
 * @param {{doc: Doc, before: Doc | null, state: State}} page
 * @returns {Move[]}
 */
export function moves(page) {
  const { before, doc } = page;
  if (!before || page.state.other || doc.partial) return [];
  const shared = alike(Object.values(doc.token_ids).at(-1) ?? [], Object.values(before.token_ids).at(-1) ?? []);
  const were = new Map(before.output.map((entry) => [entry.row, entry]));
  const rows = doc.output.filter(({ row, next }) => were.has(row) && row + (next ? 1 : 0) < shared);
  return rows.map((entry) => {
    const [was, [best]] = [were.get(entry.row) ?? entry, entry.candidates];
    const { id, text } = entry.next ?? best;
    const found = (/** @type {Output} */ { candidates, next }) =>
      [...candidates, next].find((one) => one?.id === id)?.probability ?? null;
    return {
      row: entry.row,
      text,
      old: found(was),
      now: found(entry) ?? 0,
      other: best.id === was.candidates[0].id ? null : best.text,
    };
  });
}

/**
 * How many tokens two texts begin with alike.
 *
 * @param {number[]} one
 * @param {number[]} other
 */
function alike(one, other) {
  const end = one.findIndex((id, i) => id !== other[i]);
  return end < 0 ? one.length : end;
}

/** @type {(move: Move) => number} */
const size = ({ old, now }) => Math.abs(now - (old ?? 0));
/** @type {(text: string) => string} */
const quoted = (text) => `“${visible(text).trim()}”`;
/** @type {(move: Move) => string} */
const between = ({ old, now }) => `${old === null ? "less" : percent(old)} → ${percent(now)}`;

/**
 * The changes in a line; what it names leads to why it was written.
 *
 * @param {Page} page
 */
export function effect(page) {
  const all = moves(page);
  if (!all.length) return null;
  const changed = all.flatMap((move) => (move.other === null ? [] : [{ ...move, other: move.other }]));
  const most = all.reduce((a, b) => (size(b) > size(a) ? b : a));
  const link = (/** @type {Move} */ move, /** @type {string} */ text) =>
    h("button.link", { "data-key": `effect ${move.row} ${text}`, onclick: () => page.why(move.row, true) }, text);
  const named = changed
    .slice(0, NAMED)
    .flatMap((move, i) => [i ? ", " : ": ", link(move, `${quoted(move.text)} → ${quoted(move.other)}`)]);
  return h(
    "p",
    { "data-role": "effect" },
    "Effect: ",
    changed.length
      ? `${changed.length} of ${all.length} places would get another word`
      : "no place would get another word",
    named,
    changed.length > NAMED ? ", …" : null,
    size(most) ? ["; the largest change: ", link(most, `${quoted(most.text)} ${between(most)}`)] : null,
    ".",
  );
}

/**
 * What is marked beside a written word: the word that would stand there now, or how its probability has moved.
 *
 * @param {Move | undefined} move
 */
export function mark(move) {
  if (!move) return null;
  if (move.other !== null) return ` → ${visible(move.other).trim()}`;
  return size(move) >= SEEN ? ` ${between(move)}` : null;
}
