/**
 * Beside the way: the number that was chosen explains itself and can be changed; the edits as a list.
 *
 * @import { Cell, Doc, Explanation, From, Placed, Station, Term, Window } from "./types.js"
 * @import { Page } from "./page.js"
 */
import { change, load, redraw, rewrite, save } from "./changes.js";
import { h, labelled, number, visible } from "./dom.js";
import { effect } from "./effect.js";
import { explain } from "./explain.js";
import { findStation, isOfKeys } from "./stations.js";
import { spoken } from "./words.js";

const SHOWN = 12; // terms
const MOST = 1e30; // beyond, what follows overflows in float32

/**
 * The chosen number: its formula, its operands, and a field for another number.
 *
 * @param {Page} page
 */
export async function chosen(page) {
  const { open, cell } = page.state;
  if (!open || !cell)
    return h(
      "section.chosen",
      {},
      h("h2", {}, "A number"),
      h("p.hint", {}, "Open a step and choose any number: it shows how it came about, and you can change it."),
    );
  const station = findStation(page.doc, open.path);
  if (!station) return null;
  const act = station.kind === "act";
  /** @type {Window} */
  const want = {
    kind: "values",
    path: open.path,
    step: act ? open.step || "weights" : "",
    head: station.shape.length > 2 ? (open.head ?? 0) : null,
    rows: [cell[0], cell[0] + 1],
    columns: [cell[1], cell[1] + 1],
  };
  const [[{ data }], explanation, before, entry] = await Promise.all([
    page.answers(want),
    explain(page, { ...open, step: want.step }, cell),
    page.elsewhere(want),
    station.columns === "vocabulary" ? entryOf(page, cell[1]) : "",
  ]);
  const [value] = data;
  const place = where(page, station, want, cell) + entry;
  return h(
    "section.chosen",
    { "aria-live": "polite" },
    h(
      "div.drawer",
      {},
      h(
        "button.handle",
        {
          "data-key": "handle",
          "aria-expanded": page.low ? "false" : "true",
          "aria-label": page.low ? "show all about this number" : "show less of this number",
          onclick: () => page.lower(!page.low),
        },
        h("span", { "aria-hidden": "true" }),
      ),
      h("h2", {}, "A number"),
      h("button", { "data-key": "close number", title: "Esc", onclick: () => page.closeNumber() }, "close"),
    ),
    h("p.place", {}, place),
    h(
      "p.value",
      {},
      h("output", { "data-role": "value" }, number(value, 6)),
      before && before.data[0] !== value ? h("span.old", {}, ` ${page.than()}: ${number(before.data[0], 6)}`) : null,
    ),
    field(page, station, want, cell, value),
    h("p.formula", {}, h("code", {}, explanation.formula)),
    terms(page, explanation),
    edited(page, station, want) && explanation.total !== value
      ? h("p.hint", {}, "You changed this step: the formula gives what it would be otherwise.")
      : null,
    explanation.total === null
      ? null
      : h("p.total", {}, `${explanation.sum} = `, h("b", { "data-role": "total" }, number(explanation.total, 6))),
    explanation.note ? h("p.hint", {}, explanation.note) : null,
  );
}

/**
 * The text of an entry of the vocabulary, after its number.
 *
 * @param {Page} page
 * @param {number} id
 */
async function entryOf(page, id) {
  const [{ names }] = await page.answers({ kind: "names", first: id, last: id + 1 });
  const [text] = names;
  return text === undefined ? "" : `, “${visible(text)}”`;
}

/** @type {(page: Page, station: Station, want: Window) => boolean} */
const edited = (page, station, want) =>
  page.state.edits.some((edit) => edit.path === station.path && (edit.step ?? "") === want.step);

/**
 * @param {Page} page
 * @param {Station} station
 * @param {Window} want
 * @param {Cell} cell
 */
function where(page, station, want, [row, column]) {
  const rows = labelled(page.doc, isOfKeys(want.step) ? station.columns : station.rows, row + 1);
  const columns = labelled(page.doc, station.columns, column + 1);
  const matrix = station.kind === "act" && !["q", "k", "v", "context"].includes(want.step);
  const head = want.head === null ? "" : `head ${want.head}, `;
  const name = want.step || station.title;
  const at = matrix
    ? `“${visible(rows[row])}” looks at “${visible(columns[column])}”`
    : `“${visible(rows[row])}”, number ${column}`;
  return `${spoken(station.path.replace(/\.[^.]*$/, ""))}, ${head}${name}: ${at}`;
}

/**
 * A number in its place: set, and the model computes everything after it again.
 *
 * @param {Page} page
 * @param {Station} station
 * @param {Window} want
 * @param {Cell} cell
 * @param {number} value
 */
function field(page, station, want, cell, value) {
  const input = h("input", {
    type: "text",
    inputmode: "decimal",
    value: value === -Infinity ? "-inf" : String(Number(value.toPrecision(6))),
    "aria-label": "another number",
    "data-key": "another number",
  });
  const set = () => {
    const text = input.value.trim().replace("−", "-").replace("∞", "inf").replace(",", ".");
    const given = text === "-inf" || text === "inf" ? text : Number(text);
    if (text === "" || Number.isNaN(given) || (typeof given === "number" && Math.abs(given) > MOST)) {
      input.setCustomValidity(`a number up to ${MOST.toExponential()}, -inf or inf`);
      return input.reportValidity();
    }
    page.walked = true; // the keys are the page's again
    return change(page, station, want, cell, given);
  };
  input.addEventListener("input", () => input.setCustomValidity(""));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") set();
  });
  return h(
    "p.tools",
    {},
    input,
    h("button", { "data-key": "set", onclick: set }, "change"),
    edited(page, station, want)
      ? h("button", { "data-key": "undo here", onclick: () => page.store.undo() }, "undo")
      : null,
    want.step === "masked"
      ? h(
          "button",
          { "data-key": "mask", onclick: () => redraw(page, station, want, cell, value) },
          value === -Infinity ? "let it look" : "forbid it to look",
        )
      : null,
  );
}

/**
 * @param {Page} page
 * @param {Explanation} explanation
 */
function terms(page, { terms: all }) {
  if (!all.length) return null;
  const ordered =
    all.length > SHOWN
      ? [...all].sort((a, b) => Number(b.own ?? 0) - Number(a.own ?? 0) || Math.abs(b.product) - Math.abs(a.product))
      : all;
  const rest = ordered.slice(SHOWN);
  const link = (/** @type {string} */ label, /** @type {From | null | undefined} */ from) =>
    from?.path !== undefined
      ? h(
          "button.link",
          { "data-key": `from ${from.path} ${from.step} ${from.cell}`, onclick: () => page.go(from) },
          visible(label),
        )
      : visible(label);
  const name = (/** @type {Term} */ { label, from, factors }) =>
    factors ? [label, ...factors.flatMap((one, i) => [i ? " · " : "", link(one.label, one.from)])] : link(label, from);
  const row = (/** @type {Term} */ term) =>
    h(
      `tr${term.own ? ".own" : ""}`,
      {},
      h("th", { scope: "row" }, name(term)),
      h("td", {}, term.a === undefined ? "" : number(term.a, 4)),
      h("td", {}, term.b === undefined ? "" : number(term.b, 4)),
      h("td", {}, number(term.product, 4)),
    );
  return h(
    "table.terms",
    {},
    h(
      "tbody",
      {},
      ordered.slice(0, SHOWN).map(row),
      rest.length
        ? h(
            "tr",
            {},
            h("th", { scope: "row" }, `${rest.length} smaller ones`),
            h("td"),
            h("td"),
            h(
              "td",
              {},
              number(
                rest.reduce((sum, term) => sum + term.product, 0),
                4,
              ),
            ),
          )
        : null,
    ),
  );
}

/**
 * The edits as a list; each can be taken out.
 *
 * @param {Page} page
 */
export function edits(page) {
  const { edits: all } = page.state;
  return h(
    "section.edits",
    { "aria-label": "edits" },
    h("h2", {}, "Your changes"),
    h(
      "p.tools",
      {},
      h("button", { "data-key": "undo", disabled: !page.store.undoable, onclick: () => page.store.undo() }, "undo"),
      h(
        "button",
        { "data-key": "redo", disabled: !page.store.future.length, onclick: () => page.store.redo() },
        "redo",
      ),
      h("button", { "data-key": "save", disabled: !all.length, onclick: () => save(page) }, "save"),
      h("button", { "data-key": "load", onclick: () => load(page) }, "load"),
      page.host.can.ask && (all.length || page.state.token_ids)
        ? h("button", { "data-key": "rewrite", onclick: () => rewrite(page) }, "write anew with these changes")
        : null,
    ),
    effect(page),
    page.state.token_ids
      ? h(
          "p",
          {},
          page.written === JSON.stringify(page.state.token_ids)
            ? "This text was written with the changes. "
            : "Other words stand in the text. ",
          h("button.link", { "data-key": "own words", onclick: () => page.store.ask({ token_ids: null }) }, "take out"),
        )
      : null,
    all.length
      ? h(
          "ol",
          {},
          all.map((edit, i) =>
            h(
              "li",
              {},
              describe(page.answer, edit),
              " ",
              h(
                "button.link",
                {
                  "data-key": `take out ${i}`,
                  "aria-label": `take out change ${i + 1}`,
                  onclick: () => page.store.ask({ edits: all.filter((_, other) => other !== i) }),
                },
                "take out",
              ),
            ),
          ),
        )
      : page.state.token_ids
        ? null
        : h("p.hint", {}, "None yet."),
  );
}

/**
 * A change in words: what, where, and the new number.
 *
 * @param {Doc | null} doc
 * @param {Placed} edit
 */
function describe(doc, { path, step = "", where: place, op = "set", value, call }) {
  const [, head, ...rest] = place;
  const whole = rest.every((index) => index === null);
  const station = doc && findStation(doc, path);
  const of = station?.kind === "act" ? `${spoken(path)}, head ${head}` : spoken(path);
  if (step === "context" && whole && value === 0) return `${of}: switched off`;
  if (step === "masked" && whole && Array.isArray(value)) return `${of}: averaged`;
  const verb = { set: "=", add: "+", multiply: "·" }[op];
  const done = `${verb} ${Array.isArray(value) ? "…" : value}${call === null || call === undefined ? "" : ` at step ${call}`}`;
  const [row, column] = rest;
  const ofWeights = doc && station?.kind === "act" && !["q", "k", "v", "context"].includes(step);
  if (ofWeights && typeof row === "number" && typeof column === "number") {
    const name = (/** @type {string} */ axis, /** @type {number} */ index) =>
      visible(labelled(doc, axis, index + 1)[index]);
    return `${of}, ${step}: “${name(station.rows, call ?? row)}” looks at “${name(station.columns, column)}” ${verb} ${value}`;
  }
  const at = place
    .slice(1)
    .map((index) => (index === null ? "all" : Array.isArray(index) ? `${index[0]} to ${index[1] - 1}` : index))
    .join(", ");
  return `${spoken(path)}${step ? `, ${step}` : ""} [${at}] ${done}`;
}
