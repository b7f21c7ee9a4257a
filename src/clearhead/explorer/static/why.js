/**
 * What was written, and why: the candidates of a place, where it looked, and what would have happened without.
 *
 * @import { ByLabel, Candidate, Child, Contribution, Cuts, Doc, LensRow, Move, Output, QuestionOf } from "./types.js"
 * @import { Page } from "./page.js"
 */
import { replaceLooked, replaceToken, rowOf, take, withoutBest } from "./changes.js";
import { faded, h, number, percent, visible } from "./dom.js";
import { mark, moves } from "./effect.js";
import { groups, lines } from "./heads.js";
import { range } from "./matrix.js";
import { region } from "./regions.js";
import { stationOf } from "./stations.js";
import { meaningOf } from "./words.js";

const MANY = 40; // tokens that are counted
const SHOWN = 8; // candidates that are named

/**
 * The tokens of the texts as buttons; what is written can be asked why.
 *
 * @param {Page} page
 */
export function sentences(page) {
  const names = Object.keys(page.doc.labels);
  if (!names.length) return null;
  const moved = new Map(moves(page).map((move) => [move.row, move]));
  return h(
    "div.sentences",
    {},
    names.map((name) => {
      const written = name === names.at(-1);
      const labels = page.doc.labels[name];
      return h(
        "div.sentence",
        {},
        h(
          "span.name",
          {},
          side(page.doc.labels, name),
          labels.length > MANY ? h("span.count", {}, `${labels.length} tokens`) : null,
        ),
        h(
          "span.tokens.fades",
          { role: "group", "aria-label": name, onscroll: faded },
          labels.map((label, i) =>
            written ? outputToken(page, label, i, moved.get(i - 1)) : inputToken(page, name, label, i),
          ),
          written ? nextToken(page, labels.length) : null,
        ),
      );
    }),
    compared(page),
    h("p.hint", {}, hint(page, names)),
  );
}

/**
 * @param {Page} page
 * @param {string[]} names
 */
function hint({ doc }, names) {
  if (!doc.output.length) return "Open a step below to see its numbers.";
  if (names.length === 1) return "Choose a word to see what the model expected there, and why.";
  return "Choose a written word to see why it was written. Choose a word that was read to put another in its place. Open any step below to see its numbers, and change them.";
}

/**
 * The texts of what the numbers are compared with: there a word may have been read, or written, that is not here.
 *
 * @param {Page} page
 */
function compared(page) {
  if (!page.state.other || !page.before) return null;
  const { labels, regions } = page.before;
  if (JSON.stringify(labels) === JSON.stringify(page.doc.labels)) return null;
  return h(
    "div.compared",
    { role: "group", "aria-label": page.than() },
    h("p.hint", {}, `${page.than()} (numbers are compared place by place):`),
    Object.keys(labels).map((name) =>
      h(
        "div.sentence",
        {},
        h("span.name", {}, side(labels, name)),
        h(
          "span.tokens.fades",
          { role: "group", "aria-label": `${name} ${page.than()}`, onscroll: faded },
          labels[name].map((label, i) => h("span.token", {}, region(regions[name], i), visible(label))),
        ),
      ),
    ),
  );
}

/**
 * Which of the texts one is, in a word.
 *
 * @param {ByLabel<string>} labels
 * @param {string} name
 */
function side(labels, name) {
  const names = Object.keys(labels);
  if (names.length === 1) return "text";
  return name === names.at(-1) ? "written" : "read";
}

/**
 * @param {Page} page
 * @param {string} name
 * @param {string} label
 * @param {number} index
 */
function inputToken(page, name, label, index) {
  if (!page.doc.token_ids[name]) return h("span.token", {}, region(page.doc.regions[name], index), visible(label));
  return h(
    "button.token",
    {
      "data-key": `token ${name} ${index}`,
      title: "put another in its place",
      onclick: () => replaceToken(page, name, index),
    },
    visible(label),
  );
}

/**
 * A token of the written text: row - 1 predicted it.
 *
 * @param {Page} page
 * @param {string} label
 * @param {number} index
 * @param {Move | undefined} move
 */
function outputToken(page, label, index, move) {
  const row = index - 1;
  const now = page.doc.output.find((entry) => entry.row === row);
  const [open, marked] = [page.token === row, mark(move)];
  if (!now) return h("span.token.special", {}, region(Object.values(page.doc.regions).at(-1), index), visible(label));
  return h(
    `button.token.written${open ? ".open" : ""}${marked ? ".changed" : ""}`,
    {
      "data-key": `why ${row}`,
      "aria-pressed": open ? "true" : "false",
      "aria-label": `${visible(label)}: why was it written?${marked ? ` With your changes:${marked}.` : ""}`,
      style: { "--share": String(now.next?.probability ?? 1) },
      onclick: () => page.why(page.state.token === row ? null : row),
    },
    visible(label),
    marked ? h("span.now", {}, marked) : null,
  );
}

/**
 * What comes after the last token.
 *
 * @param {Page} page
 * @param {number} count
 */
function nextToken(page, count) {
  const entry = page.doc.output.find((one) => one.row === count - 1);
  if (!entry) return null;
  return h(
    `button.token.next${page.token === count - 1 ? ".open" : ""}`,
    {
      "data-key": `why ${count - 1}`,
      "aria-label": "what comes next?",
      onclick: () => page.why(page.state.token === count - 1 ? null : count - 1),
    },
    `${visible(entry.candidates[0].text)} ?`,
  );
}

/**
 * The row before the first written word that says much: one of four letters or more; else any word, or what comes next.
 *
 * @param {Doc} doc
 */
export function telling({ labels, words, output }) {
  const name = Object.keys(labels).at(-1) ?? "";
  const known = new Set(output.map(({ row }) => row));
  const written = groups(words[name] ?? [])
    .filter(([first]) => known.has(first - 1))
    .map((group) => ({ row: group[0] - 1, text: group.map((i) => labels[name][i]).join("") }));
  const found = [/^[^<]*\p{L}{4}/u, /^[^<]*\p{L}/u]
    .map((form) => written.find(({ text }) => form.test(text)))
    .find(Boolean);
  return found?.row ?? output.at(-1)?.row ?? null;
}

/**
 * The question that is answered above what is on the screen, and the way back to it.
 *
 * @param {Page} page
 */
export function question(page) {
  const entry = page.doc.output.find((one) => one.row === page.token);
  if (!entry) return null;
  const asked = entry.next ?? entry.candidates[0];
  return h(
    "button.link",
    { "data-key": "question", onclick: () => page.parts.why.scrollIntoView() },
    `Why “${visible(asked.text).trim()}”? ${percent(asked.probability)} ↑`,
  );
}

/**
 * The answer to: why was this written?
 *
 * @param {Page} page
 */
export async function why(page) {
  const { token: row } = page;
  if (row === null) return null;
  const entry = page.doc.output.find((one) => one.row === row);
  if (!entry) return null;
  const was = page.before?.output.find((one) => one.row === row);
  const asked = entry.next ?? entry.candidates[0];
  const names = Object.keys(page.doc.labels);
  const asks = page.doc.labels[names[names.length - 1]][row];
  const [[{ contributions, missing }], possible, where, lens] = await Promise.all([
    page.answers({ kind: "contributions", row, token: asked.id }),
    candidates(page, entry, was),
    looked(page, row),
    grown(page, row),
  ]);
  return h(
    "section.why",
    { "aria-label": "why" },
    h("h2", {}, `Why “${visible(asked.text).trim()}”?`),
    h(
      "p",
      {},
      `After “${visible(asks).trim()}” the model gave it `,
      h("b", {}, percent(asked.probability)),
      was ? ` (${page.than()} ${before(was, asked.id)})` : "",
      ".",
      entry.next && entry.candidates[0].id !== entry.next.id
        ? h(
            "span.now",
            {},
            ` More probable here was “${visible(entry.candidates[0].text).trim()}” (${percent(entry.candidates[0].probability)}).`,
          )
        : null,
    ),
    h("div.columns", {}, possible, where, pushed(page, row, asked, contributions, missing), lens),
    whatIf(page, row, contributions),
  );
}

/**
 * What the same word had in the pass that this one is compared with.
 *
 * @param {Output} was
 * @param {number} id
 */
function before({ candidates: best, next }, id) {
  const found = [...best, next].find((one) => one?.id === id);
  return found ? percent(found.probability) : "it is not among the first 8";
}

/**
 * The candidates as bars; with edits, the old beside the new.
 *
 * @param {Page} page
 * @param {Output} entry
 * @param {Output | undefined} was
 */
async function candidates(page, entry, was) {
  const old = new Map((was?.candidates ?? []).map((one) => [one.id, one.probability]));
  const known = (/** @type {number | undefined} */ share) =>
    share === undefined ? "not among the first 8" : percent(share);
  const rows = entry.candidates.map((one) =>
    h(
      "tr",
      {},
      h(
        "th",
        { scope: "row" },
        h(
          "button.link",
          {
            title: "write this one here and go on",
            "data-key": `take ${one.id}`,
            onclick: () => take(page, entry.row, one.id),
          },
          visible(one.text),
        ),
      ),
      h("td", {}, h("span.bar", { style: { "--share": String(one.probability) } }), percent(one.probability)),
      was ? h("td.old", {}, known(old.get(one.id))) : null,
      h("td.logit", {}, number(one.logit, 4)),
    ),
  );
  return h(
    "div.candidates",
    {},
    h("h3", {}, "What it could have written"),
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", {}, "candidate"),
          h("th", {}, "probability"),
          was ? h("th", {}, page.state.other ? "other" : "before") : null,
          h("th", { title: meaningOf("logits") }, "logit"),
        ),
      ),
      h("tbody", {}, rows),
    ),
    await sampling(page, entry).catch((error) => h("p.hint", {}, error.message)),
  );
}

/**
 * Sampling: what the cuts leave of the whole vocabulary, and one token drawn of it.
 *
 * @param {Page} page
 * @param {Output} entry
 */
async function sampling(page, entry) {
  const { top_k, top_p, min_p } = page.state;
  const cuts = { top_k, top_p, min_p };
  /** @type {(more: Cuts) => QuestionOf<"candidates">} */
  const asked = (more) => ({ kind: "candidates", row: entry.row, cuts: { ...cuts, ...more } });
  const [{ candidates: kept, left }] = await page.answers(asked({}));
  const size = stationOf(page.doc, "logits").shape.slice(-1)[0];
  /** @type {(name: string, value: number, given: Record<string, string>, change: (value: number) => void) => Child} */
  const field = (name, value, given, change) =>
    h(
      "label",
      { title: meaningOf(name) },
      `${name} `,
      h("input", {
        ...given,
        value: String(value),
        "data-key": name,
        "aria-label": name,
        onchange: (event) => change(Number(event.target.value)),
      }),
      given.type === "range" ? ` ${value}` : value ? null : " all",
    );
  /** @type {(name: string, value: number, least: number, most: number, change: (value: number) => void) => Child} */
  const slider = (name, value, least, most, change) =>
    field(name, value, { type: "range", min: String(least), max: String(most), step: String(least || 0.01) }, change);
  const some = kept
    .slice(0, SHOWN)
    .map((one) => `${visible(one.text)} ${percent(one.share)}`)
    .join(", ");
  return h(
    "div.sampling",
    {},
    slider("temperature", page.state.temperature, 0.1, 3, (value) => page.store.set({ temperature: value })),
    field("top k", cuts.top_k, { type: "number", min: "0", max: String(size), step: "1" }, (value) =>
      page.store.set({ top_k: Math.min(size, Math.max(0, Math.round(value))) }),
    ),
    slider("top p", cuts.top_p, 0.01, 1, (value) => page.store.set({ top_p: value })),
    slider("min p", cuts.min_p, 0, 1, (value) => page.store.set({ min_p: value })),
    h(
      "p",
      { "data-role": "left" },
      `left by the cuts: ${left} of ${size}${page.doc.forbidden.length ? ` (${page.doc.forbidden.length} special tokens are never written)` : ""}: ${some}${left > SHOWN ? ", …" : ""}`,
    ),
    h(
      "button",
      {
        "data-key": "draw",
        onclick: async () => {
          const [{ drawn }] = await page.once(asked({ chance: Math.random() }));
          if (drawn) take(page, entry.row, drawn.id);
        },
      },
      "draw one and write it here",
    ),
  );
}

/**
 * Where the row looked: the head in which alignments are read, or the mean of the last layers' heads.
 *
 * @param {Page} page
 * @param {number} row
 */
async function looked(page, row) {
  const acts = page.doc.stations.filter((station) => station.kind === "act");
  const cross = acts.filter((station) => station.part === "cross_attention");
  const head = page.doc.head;
  const station = cross.length ? cross[Math.min(head?.layer ?? cross.length - 1, cross.length - 1)] : acts.at(-1);
  if (!station) return null;
  const heads = cross.length && head?.head !== null && head?.head !== undefined ? [head.head] : range(station.shape[0]);
  const found = await page.answers(...heads.map((head) => rowOf(station.path, head, row)));
  const keys = station.shape[2];
  const mean = range(keys).map((c) => found.reduce((sum, { data }) => sum + data[c], 0) / heads.length);
  const columns = page.doc.labels[station.columns];
  const rows = page.doc.labels[station.rows];
  const near = groups(page.doc.words[station.columns] ?? columns.map(() => null)).map((group) => ({
    group,
    text: group.map((i) => columns[i]).join(""),
    share: group.reduce((sum, i) => sum + mean[i], 0),
  }));
  const most = [...near].sort((a, b) => b.share - a.share)[0];
  const where = heads.length === 1 ? `head ${heads[0]}` : "the mean of all heads";
  const there = (/** @type {number} */ one) => most.group.reduce((sum, i) => sum + found[one].data[i], 0);
  const first = heads.reduce((best, _, i) => (there(i) > there(best) ? i : best), 0); // the head that looked there most
  return h(
    "div.looked",
    {},
    h("h3", {}, "Where it looked"),
    h(
      "p",
      {},
      "Most at ",
      h("b", {}, `“${visible(most.text).trim()}”`),
      ` (${percent(most.share)}), in ${where} of ${station.stack ? `the ${station.stack}` : "the model"}${station.block === null ? "" : `'s block ${station.block}`}.`,
    ),
    keys <= 48
      ? lines({ weights: [[mean]], heads: [heads[0]], rows: [rows[row]], columns, title: "where it looked" })
      : h(
          "ol",
          {},
          [...near]
            .sort((a, b) => b.share - a.share)
            .slice(0, 8)
            .map((one) => h("li", {}, `${visible(one.text)} (token ${one.group[0]}) ${percent(one.share)}`)),
        ),
    h(
      "button.link",
      {
        "data-key": "open looked",
        onclick: () =>
          page.show({ path: station.path, step: "weights", head: heads[first], first: [Math.max(0, row - 4), 0] }),
      },
      heads.length === 1 ? "open this attention" : `open head ${heads[first]}, which looked there most`,
    ),
  );
}

/**
 * Which parts of the model pushed for the word, where the model allows to say it exactly.
 *
 * @param {Page} page
 * @param {number} row
 * @param {Candidate} asked
 * @param {Contribution[]} contributions
 * @param {string | null} missing why there are none
 */
function pushed(page, row, asked, contributions, missing) {
  if (missing)
    return h(
      "div.pushed",
      {},
      h("h3", { title: meaningOf("contributions") }, "What added to it, and what took away"),
      h("p.hint", {}, missing),
    );
  const most = Math.max(...contributions.map((one) => Math.abs(one.value)));
  const ordered = [...contributions].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const best = ordered.slice(0, 8);
  const rest = ordered.slice(8).reduce((sum, one) => sum + one.value, 0);
  return h(
    "div.pushed",
    {},
    h("h3", { title: meaningOf("contributions") }, "What added to it, and what took away"),
    h("p", {}, `Its logit is ${number(asked.logit, 4)}; these parts of the model add most to it, or take most away.`),
    h(
      "table",
      {},
      h(
        "tbody",
        {},
        best.map((one) =>
          h(
            "tr",
            {},
            h(
              "th",
              { scope: "row" },
              h(
                "button.link",
                {
                  "data-key": `part ${one.path} ${one.head}`,
                  onclick: () =>
                    page.show(
                      one.head === null
                        ? { path: one.path, step: "", head: 0, first: [Math.max(0, row - 4), 0] }
                        : { path: one.path, step: "context", head: one.head },
                    ),
                },
                one.name,
              ),
            ),
            h(
              "td",
              {},
              h(`span.bar${one.value < 0 ? ".against" : ""}`, {
                style: { "--share": String(Math.abs(one.value) / most) },
              }),
              number(one.value, 3),
            ),
          ),
        ),
        h("tr", {}, h("th", { scope: "row" }, "everything else"), h("td", {}, number(rest, 3))),
      ),
    ),
  );
}

/**
 * How the word came up: what the model would write if it ended after each block.
 *
 * @param {Page} page
 * @param {number} row
 */
async function grown(page, row) {
  const [{ lens, missing }] = await page.answers({ kind: "lens", row });
  const title = h("h3", { title: meaningOf("logit lens") }, "How it came up");
  if (missing) return h("div.grown", {}, title, h("p.hint", {}, missing));
  const name = (/** @type {LensRow} */ { path }) =>
    path.endsWith("embedded") ? "the embeddings" : `block ${path.split(".")[2]}`;
  return h(
    "div.grown",
    {},
    title,
    h("p", {}, "If the model ended there, it would write (its logit lens):"),
    h(
      "table",
      {},
      h(
        "tbody",
        {},
        lens.map((one) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, name(one)),
            one.candidates.map((candidate) =>
              h("td", {}, `${visible(candidate.text)} ${percent(candidate.probability)}`),
            ),
          ),
        ),
      ),
    ),
  );
}

/**
 * Ready experiments.
 *
 * @param {Page} page
 * @param {number} row
 * @param {Contribution[]} contributions
 */
function whatIf(page, row, contributions) {
  const [source, written] = Object.keys(page.doc.labels);
  if (!page.doc.stations.some(({ kind }) => kind === "act")) return null; // nothing has looked anywhere
  return h(
    "p.tools",
    {},
    "Try: ",
    h(
      "button",
      { "data-key": "without best", onclick: () => withoutBest(page, row) },
      contributions.length ? "switch off the head that added most to it" : "switch off a head it looked with",
    ),
    written && page.doc.token_ids[source]?.length > 1
      ? h(
          "button",
          { "data-key": "another source", onclick: () => replaceLooked(page, row) },
          "put another word where it looked",
        )
      : null,
  );
}
