/**
 * The way through the model: stacks side by side, their blocks one below the other; a step opens in place.
 *
 * @import { Doc, Kind, Matrix, Numbers, Open, Station, ValuesOf, Window } from "./types.js"
 * @import { Page } from "./page.js"
 *
 * @typedef {Object} View what is open, read
 * @property {Matrix} given - its window
 * @property {Window} want - what was asked for it
 * @property {number | null} head
 * @property {number} heads
 * @property {string} step
 * @property {number[]} total - rows and columns of the whole
 * @property {number[]} size - rows and columns of the window
 * @property {boolean} large - whether the window is not the whole
 * @property {Numbers} whole - the whole as a picture
 */
import { average, switchHead, switchedOff } from "./changes.js";
import { h, labelled, number, query } from "./dom.js";
import { byWord, groups, lines, multiples } from "./heads.js";
import { WINDOW, largest, matrix, picture, range } from "./matrix.js";
import { revise } from "./revise.js";
import { findStation, isOfKeys, stationOf } from "./stations.js";
import { meaningOf, meaningOfRole, spoken } from "./words.js";

/**
 * What an act holds in the place of what was projected.
 *
 * @type {Record<string, string>}
 */
const HELD = { q: "q, turned by position", k: "k, turned by position", v: "v, mixed with the first block's" };
/** @type {readonly string[]} */
export const STEPS = ["similarities", "scaled", "biased", "masked", "weights", "context"];
/** @type {Record<string, string>} */
const PARTS = {
  "": "",
  self_attention: "self-attention",
  cross_attention: "cross-attention",
  feed_forward: "feed-forward",
  forwards: "from the first token",
  backwards: "from the last token",
};
/** @type {Record<string, string>} */
const SHORT = {
  token_embeddings: "token embeddings",
  embedded: "embedded",
  resid_in: "x",
  resid_mid: "x + attention",
  resid_cross: "x + cross",
  resid_out: "x + feed-forward",
  context: "context",
  out: "projected",
  hidden: "hidden",
  states: "states",
  q: "q",
  k: "k",
  v: "v",
  logits: "logits",
};
const WHOLE = 40; // a matrix of at most so many rows and columns is drawn whole
const LINED = 64; // tokens between which lines are drawn

/** Whether a step's columns are a head's own numbers: those of the others are the keys. */
const hasOwnColumns = (/** @type {string} */ step) => ["q", "k", "v", "context"].includes(step);

/**
 * The stacks, blocks and steps of a document.
 *
 * @param {Page} page
 */
export function way(page) {
  const stacks = [...new Set(page.doc.stations.map((station) => station.stack))];
  return h(
    "div.stacks",
    {},
    stacks.map((stack) => {
      const own = page.doc.stations.filter((station) => station.stack === stack);
      const blocks = [...new Set(own.map((station) => station.block))];
      // What stands before the first block and after the last is in no block: shown where it comes in the pass.
      const first = own.findIndex((station) => station.block !== null);
      const before = own.filter((station, i) => station.block === null && (first < 0 || i < first));
      const after = own.filter((station, i) => station.block === null && first >= 0 && i > first);
      return h(
        `section.stack${stack ? "" : ".last"}`,
        { "aria-label": stack || "output" },
        h("h2", { title: meaningOf(stack) }, stack || "output"),
        section(page, before),
        blocks
          .filter((block) => block !== null)
          .map((block) =>
            h(
              "section.block",
              { "aria-label": `${stack} block ${block}` },
              h("h3", { title: meaningOf("block") }, `block ${block}`),
              section(
                page,
                own.filter((station) => station.block === block),
              ),
            ),
          ),
        section(page, after),
      );
    }),
  );
}

/**
 * Stations in a row of steps for each part.
 *
 * @param {Page} page
 * @param {Station[]} stations
 */
function section(page, stations) {
  /** @type {{part: string, stations: Station[]}[]} */
  const parts = [];
  for (const station of stations) {
    const part = station.path.includes(`${station.part}.`) && station.part ? station.part : "";
    if (parts.at(-1)?.part !== part) parts.push({ part, stations: [] });
    parts.at(-1)?.stations.push(station);
  }
  const { open } = page.state;
  return parts.map(({ part, stations: some }) =>
    h(
      `div.part${part ? `.${part}` : ""}`,
      {},
      part
        ? h("h4", { title: meaningOf(PARTS[part] ?? part) }, PARTS[part] ?? part.replace("layers.", "layer "))
        : null,
      some.filter((station) => station.kind === "act").map((station) => heads(page, station)),
      h(
        "div.steps",
        {},
        some.flatMap((station) => chips(page, station)),
      ),
      open && some.some((station) => station.path === open.path)
        ? h("div.opened", { id: "opened", "data-key": `opened ${open.path}`, "data-filled": "apart" })
        : null,
    ),
  );
}

/**
 * @param {Page} page
 * @param {Station} station
 */
function chips(page, station) {
  const { open } = page.state;
  const chip = (/** @type {string} */ name, /** @type {string} */ step) => {
    const chosen = open?.path === station.path && (open.step ?? "") === step;
    return h(
      `button.step${chosen ? ".open" : ""}${touched(page, station.path, step) ? ".edited" : ""}`,
      {
        title: meaningOf(wordOf(page, station, step)),
        "aria-expanded": chosen ? "true" : "false",
        "data-key": `step ${station.path} ${step}`,
        onclick: () => page.show(chosen ? null : { path: station.path, step, head: open?.head ?? 0 }),
      },
      name,
    );
  };
  if (station.kind === "act") {
    const { biased, placed } = page.doc.heads[station.path];
    return [
      ...placed.map((step) => chip(HELD[step], step)),
      ...STEPS.filter((step) => biased || step !== "biased").map((step) => chip(step, step)),
    ];
  }
  const last = lastOf(station.path);
  if (last === "context") return []; // the act's own step shows it
  const word = wordOf(page, station);
  return [
    chip(
      word === "positions"
        ? "+ positions"
        : ["norm", "out", "what it adds"].includes(word)
          ? word
          : (SHORT[last] ?? word),
      "",
    ),
  ];
}

/** @type {(path: string) => string} */
const lastOf = (path) => path.slice(path.lastIndexOf(".") + 1);

/**
 * Which of the page's words says what a station or a step of an act is.
 *
 * @param {Page} page
 * @param {Station} station
 * @param {string} [step]
 */
function wordOf(page, station, step = "") {
  if (station.kind === "act")
    return page.doc.heads[station.path].placed.some((name) => name === step) ? HELD[step] : step;
  const last = lastOf(station.path);
  if (last.startsWith("resid_")) return "residual stream";
  if (last.endsWith("_normed") || (last === "out" && station.formula?.kind === "norm")) return "norm";
  if (last === "out" && station.part) return station.part === "feed_forward" ? "what it adds" : "projected";
  if (last === "embedded" && station.formula?.kind === "positions") return "positions";
  return last === "token_embeddings" ? "embedding" : last.replace("_gate", " gate");
}

/** @type {(page: Page, path: string, step: string) => boolean} */
const touched = (page, path, step) => page.state.edits.some((edit) => edit.path === path && (edit.step ?? "") === step);

/**
 * @param {Page} page
 * @param {Station} station
 */
function heads(page, station) {
  const { open } = page.state;
  return multiples({
    path: station.path,
    about: page.doc.heads[station.path],
    open: open?.path === station.path ? open.head : null,
    off: switchedOff(page, station.path),
    roles: page.roles?.[station.path],
    sharpest: page.sharpest,
    pick: (head) =>
      page.show({ path: station.path, step: open?.path === station.path && open.step ? open.step : "weights", head }),
  });
}

/**
 * What is open: a matrix, what can be done with it, and for weights the lines between words.
 *
 * @param {Page} page
 */
export async function opened(page) {
  const box = query(page.root, "#opened");
  const { version } = page;
  const { open, cell } = page.state;
  const station = open && findStation(page.doc, open.path);
  if (!box || !station) return;
  const view = await read(page, station, open);
  const between = await wordWeights(page, station, view);
  if (page.version !== version) return; // something else was asked meanwhile
  revise(box, () => [
    title(page, station, view),
    wholePicture(view),
    matrix(view.given),
    between && words(page, station, between),
  ]);
  if (page.walked && cell) query(box, `[data-row="${cell[0]}"][data-column="${cell[1]}"]`)?.focus();
  page.walked = false;
  if (station.kind === "act") prove(page, view, box);
}

/**
 * The proof is as much work as the picture: it comes into its place when it is there, and nothing waits for it.
 *
 * @param {Page} page
 * @param {View} view
 * @param {Element} box
 */
async function prove(page, { want }, box) {
  const { version } = page;
  const asked = page.answers({ kind: "proof", path: want.path, head: want.head ?? 0 });
  const shown = await asked.then(
    ([{ proof }]) => number(proof, 2),
    (error) => error.message,
  );
  if (page.version === version) box.querySelector("[data-role='proof']")?.replaceChildren(shown);
}

/**
 * Reads the window of the open matrix, the whole as a picture where it is larger, and the numbers without edits.
 *
 * @param {Page} page
 * @param {Station} station
 * @param {Open} open
 * @returns {Promise<View>}
 */
async function read(page, station, open) {
  const { cell } = page.state;
  const act = station.kind === "act";
  const heads = act ? station.shape[0] : station.shape.length > 2 ? station.shape[0] : 0;
  const head = heads ? Math.min(open.head ?? 0, heads - 1) : null;
  const step = act ? open.step || "weights" : "";
  const total = shapeOf(page.doc, station, step);
  const size = total.every((n) => n <= WHOLE) ? total : total.map((n, axis) => Math.min(n, WINDOW[axis]));
  const first = (open.first ?? [0, 0]).map((x, axis) => Math.max(0, Math.min(total[axis] - size[axis], x)));
  /** @type {Window} */
  const want = {
    kind: "values",
    path: open.path,
    step,
    head,
    rows: [first[0], first[0] + size[0]],
    columns: [first[1], first[1] + size[1]],
  };
  /** @type {ValuesOf} */
  const pooled = { kind: "values", path: open.path, step, head, pooled: true };
  const large = size.some((n, axis) => n < total[axis]);
  /** @type {ValuesOf[]} */
  const wants = [want, large ? pooled : want];
  if (step === "weights") wants.push({ ...want, step: "masked" });
  const names = labels(page.doc.labels, station, step, total);
  const [[window, whole, masked], before, named] = await Promise.all([
    page.answers(...wants),
    page.elsewhere(want),
    vocabulary(page, station, names, first, size),
  ]);
  /** @type {Kind} */
  const kind = step === "weights" || station.path.endsWith("_gate") ? "share" : step === "masked" ? "masked" : "signed";
  const most = kind === "share" ? 1 : largest(whole.data);
  /** @type {Matrix} */
  const given = {
    title: act ? `${PARTS[station.part] || "attention"}: ${step}` : station.title,
    caption: `${spoken(station.path.replace(/\.[^.]*$/, ""))}${head === null ? "" : `, head ${head}`}: ${step || station.title}`,
    mask: masked?.data ?? null,
    data: window.data,
    shape: window.shape,
    first,
    total,
    kind,
    most,
    cell,
    labels: named,
    regions: labels(page.doc.regions, station, step, total),
    axes: axes(station, step),
    before: fitted(before, window.shape),
    than: page.than(),
    pick: (row, column) => page.pick([row, column], { first, size, total }),
    move: (start) => page.show({ ...open, first: start }),
  };
  return { given, want, head, heads, step, total, size, large, whole };
}

/**
 * A window of what it is compared with, laid into this shape; places that it does not have are NaN.
 *
 * @param {Numbers | null} before
 * @param {number[]} shape
 */
function fitted(before, [rows, columns]) {
  if (!before) return null;
  const [own, width] = before.shape;
  return Float64Array.from({ length: rows * columns }, (_, i) => {
    const [r, c] = [Math.floor(i / columns), i % columns];
    return r < own && c < width ? before.data[r * width + c] : NaN;
  });
}

/**
 * The rows and columns of a station, or of a step of its act.
 *
 * @param {Doc} doc
 * @param {Station} station
 * @param {string} step
 * @returns {number[]}
 */
export function shapeOf(doc, station, step) {
  if (station.kind !== "act") return station.shape.slice(-2);
  const [, queries, keys] = station.shape;
  const sibling = (/** @type {string} */ name) => stationOf(doc, station.path.replace(/attention$/, name)).shape;
  if (step === "q") return sibling("q").slice(-2);
  if (step === "k" || step === "v") return [keys, ...sibling(step).slice(-1)];
  if (step === "context") return sibling("context").slice(-2);
  return [queries, keys];
}

/**
 * Of the rows and the columns, where there is one for each: their texts, or their regions.
 *
 * @template T
 * @param {Record<string, T[]>} known
 * @param {Station} station
 * @param {string} step
 * @param {number[]} total
 */
function labels(known, station, step, total) {
  const rows = isOfKeys(step) ? station.columns : station.rows;
  const columns = station.kind === "act" ? (hasOwnColumns(step) ? "" : station.columns) : station.columns;
  const of = (/** @type {string} */ name, /** @type {number} */ axis) =>
    known[name]?.length === total[axis] ? known[name] : null;
  return [of(rows, 0), of(columns, 1)];
}

/**
 * The entries of the vocabulary that the window shows have their texts.
 *
 * @param {Page} page
 * @param {Station} station
 * @param {(string[] | null)[]} names
 * @param {number[]} first
 * @param {number[]} size
 */
async function vocabulary(page, station, names, first, size) {
  if (station.columns !== "vocabulary") return names;
  const [{ names: texts }] = await page.answers({ kind: "names", first: first[1], last: first[1] + size[1] });
  /** @type {string[]} */
  const sparse = [];
  texts.forEach((text, i) => {
    sparse[first[1] + i] = text;
  });
  return [names[0], sparse];
}

/**
 * @param {Station} station
 * @param {string} step
 */
function axes(station, step) {
  if (station.kind === "act" && !hasOwnColumns(step)) return ["query, looks", "key, looked at"];
  if (isOfKeys(step)) return ["key", "number"];
  return [
    station.kind === "act" ? "query" : "token",
    station.columns === "vocabulary" ? "entry of the vocabulary" : "number",
  ];
}

/**
 * @param {Page} page
 * @param {Station} station
 * @param {View} view
 */
function title(page, station, view) {
  const open = page.state.open ?? { path: station.path };
  const head = view.head ?? 0;
  const pages =
    view.heads > 1
      ? h(
          "span.pages",
          {},
          h(
            "button",
            {
              "data-key": "head before",
              "aria-label": "head before",
              disabled: head === 0,
              onclick: () => page.show({ ...open, head: head - 1 }),
            },
            "‹",
          ),
          ` head ${head} `,
          h(
            "button",
            {
              "data-key": "next head",
              "aria-label": "next head",
              disabled: head === view.heads - 1,
              onclick: () => page.show({ ...open, head: head + 1 }),
            },
            "›",
          ),
        )
      : null;
  const compared = view.step === "similarities" ? SIMILARITIES[page.doc.heads[open.path]?.score] : null;
  const masked = view.step === "masked" && !page.doc.heads[open.path]?.biased ? "scaled + (0 or −∞)" : null;
  const formula = station.kind === "act" ? (compared ?? masked ?? FORMULAS[view.step]) : station.formula?.text;
  const role = page.roles?.[open.path]?.[head];
  return h(
    "div.title",
    {},
    h("p", {}, h("b", {}, view.given.title), " ", pages, h("code.formula", {}, formula ?? "")),
    h(
      "p.hint.about",
      {},
      sentence(meaningOf(wordOf(page, station, view.step))),
      role ? ` This head: ${role}. ${sentence(meaningOfRole(role))}` : null,
    ),
    station.kind === "act"
      ? h(
          "p.tools",
          {},
          h(
            "button",
            { "data-key": "off", onclick: () => switchHead(page, open.path, head) },
            switchedOff(page, open.path).has(head) ? "switch this head on" : "switch this head off",
          ),
          h(
            "button",
            { "data-key": "average", onclick: () => average(page, station, head) },
            "average it: equal weights",
          ),
          page.figureButtons(view),
          h(
            "span.proof",
            { title: meaningOf("max |weights · v − context used|") },
            "max |weights · v − context used| = ",
            h("output", { "data-role": "proof" }, "…"),
          ),
        )
      : h("p.tools", {}, page.figureButtons(view)),
  );
}

/** A sentence begins with a capital letter. */
const sentence = (/** @type {string} */ text) => (text ? `${text[0].toUpperCase()}${text.slice(1)}.` : "");

/** @type {Record<string, string>} */
const FORMULAS = {
  q: "q, turned by an angle for each position",
  k: "k, turned by an angle for each position",
  v: "own · v + shared · the first block's v",
  similarities: "q · k",
  scaled: "similarities / √head_dim",
  biased: "scaled + bias",
  masked: "biased + (0 or −∞)",
  weights: "softmax of each row of masked",
  context: "weights · v",
};

/** @type {Record<string, string>} */
const SIMILARITIES = {
  cosine: "q · k / (|q| |k|)",
  bilinear: "q W k",
  additive: "v · tanh(W_q q + W_k k), or q and k as they are",
};

/** @param {View} view */
function wholePicture(view) {
  if (!view.large) return null;
  const { given } = view;
  return picture({ ...given, data: view.whole.data, shape: view.whole.shape, window: view.size });
}

/**
 * The weights of the open head, or of all, where there are few enough for lines between words.
 *
 * @param {Page} page
 * @param {Station} station
 * @param {View} view
 */
async function wordWeights(page, station, { want, step, head: open }) {
  const [, queries, keys] = station.shape;
  if (station.kind !== "act" || step !== "weights" || queries > LINED || keys > LINED) return null;
  const chosen = page.all ? range(station.shape[0]) : [open ?? 0];
  return {
    chosen,
    found: await page.answers(
      ...chosen.map((head) => /** @type {Window} */ ({ ...want, head, rows: [0, queries], columns: [0, keys] })),
    ),
  };
}

/**
 * Lines between words for these weights.
 *
 * @param {Page} page
 * @param {Station} station
 * @param {{chosen: number[], found: Numbers[]}} between
 */
function words(page, station, { chosen, found }) {
  const { doc } = page;
  const { cell, level, threshold, specials } = page.state;
  const [, queries, keys] = station.shape;
  let tables = found.map(({ data }) => range(queries).map((r) => [...data.slice(r * keys, (r + 1) * keys)]));
  let [rows, columns] = [labelled(doc, station.rows, queries), labelled(doc, station.columns, keys)];
  const asks = cell?.[0] ?? null;
  let row = asks;
  const of = [doc.words[station.rows], doc.words[station.columns]];
  if (level === "words" && of.every(Boolean)) {
    tables = tables.map((table) => byWord(table, of[0], of[1]));
    const merged = (/** @type {string[]} */ label, /** @type {(number | null)[]} */ ids) =>
      groups(ids).map((group) => group.map((i) => label[i]).join(""));
    if (asks !== null) row = groups(of[0]).findIndex((group) => group.includes(asks));
    [rows, columns] = [merged(rows, of[0]), merged(columns, of[1])];
  }
  if (!specials) {
    const kept = [rows, columns].map((label) => range(label.length).filter((i) => !/^<.*>$/.test(label[i])));
    tables = tables.map((table) => kept[0].map((r) => kept[1].map((c) => table[r][c])));
    row = row === null ? null : kept[0].indexOf(row);
    [rows, columns] = [kept[0].map((i) => rows[i]), kept[1].map((i) => columns[i])];
  }
  if (row === -1) row = null;
  return h(
    "div.words",
    {},
    h(
      "p.tools",
      {},
      h(
        "label",
        {},
        h("input", { type: "checkbox", checked: page.all, "data-key": "all heads", onchange: () => page.toggleAll() }),
        " all heads, a colour each",
      ),
      h(
        "label",
        {},
        h("input", {
          type: "checkbox",
          checked: level === "words",
          "data-key": "words",
          onchange: () => page.store.set({ level: level === "words" ? "pieces" : "words" }),
        }),
        " whole words",
      ),
      h(
        "label",
        {},
        h("input", {
          type: "checkbox",
          checked: !specials,
          "data-key": "specials",
          onchange: () => page.store.set({ specials: !specials }),
        }),
        " without special tokens",
      ),
      h(
        "label",
        {},
        "at least ",
        h("input", {
          type: "range",
          min: "0",
          max: "0.5",
          step: "0.01",
          value: String(threshold),
          "data-key": "threshold",
          "aria-label": "least weight that is drawn",
          onchange: (event) => page.store.set({ threshold: Number(event.target.value) }),
        }),
        ` ${Math.round(100 * threshold)} %`,
      ),
    ),
    lines({
      weights: tables,
      heads: chosen,
      rows,
      columns,
      row,
      threshold,
      title: "which token looks at which: queries below, keys above",
      pick: (i) => (level === "pieces" && specials ? page.pick([i, 0]) : undefined),
    }),
  );
}
