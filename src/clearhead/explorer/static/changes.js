/**
 * What a person changes: numbers, heads, masks, words; each change is an edit, or other tokens, of the page's pass.
 *
 * @import { Cell, Placed, Station, ValuesOf, Window } from "./types.js"
 * @import { Page } from "./page.js"
 */
import { prompt } from "./dialog.js";
import { h, visible } from "./dom.js";
import { download } from "./figure.js";
import { isOfKeys, stationOf } from "./stations.js";
import { edited } from "./store.js";

/**
 * Whether an edit is one of a head's whole context.
 *
 * @param {Placed} edit
 * @param {string} own
 * @param {number} head
 */
const isOfHead = ({ path, step, where }, own, head) =>
  path === own && step === "context" && where.length === 2 && where[1] === head;

/**
 * The heads whose whole context is set to 0.
 *
 * @param {Page} page
 * @param {string} path
 */
export function switchedOff(page, path) {
  return new Set(
    page.state.edits
      .filter((edit) => edit.path === path && edit.step === "context" && edit.value === 0 && edit.where.length === 2)
      .flatMap(({ where: [, head] }) => (typeof head === "number" ? [head] : [])),
  );
}

/** @type {(path: string, head: number, row: number) => ValuesOf} */
export const rowOf = (path, head, row) => ({ kind: "values", path, step: "weights", head, rows: [row, row + 1] });

/**
 * Change one number.
 *
 * @param {Page} page
 * @param {Station} station
 * @param {Window} want
 * @param {Cell} cell
 * @param {number | string} value
 */
export function change(page, station, want, cell, value) {
  page.store.edit([place(page, station, want, cell, { value })]);
}

/**
 * An edit of a cell; a recurrent network's row is a call of its own.
 *
 * @param {Page} page
 * @param {Station} station
 * @param {Window} want
 * @param {Cell} cell
 * @param {{value: number | string}} rest
 * @returns {Placed}
 */
function place(page, station, want, [row, column], rest) {
  const steps = station.calls > 1 && !isOfKeys(want.step);
  const heads = station.shape.length > 2 ? [headOf(page, station, want)] : [];
  const where = [0, ...heads, steps ? 0 : row, column];
  const call = station.turned ? station.calls - 1 - row : row;
  return { path: station.path, step: want.step, where, op: "set", ...rest, ...(steps ? { call } : {}) };
}

/**
 * The head whose numbers are changed: of keys and values the one that serves the head that is open.
 *
 * @param {Page} page
 * @param {Station} station
 * @param {Window} want
 */
function headOf(page, station, want) {
  const head = want.head ?? 0;
  if (!isOfKeys(want.step)) return head;
  const kv = stationOf(page.doc, station.path.replace(/attention$/, want.step)).shape[0];
  return Math.floor(head / (station.shape[0] / kv));
}

/**
 * Forbid or allow a look: a new mask at one place.
 *
 * @param {Page} page
 * @param {Station} station
 * @param {Window} want
 * @param {Cell} cell
 * @param {number} value
 */
export async function redraw(page, station, want, cell, value) {
  if (value !== -Infinity) return page.store.edit([place(page, station, want, cell, { value: "-inf" })]);
  const [{ data }] = await page.once({ ...want, step: "biased" });
  return page.store.edit([place(page, station, want, cell, { value: data[0] })]);
}

/**
 * @param {Page} page
 * @param {string} path
 * @param {number} head
 */
export function switchHead(page, path, head) {
  if (switchedOff(page, path).has(head)) {
    page.store.ask({ edits: page.state.edits.filter((edit) => !isOfHead(edit, path, head)) });
  } else page.store.edit([{ path, step: "context", where: [0, head], op: "set", value: 0 }]);
}

/**
 * Every token that may be looked at gets the same weight.
 *
 * @param {Page} page
 * @param {Station} station
 * @param {number} head
 */
export async function average(page, station, head) {
  const [{ data, shape }] = await page.once({ kind: "values", path: station.path, step: "masked", head });
  const rows = Array.from({ length: shape[0] }, (_, r) =>
    Array.from(data.slice(r * shape[1], (r + 1) * shape[1]), (x) => (x === -Infinity ? "-inf" : 0)),
  );
  const common = { path: station.path, step: "masked", op: /** @type {const} */ ("set") };
  // A context that is switched off would hide what is averaged.
  const kept = page.state.edits.filter((edit) => !isOfHead(edit, station.path, head));
  /** @type {Placed[]} */
  const even =
    station.calls > 1
      ? rows.map((row, call) => ({ ...common, where: [0, head, 0], value: row, call }))
      : [{ ...common, where: [0, head], value: rows }];
  page.store.edit(even, kept);
}

/**
 * Write this token after that row; what stood there and after it goes.
 *
 * @param {Page} page
 * @param {number} row
 * @param {number} id
 */
export function take(page, row, id) {
  const ids = structuredClone(page.doc.token_ids);
  const name = Object.keys(ids).at(-1) ?? "";
  ids[name] = [...ids[name].slice(0, row + 1), id];
  page.store.ask({ token_ids: ids, token: row + 1 });
}

/**
 * Put another word in the place of a token that was read.
 *
 * @param {Page} page
 * @param {string} name
 * @param {number} index
 */
export async function replaceToken(page, name, index) {
  const known = async (/** @type {string} */ typed) =>
    (await page.once({ kind: "words", label: name, text: typed }))[0];
  const text = await prompt(page, `instead of “${visible(page.doc.labels[name][index])}”`, "put it there", known);
  if (!text) return;
  const [{ token_ids: found, remarks }] = await page.once({ kind: "tokens", label: name, text });
  page.remarks = remarks;
  const ids = structuredClone(page.doc.token_ids);
  ids[name].splice(index, 1, ...found);
  page.store.ask({ token_ids: ids });
}

/**
 * Write the text anew, as the model writes with these changes.
 *
 * @param {Page} page
 */
export async function rewrite(page) {
  page.parts.message.replaceChildren("writing …");
  const [{ token_ids, edits, remarks }] = await page.once({ kind: "written" });
  page.remarks = remarks;
  page.parts.message.replaceChildren();
  page.written = JSON.stringify(token_ids);
  const same = page.written === JSON.stringify(page.doc.token_ids);
  page.store.ask({ token_ids, edits, ...(same ? {} : { token: undefined, cell: null }) });
}

/**
 * The act in which the word was looked for, its heads there, and the place they looked at most.
 *
 * @param {Page} page
 * @param {number} row
 */
async function lookedAt(page, row) {
  const acts = page.doc.stations.filter((station) => station.kind === "act");
  const cross = acts.filter((station) => station.part === "cross_attention");
  const station = cross[page.doc.head?.layer ?? cross.length - 1] ?? acts.at(-1);
  if (!station) throw new Error("this model has no attention: no head has looked");
  const heads = Array.from({ length: station.shape[0] }, (_, head) => head);
  const found = await page.once(...heads.map((head) => rowOf(station.path, head, row)));
  const best =
    page.doc.head?.head ?? heads.reduce((a, b) => (Math.max(...found[b].data) > Math.max(...found[a].data) ? b : a));
  const data = [...found[best].data];
  return { station, head: best, key: data.indexOf(Math.max(...data)) };
}

/**
 * Switch off the head that added most to the word's logit; where that is not known, one it looked with.
 *
 * @param {Page} page
 * @param {number} row
 */
export async function withoutBest(page, row) {
  const entry = page.doc.output.find((one) => one.row === row);
  const asked = entry && (entry.next ?? entry.candidates[0]);
  if (!asked) return;
  const { id } = asked;
  const [{ contributions }] = await page.once({ kind: "contributions", row, token: id });
  const parts = [...contributions].sort((a, b) => b.value - a.value);
  for (const { path, head } of parts) if (head !== null) return switchHead(page, path, head);
  const { station, head } = await lookedAt(page, row);
  return switchHead(page, station.path, head);
}

/**
 * @param {Page} page
 * @param {number} row
 */
export async function replaceLooked(page, row) {
  const { station, key } = await lookedAt(page, row);
  await replaceToken(page, station.columns, key);
}

/** @param {Page} page */
export function save(page) {
  download("edits.json", JSON.stringify(page.state.edits, null, 1), "application/json");
}

/** @param {Page} page */
export function load(page) {
  const input = h("input", {
    type: "file",
    accept: ".json,application/json",
    onchange: async () => {
      const file = input.files?.[0];
      if (!file) return;
      try {
        page.store.ask({ edits: edited(JSON.parse(await file.text())) });
      } catch {
        page.fail(new Error(`${file.name}: this file holds no list of changes; “save” writes one`));
      }
    },
  });
  input.click();
}
