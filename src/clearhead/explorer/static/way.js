/** The way through the model: stacks side by side, their blocks one below the other; a step opens in place. */
import { h, labelled, number } from "./dom.js";
import { byWord, groups, lines, multiples } from "./heads.js";
import { WINDOW, largest, matrix, picture, range } from "./matrix.js";
import { revise } from "./revise.js";
import { spoken, told, toldRole } from "./words.js";

/** What an act holds in the place of what was projected. */
const HELD = { q: "q, turned by position", k: "k, turned by position", v: "v, mixed with the first block's" };
export const STEPS = ["similarities", "scaled", "biased", "masked", "weights", "context"];
const PARTS = {
  "": "",
  self_attention: "self-attention",
  cross_attention: "cross-attention",
  feed_forward: "feed-forward",
  forwards: "from the first token",
  backwards: "from the last token",
};
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

/** The stacks, blocks and steps of a document. */
export function way(page) {
  const stacks = [...new Set(page.doc.stations.map((station) => station.stack))];
  return h(
    "div.stacks",
    {},
    stacks.map((stack) => {
      const own = page.doc.stations.filter((station) => station.stack === stack);
      const blocks = [...new Set(own.map((station) => station.block))];
      // What stands before the first block and behind the last is in no block: shown where it comes in the pass.
      const first = own.findIndex((station) => station.block !== null);
      const before = own.filter((station, i) => station.block === null && (first < 0 || i < first));
      const behind = own.filter((station, i) => station.block === null && first >= 0 && i > first);
      return h(
        `section.stack${stack ? "" : ".last"}`,
        { "aria-label": stack || "output" },
        h("h2", { title: told(stack) }, stack || "output"),
        section(page, before),
        blocks
          .filter((block) => block !== null)
          .map((block) =>
            h(
              "section.block",
              { "aria-label": `${stack} block ${block}` },
              h("h3", { title: told("block") }, `block ${block}`),
              section(
                page,
                own.filter((station) => station.block === block),
              ),
            ),
          ),
        section(page, behind),
      );
    }),
  );
}

/** Stations in a row of steps for each part. */
function section(page, stations) {
  const parts = [];
  for (const station of stations) {
    const part = station.path.includes(`${station.part}.`) && station.part ? station.part : "";
    if (parts.at(-1)?.part !== part) parts.push({ part, stations: [] });
    parts.at(-1).stations.push(station);
  }
  return parts.map(({ part, stations: some }) =>
    h(
      `div.part${part ? `.${part}` : ""}`,
      {},
      part ? h("h4", { title: told(PARTS[part] ?? part) }, PARTS[part] ?? part.replace("layers.", "layer ")) : null,
      some.filter((station) => station.kind === "act").map((station) => heads(page, station)),
      h(
        "div.steps",
        {},
        some.flatMap((station) => chips(page, station)),
      ),
      some.some((station) => station.path === page.state.open?.path)
        ? h("div.opened", { id: "opened", "data-key": `opened ${page.state.open.path}`, "data-filled": "apart" })
        : null,
    ),
  );
}

function chips(page, station) {
  const { open } = page.state;
  const chip = (name, step) => {
    const chosen = open?.path === station.path && (open.step ?? "") === step;
    return h(
      `button.step${chosen ? ".open" : ""}${touched(page, station.path, step) ? ".edited" : ""}`,
      {
        title: told(wordOf(page, station, step)),
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
  const last = station.path.split(".").at(-1);
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

/** Which of the page's words says what a station or a step of an act is. */
function wordOf(page, station, step = "") {
  if (station.kind === "act") return page.doc.heads[station.path].placed.includes(step) ? HELD[step] : step;
  const last = station.path.split(".").at(-1);
  if (last.startsWith("resid_")) return "residual stream";
  if (last.endsWith("_normed") || (last === "out" && station.formula?.kind === "norm")) return "norm";
  if (last === "out" && station.part) return station.part === "feed_forward" ? "what it adds" : "projected";
  if (last === "embedded" && station.formula?.kind === "positions") return "positions";
  return last === "token_embeddings" ? "embedding" : last.replace("_gate", " gate");
}

const touched = (page, path, step) => page.state.edits.some((edit) => edit.path === path && (edit.step ?? "") === step);

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

/** The heads whose whole context is set to 0. */
export function switchedOff(page, path) {
  return new Set(
    page.state.edits
      .filter((edit) => edit.path === path && edit.step === "context" && edit.value === 0 && edit.where.length === 2)
      .map((edit) => edit.where[1]),
  );
}

/** What is open: a matrix, what can be done with it, and for weights the lines between words. */
export async function opened(page) {
  const box = page.root.querySelector("#opened");
  const { version } = page;
  const { open, cell } = page.state;
  if (!box || !open) return;
  const station = page.doc.stations.find((one) => one.path === open.path);
  const view = await read(page, station);
  const between = await wordWeights(page, station, view);
  if (page.version !== version) return; // something else was asked meanwhile
  revise(box, () => [
    title(page, station, view),
    wholePicture(view),
    matrix(view.given),
    between && words(page, station, between),
    view.note,
  ]);
  if (page.walked && cell) box.querySelector(`[data-row="${cell[0]}"][data-column="${cell[1]}"]`)?.focus();
  page.walked = false;
  if (station.kind === "act") prove(page, view, box);
}

/** The proof is as much work as the picture: it comes into its place when it is there, and nobody waits for it. */
async function prove(page, { want }, box) {
  const { version } = page;
  const asked = page.host.values(page.question, [{ path: want.path, head: want.head, kind: "proof" }]);
  const told = await asked.then(
    ([{ proof }]) => number(proof, 2),
    (error) => error.message,
  );
  if (page.version === version) box.querySelector("[data-role='proof']")?.replaceChildren(told);
}

/** Reads the window of the open matrix, the whole as a picture where it is larger, and the numbers without edits. */
async function read(page, station) {
  const { open, cell } = page.state;
  const act = station.kind === "act";
  const heads = act ? station.shape[0] : station.shape.length > 2 ? station.shape[0] : 0;
  const head = heads ? Math.min(open.head ?? 0, heads - 1) : null;
  const step = act ? open.step || "weights" : "";
  const total = shapeOf(page.doc, station, step);
  const size = total.every((n) => n <= WHOLE) ? total : total.map((n, axis) => Math.min(n, WINDOW[axis]));
  const first = (open.first ?? [0, 0]).map((x, axis) => Math.max(0, Math.min(total[axis] - size[axis], x)));
  const want = {
    path: open.path,
    step,
    head,
    rows: [first[0], first[0] + size[0]],
    columns: [first[1], first[1] + size[1]],
  };
  const pooled = { path: open.path, step, head, pooled: true };
  const large = size.some((n, axis) => n < total[axis]);
  const [[window, whole, mask], before] = await Promise.all([
    page.host.values(page.question, [
      want,
      large ? pooled : want,
      ...(step === "weights" ? [{ ...want, step: "masked" }] : []),
    ]),
    page.elsewhere(want),
  ]);
  const kind = step === "weights" || station.path.endsWith("_gate") ? "share" : step === "masked" ? "masked" : "signed";
  const most = kind === "share" ? 1 : largest(whole.data);
  const names = labels(page.doc.labels, station, step, total);
  const given = {
    title: act ? `${PARTS[station.part] || "attention"}: ${step}` : station.title,
    caption: `${spoken(station.path.replace(/\.[^.]*$/, ""))}${head === null ? "" : `, head ${head}`}: ${step || station.title}`,
    mask: mask?.data ?? null,
    data: window.data,
    shape: window.shape,
    first,
    total,
    kind,
    most,
    cell,
    labels: await vocabulary(page, station, names, first, size),
    regions: labels(page.doc.regions, station, step, total),
    axes: axes(station, step),
    before: fitted(before, window.shape),
    than: page.than(),
    pick: (row, column) => page.pick([row, column], size, total, first),
    move: (start) => page.show({ ...open, first: start }),
  };
  return { given, want, head, heads, step, total, size, large, whole };
}

/** A window of what it is compared with, laid into this shape; places that it does not have are no numbers. */
function fitted(before, [rows, columns]) {
  if (!before) return null;
  const [own, width] = before.shape;
  return Float64Array.from({ length: rows * columns }, (_, i) => {
    const [r, c] = [Math.floor(i / columns), i % columns];
    return r < own && c < width ? before.data[r * width + c] : NaN;
  });
}

/** The rows and columns of a station, or of a step of its act. */
export function shapeOf(doc, station, step) {
  if (station.kind !== "act") return station.shape.slice(-2);
  const [, queries, keys] = station.shape;
  const sibling = (name) => doc.stations.find((one) => one.path === station.path.replace(/attention$/, name)).shape;
  if (step === "q") return sibling("q").slice(-2);
  if (step === "k" || step === "v") return [keys, sibling(step).at(-1)];
  if (step === "context") return sibling("context").slice(-2);
  return [queries, keys];
}

/** Of the rows and the columns, where there is one for each: their texts, or their regions. */
function labels(known, station, step, total) {
  const rows = step === "k" || step === "v" ? station.columns : station.rows;
  const columns =
    station.kind === "act" ? (["q", "k", "v", "context"].includes(step) ? "" : station.columns) : station.columns;
  const of = (name, axis) => (known[name]?.length === total[axis] ? known[name] : null);
  return [of(rows, 0), of(columns, 1)];
}

/** The entries of the vocabulary that the window shows have their texts. */
async function vocabulary(page, station, names, first, size) {
  if (station.columns !== "vocabulary") return names;
  const [{ names: texts }] = await page.host.values(page.question, [
    { path: "", kind: "names", columns: [first[1], first[1] + size[1]] },
  ]);
  const sparse = [];
  texts.forEach((text, i) => {
    sparse[first[1] + i] = text;
  });
  return [names[0], sparse];
}

function axes(station, step) {
  if (station.kind === "act" && !["q", "k", "v", "context"].includes(step)) return ["query, looks", "key, looked at"];
  if (step === "k" || step === "v") return ["key", "number"];
  return [
    station.kind === "act" ? "query" : "token",
    station.columns === "vocabulary" ? "entry of the vocabulary" : "number",
  ];
}

function title(page, station, view) {
  const { open } = page.state;
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
              disabled: view.head === 0,
              onclick: () => page.show({ ...open, head: view.head - 1 }),
            },
            "‹",
          ),
          ` head ${view.head} `,
          h(
            "button",
            {
              "data-key": "next head",
              "aria-label": "next head",
              disabled: view.head === view.heads - 1,
              onclick: () => page.show({ ...open, head: view.head + 1 }),
            },
            "›",
          ),
        )
      : null;
  const compared = view.step === "similarities" ? SIMILARITIES[page.doc.heads[open.path]?.score] : null;
  const masked = view.step === "masked" && !page.doc.heads[open.path]?.biased ? "scaled + (0 or −∞)" : null;
  const formula = station.kind === "act" ? (compared ?? masked ?? FORMULAS[view.step]) : station.formula?.text;
  const role = page.roles?.[open.path]?.[view.head];
  return h(
    "div.title",
    {},
    h("p", {}, h("b", {}, view.given.title), " ", pages, h("code.formula", {}, formula ?? "")),
    h(
      "p.hint.about",
      {},
      sentence(told(wordOf(page, station, view.step))),
      role ? ` This head: ${role}. ${sentence(toldRole(role))}` : null,
    ),
    station.kind === "act"
      ? h(
          "p.tools",
          {},
          h(
            "button",
            { "data-key": "off", onclick: () => page.switchHead(open.path, view.head) },
            switchedOff(page, open.path).has(view.head) ? "switch this head on" : "switch this head off",
          ),
          h(
            "button",
            { "data-key": "average", onclick: () => page.average(station, view.head) },
            "average it: equal weights",
          ),
          page.figureButtons?.(view, station),
          h(
            "span.proof",
            { title: told("max |weights · v − context used|") },
            "max |weights · v − context used| = ",
            h("output", { "data-role": "proof" }, "…"),
          ),
        )
      : h("p.tools", {}, page.figureButtons?.(view, station)),
  );
}

/** A sentence begins with a capital letter. */
const sentence = (text) => (text ? `${text[0].toUpperCase()}${text.slice(1)}.` : "");

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

const SIMILARITIES = {
  cosine: "q · k / (|q| |k|)",
  bilinear: "q W k",
  additive: "v · tanh(W_q q + W_k k), or q and k as they are",
};

function wholePicture(view) {
  if (!view.large) return null;
  const { given } = view;
  return picture({ ...given, data: view.whole.data, shape: view.whole.shape, window: view.size });
}

/** The weights of the open head, or of all, where there are few enough for lines between words. */
async function wordWeights(page, station, { want }) {
  const { open } = page.state;
  const [, queries, keys] = station.shape;
  if (station.kind !== "act" || (open.step || "weights") !== "weights" || queries > LINED || keys > LINED) return null;
  const chosen = page.all ? range(station.shape[0]) : [open.head ?? 0];
  return {
    chosen,
    found: await page.host.values(
      page.question,
      chosen.map((head) => ({ ...want, head, rows: [0, queries], columns: [0, keys] })),
    ),
  };
}

/** Lines between words for these weights. */
function words(page, station, { chosen, found }) {
  const { doc } = page;
  const { cell, level, threshold, specials } = page.state;
  const [, queries, keys] = station.shape;
  let tables = found.map(({ data }) => range(queries).map((r) => [...data.slice(r * keys, (r + 1) * keys)]));
  let [rows, columns] = [labelled(doc, station.rows, queries), labelled(doc, station.columns, keys)];
  let row = cell?.[0] ?? null;
  const of = [doc.words[station.rows], doc.words[station.columns]];
  if (level === "words" && of.every(Boolean)) {
    tables = tables.map((table) => byWord(table, ...of));
    const merged = (label, ids) => groups(ids).map((group) => group.map((i) => label[i]).join(""));
    if (row !== null) row = groups(of[0]).findIndex((group) => group.includes(row));
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
      title: "who looks at whom: below, who asks",
      pick: (i) => level === "pieces" && specials && page.pick([i, 0]),
    }),
  );
}
