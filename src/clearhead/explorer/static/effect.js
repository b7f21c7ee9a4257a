/** What changes do to the words that are written: of each place the probability of its word, before and now. */
import { h, percent, visible } from "./dom.js";

const SEEN = 0.01; // a change of probability that is marked
const NAMED = 3; // other words that are named

/**
 * For each place that both passes have: {row, text, old, now, other}. `old` is null where the word was not among those
 * that are known of it; `other` is the word that would be written now, where it is another one.
 */
export function moves({ doc, before, state }) {
  if (!before || state.other) return [];
  const shared = alike(Object.values(doc.token_ids).at(-1) ?? [], Object.values(before.token_ids).at(-1) ?? []);
  const were = new Map(before.output.map((entry) => [entry.row, entry]));
  const rows = doc.output.filter(({ row, next }) => were.has(row) && row + (next ? 1 : 0) < shared);
  return rows.map((entry) => {
    const [was, [best]] = [were.get(entry.row), entry.candidates];
    const { id, text } = entry.next ?? best;
    const found = ({ candidates, next }) => [...candidates, next].find((one) => one?.id === id)?.probability ?? null;
    return {
      row: entry.row,
      text,
      old: found(was),
      now: found(entry),
      other: best.id === was.candidates[0].id ? null : best.text,
    };
  });
}

/** How many tokens two texts begin with alike. */
function alike(one, other) {
  const end = one.findIndex((id, i) => id !== other[i]);
  return end < 0 ? one.length : end;
}

const size = ({ old, now }) => Math.abs(now - (old ?? 0));
const quoted = (text) => `“${visible(text).trim()}”`;
const between = ({ old, now }) => `${old === null ? "less" : percent(old)} → ${percent(now)}`;

/** The changes in a line; what it names leads to why it was written. */
export function effect(page) {
  const all = moves(page);
  if (!all.length) return null;
  const changed = all.filter(({ other }) => other !== null);
  const most = all.reduce((a, b) => (size(b) > size(a) ? b : a));
  const link = (move, text) =>
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

/** What is marked beside a written word: the word that would stand there now, or how its probability has moved. */
export function mark(move) {
  if (!move) return null;
  if (move.other !== null) return ` → ${visible(move.other).trim()}`;
  return size(move) >= SEEN ? ` ${between(move)}` : null;
}
