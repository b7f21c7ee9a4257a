/**
 * A matrix as a table that can be walked by keyboard and read aloud: colours say how much, numbers say exactly.
 *
 * @import { Matrix } from "./types.js"
 */
import { faded, h, number, percent, visible } from "./dom.js";
import { paint, shade } from "./colour.js";
import { region } from "./regions.js";

/** Rows and columns of the window that is drawn. */
export const WINDOW = [24, 24];

/** @param {Matrix} given */
export function matrix(given) {
  const { shape, first, total, axes } = given;
  const rows = range(shape[0]);
  const columns = range(shape[1]);
  const heading = h(
    "tr",
    {},
    h("td.corner", {}, `${axes[0]} ↓  ${axes[1]} →`),
    columns.map((c) =>
      h("th", { scope: "col" }, region(given.regions[1], first[1] + c), label(given, 1, first[1] + c)),
    ),
  );
  const body = rows.map((r) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, region(given.regions[0], first[0] + r), label(given, 0, first[0] + r)),
      columns.map((c) => cell(given, r, c)),
    ),
  );
  const table = h(
    "table.matrix",
    {
      role: "grid",
      "aria-label": given.title,
      "aria-rowcount": total[0],
      "aria-colcount": total[1],
      onkeydown: (event) => walk(event, given),
    },
    h("thead", {}, heading),
    h("tbody", {}, body),
  );
  return h("div", {}, h("div.scroll.fades", { onscroll: faded }, table), foot(given));
}

/**
 * @param {Matrix} given
 * @param {number} axis
 * @param {number} index
 */
function label(given, axis, index) {
  const labels = given.labels[axis];
  return labels ? visible(labels[index] ?? String(index)) : String(index);
}

/**
 * What stands in a place of the window: its number, whether it is masked, and its text.
 *
 * @param {Matrix} given
 * @param {number} r
 * @param {number} c
 */
export function entry({ data, shape, kind, mask }, r, c) {
  const x = data[r * shape[1] + c];
  const masked = x === -Infinity || mask?.[r * shape[1] + c] === -Infinity;
  return { x, masked, text: kind !== "share" ? number(x, 3) : masked && x === 0 ? "·" : x.toFixed(3) };
}

/**
 * @param {Matrix} given
 * @param {number} r
 * @param {number} c
 */
function cell(given, r, c) {
  const { shape, first, kind, most, before } = given;
  const { x, masked, text } = entry(given, r, c);
  const at = [first[0] + r, first[1] + c];
  const old = before?.[r * shape[1] + c] ?? NaN;
  const changed = !Number.isNaN(old) && number(old, 3) !== number(x, 3); // where it can be seen
  const chosen = given.cell && given.cell[0] === at[0] && given.cell[1] === at[1];
  const reachable = given.cell ? chosen : r === 0 && c === 0;
  const { back, ink } = shade(x, most, kind !== "share");
  const said =
    `${axisWord(given.axes[0])} ${label(given, 0, at[0])}, ${axisWord(given.axes[1])} ${label(given, 1, at[1])}: ` +
    (masked ? "masked, " : "") +
    (x === -Infinity ? "minus infinity" : number(x, 6)) +
    (changed ? `; ${given.than}: ${number(old, 6)}` : "");
  return h(
    `td${masked ? ".masked" : ""}${changed ? ".changed" : ""}${chosen ? ".chosen" : ""}`,
    {
      role: "gridcell",
      tabindex: reachable ? "0" : "-1",
      "data-key": `cell ${at}`,
      "aria-label": said,
      title: said,
      "aria-selected": chosen ? "true" : "false",
      "data-row": String(at[0]),
      "data-column": String(at[1]),
      style: { background: back, color: ink },
      onclick: () => given.pick(at[0], at[1]),
    },
    text,
  );
}

/** @param {string} axis */
const axisWord = (axis) => axis.split(",")[0];

/**
 * @param {KeyboardEvent & {target: HTMLElement}} event
 * @param {Matrix} given
 */
function walk(event, given) {
  /** @type {Record<string, number[]>} */
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const { row, column } = event.target.dataset;
  if (row === undefined) return;
  const at = [Number(row), Number(column)];
  let next = null;
  if (steps[event.key]) next = at.map((x, axis) => x + steps[event.key][axis]);
  else if (event.key === "Home") next = [at[0], 0];
  else if (event.key === "End") next = [at[0], given.total[1] - 1];
  else if (event.key === "Enter" || event.key === " ") next = at;
  if (!next) return;
  event.preventDefault();
  const [r, c] = next.map((x, axis) => Math.max(0, Math.min(given.total[axis] - 1, x)));
  given.pick(r, c);
}

/**
 * The colour bar with its end values, and the ways to the rest of a large matrix.
 *
 * @param {Matrix} given
 */
function foot(given) {
  const { first, shape, total, kind, most, move } = given;
  const canvas = h("canvas.bar", { "aria-hidden": "true" });
  const low = kind === "share" ? 0 : -most;
  const ramp = Float32Array.from(range(64), (i) => low + ((most - low) * i) / 63);
  paint(canvas, ramp, 1, 64, most, kind !== "share");
  const ways = [0, 1].flatMap((axis) => {
    if (total[axis] <= shape[axis]) return [];
    const name = ["rows", "columns"][axis];
    const go = (/** @type {number} */ start) => () =>
      move(first.map((x, i) => (i === axis ? Math.max(0, Math.min(total[axis] - shape[axis], start)) : x)));
    return [
      h(
        "span.pages",
        {},
        h(
          "button",
          {
            onclick: go(first[axis] - shape[axis]),
            disabled: first[axis] === 0,
            "aria-label": `earlier ${name}`,
            "data-key": `earlier ${name}`,
          },
          "‹",
        ),
        ` ${name} ${first[axis]} to ${first[axis] + shape[axis] - 1} of ${total[axis]} `,
        h(
          "button",
          {
            onclick: go(first[axis] + shape[axis]),
            disabled: first[axis] + shape[axis] >= total[axis],
            "aria-label": `later ${name}`,
            "data-key": `later ${name}`,
          },
          "›",
        ),
      ),
    ];
  });
  const end = (/** @type {number} */ x) => (kind === "share" ? percent(x) : number(x, 3));
  return h("div.foot", {}, h("span.bar", {}, end(low), " ", canvas, " ", end(most)), ways);
}

/**
 * A large matrix as a picture of its largest numbers; a click goes there.
 *
 * @param {Pick<Matrix, "data" | "shape" | "total" | "most" | "kind" | "first" | "move" | "title"> & {window: number[]}}
 *   given
 */
export function picture({ data, shape, total, most, kind, first, window, move, title }) {
  const canvas = h("canvas.picture", {
    role: "img",
    "aria-label": `${title}, the whole: ${total[0]} by ${total[1]}`,
    "data-role": "picture",
  });
  paint(canvas, data, shape[0], shape[1], most, kind !== "share");
  const place = (/** @type {number} */ axis, /** @type {number} */ x) => `${(100 * x) / total[axis]}%`;
  const frame = h("div.frame", {
    style: {
      top: place(0, first[0]),
      left: place(1, first[1]),
      height: place(0, window[0]),
      width: place(1, window[1]),
    },
  });
  const go = (/** @type {MouseEvent & {currentTarget: HTMLElement}} */ event) => {
    const bounds = event.currentTarget.children[0].getBoundingClientRect();
    const at = [(event.clientY - bounds.top) / bounds.height, (event.clientX - bounds.left) / bounds.width];
    move(
      at.map((part, axis) =>
        Math.max(0, Math.min(total[axis] - window[axis], Math.round(part * total[axis] - window[axis] / 2))),
      ),
    );
  };
  return h("div.whole", { onclick: go }, canvas, frame);
}

/**
 * The size of the largest finite number.
 *
 * @param {Iterable<number>} data
 */
export function largest(data) {
  let most = 0;
  for (const x of data) if (Number.isFinite(x) && Math.abs(x) > most) most = Math.abs(x);
  return most;
}

/** @param {number} n */
export const range = (n) => Array.from({ length: n }, (_, i) => i);
