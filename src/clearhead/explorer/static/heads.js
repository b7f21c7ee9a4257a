/**
 * All heads of an act as small pictures, and what one or all of them say about words.
 *
 * @import { Heads } from "./types.js"
 */
import { bytes, h, percent, svg, visible } from "./dom.js";
import { HEADS, paint } from "./colour.js";
import { range } from "./matrix.js";
import { meaningOfRole } from "./words.js";

const WHOLE = 255; // a weight of 1
/** @type {WeakMap<Heads, Uint8Array>} */
const decoded = new WeakMap();

/**
 * The small pictures of an act: numbers 0 to 255, [heads, rows, columns].
 *
 * @param {Heads} about
 */
function small(about) {
  const data = decoded.get(about) ?? (typeof about.data === "string" ? bytes(about.data) : about.data);
  decoded.set(about, data);
  return data;
}

/**
 * The mean of the rows' largest weights (Voita et al., 2019).
 *
 * @param {Uint8Array} data
 * @param {number} columns
 */
function confidence(data, columns) {
  let sum = 0;
  for (let i = 0; i < data.length; i += columns)
    sum += data.subarray(i, i + columns).reduce((a, b) => Math.max(a, b), 0);
  return sum;
}

/**
 * A row of small pictures, one a head.
 *
 * @param {Object} given
 * @param {string} given.path
 * @param {Heads} given.about
 * @param {number | null | undefined} given.open the head that is open
 * @param {Set<number>} given.off heads that are switched off
 * @param {string[] | undefined} given.roles
 * @param {boolean} given.sharpest in this order
 * @param {(head: number) => void} given.pick
 */
export function multiples({ path, about, open, off, roles, sharpest, pick }) {
  const [heads, rows, columns] = about.shape;
  const data = small(about);
  const part = (/** @type {number} */ head) => data.subarray(head * rows * columns, (head + 1) * rows * columns);
  const order = sharpest
    ? range(heads).sort((a, b) => confidence(part(b), columns) - confidence(part(a), columns))
    : range(heads);
  return h(
    "div.multiples",
    { role: "group", "aria-label": "all heads" },
    order.map((head) => {
      const canvas = h("canvas", { "aria-hidden": "true" });
      paint(canvas, part(head), rows, columns, WHOLE, false);
      const role = roles?.[head] ?? "";
      return h(
        `button.thumb${head === open ? ".open" : ""}${off.has(head) ? ".off" : ""}`,
        {
          "data-key": `head ${path} ${head}`,
          title: role ? `${role}: ${meaningOfRole(role)}` : null,
          "aria-pressed": head === open ? "true" : "false",
          "aria-label": `head ${head}${role ? `, ${role}` : ""}${off.has(head) ? ", switched off" : ""}`,
          onclick: () => pick(head),
        },
        canvas,
        h("span", {}, `head ${head}`),
        role ? h("span.role", {}, role) : null,
      );
    }),
  );
}

/**
 * Lines between what asks (below) and what is asked (above); their width is the weight.
 *
 * @param {Object} given
 * @param {number[][][]} given.weights of each of the heads, [rows][columns]
 * @param {number[]} given.heads
 * @param {string[]} given.rows labels
 * @param {string[]} given.columns
 * @param {number | null} [given.row] the one that asks; null: all
 * @param {number} [given.threshold]
 * @param {string} given.title
 * @param {(row: number) => void} [given.pick]
 */
export function lines({ weights, heads, rows, columns, row = null, threshold = 0, title, pick }) {
  const wide = (/** @type {string[]} */ labels) =>
    labels.reduce((sum, text) => sum + 14 + 8.2 * visible(text).length, 20);
  const width = Math.max(wide(rows), wide(columns), 220);
  const place = (/** @type {string[]} */ labels) => {
    let at = (width - wide(labels)) / 2 + 10;
    return labels.map((text) => {
      const size = 14 + 8.2 * visible(text).length;
      at += size;
      return at - size / 2;
    });
  };
  const xs = [place(rows), place(columns)];
  /** @type {SVGElement[]} */
  const drawn = [];
  heads.forEach((head, i) => {
    rows.forEach((asks, r) => {
      if (row !== null && r !== row) return;
      columns.forEach((asked, c) => {
        const weight = weights[i][r][c];
        if (!(weight > Math.max(0.01, threshold))) return;
        const shift = (i - (heads.length - 1) / 2) * 2;
        drawn.push(
          svg(
            "line",
            {
              x1: xs[0][r] + shift,
              y1: 118,
              x2: xs[1][c] + shift,
              y2: 32,
              stroke: heads.length > 1 ? HEADS[head % HEADS.length] : "currentColor",
              "stroke-width": Math.max(0.5, (7 * weight) / Math.sqrt(heads.length)),
              "stroke-opacity": 0.25 + 0.7 * weight,
            },
            svg("title", {}, `head ${head}: ${visible(asks)} looks at ${visible(asked)}, ${percent(weight)}`),
          ),
        );
      });
    });
  });
  const words = [
    { labels: columns, side: 1, y: 22 },
    { labels: rows, side: 0, y: 136 },
  ].flatMap(({ labels, side, y }) =>
    labels.map((text, i) =>
      svg(
        `text${side === 0 && i === row ? ".asks" : ""}`,
        { x: xs[side][i], y, "text-anchor": "middle", onclick: side === 0 ? () => pick?.(i) : null },
        visible(text),
      ),
    ),
  );
  return h(
    "div.scroll",
    {},
    svg(
      "svg.lines",
      { viewBox: `0 0 ${width} 150`, width, height: 150, role: "img", "aria-label": title },
      drawn,
      words,
    ),
  );
}

/**
 * Weights of pieces as weights of words: a key word has the sum of its pieces, a query word the mean of its rows.
 *
 * @param {number[][]} weights
 * @param {(number | null)[]} rowWords the number of its word for each row
 * @param {(number | null)[]} columnWords
 */
export function byWord(weights, rowWords, columnWords) {
  const [rows, columns] = [groups(rowWords), groups(columnWords)];
  return rows.map((group) =>
    columns.map(
      (keys) => group.reduce((sum, r) => sum + keys.reduce((all, c) => all + weights[r][c], 0), 0) / group.length,
    ),
  );
}

/**
 * The tokens of each word, in order; a special token is a word of its own.
 *
 * @param {(number | null)[]} words the number of its word for each token
 */
export function groups(words) {
  /** @type {number[][]} */
  const found = [];
  words.forEach((word, i) => {
    if (word !== null && i > 0 && words[i - 1] === word) found[found.length - 1].push(i);
    else found.push([i]);
  });
  return found;
}
