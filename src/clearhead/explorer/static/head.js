/**
 * Above the way: the name of the model, what it reads, the moments of its training, and what numbers are compared with.
 *
 * @import { Doc, Other } from "./types.js"
 * @import { Page } from "./page.js"
 */
import { rewrite } from "./changes.js";
import { prompt } from "./dialog.js";
import { h } from "./dom.js";
import { glossary, meaningOf } from "./words.js";

/**
 * A moment of the training in words.
 *
 * @param {number | null | undefined} step
 */
export const momentWord = (step) => (step === null || step === undefined ? "as it is" : `step ${step}`);

/**
 * The name of the model, what it reads, the moments of its training.
 *
 * @param {Page} page
 */
export function header(page) {
  const { answer: doc, state } = page;
  const inputs = page.host.inputs ?? [];
  const field = (/** @type {string} */ name, /** @type {number} */ i) =>
    h(
      "label",
      {},
      h("span", {}, name === "source" ? "read" : name === "target" ? "written" : name),
      h("input", {
        type: "text",
        name,
        value: (state.token_ids ? doc?.texts?.[name] : state.texts[name]) ?? doc?.texts?.[name] ?? "",
        placeholder: i ? "the model's own" : "write a sentence",
        "data-key": `input ${name}`,
        autocomplete: "off",
        spellcheck: "false",
      }),
    );
  const form = () =>
    h(
      "form",
      { onsubmit: (event) => submit(page, event, inputs) },
      inputs.map(field),
      h("button", { "data-key": "run" }, "run"),
    );
  return h(
    "header",
    {},
    h("h1", {}, doc?.title ?? page.host.title ?? "clearhead"),
    page.host.can.ask ? form() : null,
    doc?.moments?.length ? film(page, doc) : null,
    h(
      "p.tools",
      {},
      h("button", { "data-key": "glossary", onclick: () => glossary(page.root) }, "what the words mean"),
      page.host.keeper ? null : h("button", { "data-key": "link", onclick: () => page.link() }, "copy link"),
      h("button", { "data-key": "theme", onclick: () => page.theme() }, "dark / light"),
    ),
  );
}

/**
 * The moments of the training that were kept, as a slider.
 *
 * @param {Page} page
 * @param {Doc} doc
 */
function film(page, doc) {
  const steps = [...doc.moments.map((moment) => moment.step), null];
  const at = steps.indexOf(page.state.moment);
  const wide = Math.max(...steps.map((step) => momentWord(step).length));
  return h(
    "p.film.tools",
    {},
    h(
      "button",
      { "data-key": "play", onclick: () => (page.playing ? pause(page) : play(page, steps)) },
      page.playing ? "pause" : "play the training",
    ),
    h("input", {
      type: "range",
      min: "0",
      max: String(steps.length - 1),
      value: String(at),
      "aria-label": "moment of the training",
      "aria-valuetext": momentWord(page.state.moment),
      "data-key": "moment",
      oninput: (event) => page.store.set({ moment: steps[Number(event.target.value)] }),
    }),
    h("output", { "data-role": "moment", style: { "min-width": `${wide}ch` } }, page.moment ?? ""),
  );
}

/**
 * Show the moments one after the other: each stands for a while once it is drawn.
 *
 * @param {Page} page
 * @param {(number | null)[]} steps
 */
async function play(page, steps) {
  const playing = {};
  page.playing = playing;
  const at = steps.indexOf(page.state.moment);
  const rest = matchMedia("(prefers-reduced-motion: reduce)").matches ? 2500 : 900;
  for (const moment of steps.slice(at === steps.length - 1 ? 0 : at)) {
    page.store.set({ moment });
    await page.drawn;
    await new Promise((done) => {
      setTimeout(done, rest);
    });
    if (page.playing !== playing) return;
  }
  pause(page);
}

/** @param {Page} page */
function pause(page) {
  page.playing = null;
  page.drawHead();
}

/**
 * @param {Page} page
 * @param {SubmitEvent & {target: HTMLFormElement}} event
 * @param {string[]} inputs
 */
function submit(page, event, inputs) {
  event.preventDefault();
  const given = new FormData(event.target);
  const typed = Object.fromEntries(inputs.map((name) => [name, String(given.get(name)).trim()]));
  // Other words were put in, and nothing was typed: the text is written anew after them.
  const { answer } = page;
  if (page.state.token_ids && answer && inputs.every((name) => typed[name] === answer.texts[name]))
    return rewrite(page);
  /** @type {Record<string, string>} */
  const texts = {};
  inputs.forEach((name, i) => {
    // What the model wrote itself is written anew for another text.
    const own = i > 0 && typed[name] === answer?.texts[name] && !(name in page.state.texts);
    if ((typed[name] || i === 0) && !own) texts[name] = typed[name];
  });
  return page.store.ask({ texts, token_ids: null, edits: [], token: undefined });
}

/**
 * What the numbers are compared with, cell by cell, and the names of the heads.
 *
 * @param {Page} page
 */
export function comparison(page) {
  const { doc, state } = page;
  const order = h(
    "label",
    { title: meaningOf("sharpest heads first") },
    h("input", {
      type: "checkbox",
      checked: page.sharpest,
      "data-key": "sharpest",
      onchange: () => {
        page.sharpest = !page.sharpest;
        page.draw();
      },
    }),
    " sharpest heads first",
  );
  if (!page.host.can.ask) return h("div", {}, h("p.tools", {}, order));
  const name = Object.keys(doc.texts)[0];
  const with_ = (/** @type {Other | null} */ other) => page.store.set({ other });
  /** @type {[text: string, go: () => unknown, chosen: boolean][]} */
  const ways = [
    ["nothing", () => with_(null), !state.other],
    [
      "another text",
      async () => {
        const text = await prompt(page, "compare with the text", "compare");
        if (text) with_({ texts: { [name]: text }, token_ids: null });
      },
      Boolean(state.other?.texts),
    ],
  ];
  const [first] = doc.moments;
  if (first) {
    ways.push(["the end of the training", () => with_({ moment: null }), state.other?.moment === null]);
    ways.push(["its beginning", () => with_({ moment: first.step }), state.other?.moment === first.step]);
  }
  if (doc.beside) ways.push(["the other model", () => with_({ beside: true }), state.other?.beside === true]);
  return h(
    "div",
    {},
    h(
      "p.tools",
      {},
      "Compare with ",
      ways.map(([text, go, chosen]) =>
        h("button", { "data-key": `compare ${text}`, "aria-pressed": chosen ? "true" : "false", onclick: go }, text),
      ),
      h(
        "button",
        {
          "data-key": "roles",
          title: meaningOf("what do the heads do?"),
          disabled: Boolean(page.roles),
          onclick: () => nameHeads(page),
        },
        page.roles === undefined ? "what do the heads do?" : "heads are named",
      ),
      order,
    ),
    state.other
      ? h(
          "p.tools.comparing",
          { role: "status" },
          h(
            "span",
            {},
            "You see the numbers of the text above. Those in an orange frame are different ",
            h("b", {}, page.than()),
            ": point at one, or choose it, to read both.",
          ),
          h("button", { "data-key": "end comparison", onclick: () => with_(null) }, "end the comparison"),
        )
      : null,
  );
}

/**
 * Ask once what each head does: measured on built-in texts.
 *
 * @param {Page} page
 */
async function nameHeads(page) {
  page.parts.message.replaceChildren("reading some texts …");
  [{ roles: page.roles }] = await page.once({ kind: "roles" });
  page.parts.message.replaceChildren();
  await page.draw();
}
