/**
 * The page: a pass, what its host says of it, and what a person does with it. One page for every host.
 *
 * @import { Cell, Child, Doc, Host, Matrix, Numbers, Open, Other, Pass, Place, Placed, Question, Roles } from "./types.js"
 * @import { Station, Window } from "./types.js"
 */
import { Asking } from "./asking.js";
import { dark, lighten, remember, remembered, whenDark } from "./colour.js";
import { fadeAll, h, query, replace, stay, visible } from "./dom.js";
import { revise } from "./revise.js";
import { Store, edited } from "./store.js";
import * as figure from "./figure.js";
import { chosen, edits } from "./panel.js";
import { findStation, isOfKeys, stationOf } from "./stations.js";
import { question, rowOf, sentences, telling, why } from "./why.js";
import { STEPS, opened, shapeOf, switchedOff, way } from "./way.js";
import { glossary, meaningOf } from "./words.js";

const NARROW = "(max-width: 60rem)"; // where the number lies over the page, as style.css has it
const MARGIN = 8; // pixels
const SEEN = 200; // pixels of what was opened that are on the screen at least

/**
 * A moment of the training in words.
 *
 * @param {number | null | undefined} step
 */
const momentWord = (step) => (step === null || step === undefined ? "as it is" : `step ${step}`);

/** @param {string} text */
const shortened = (text) => (text.length > 40 ? `${text.slice(0, 39)}…` : text);

/**
 * Draw the page of a host into an element.
 *
 * @param {HTMLElement} root
 * @param {Host} host
 */
export async function start(root, host) {
  const page = new Page(root, host);
  await page.refresh();
  return page;
}

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
 * The key of what an event has hit.
 *
 * @param {EventTarget | null} target
 */
function keyOf(target) {
  const found = target instanceof Element ? target.closest("[data-key]") : null;
  return found?.getAttribute("data-key") ?? undefined;
}

export class Page {
  /** @type {Doc | null} what answers the question; null until it is answered */
  answer = null;
  /** @type {Doc | null} what its numbers are compared with */
  before = null;
  /** @type {string[]} which wait for an answer */
  remarks = [];
  /** @type {string | null} the pass that was asked for last */
  asked = null;
  /** @type {Promise<void>} until the change before is drawn */
  drawn = Promise.resolve();
  /** how often it was drawn */
  version = 0;
  /** @type {string | undefined} the key of what was pressed last */
  pressed = undefined;
  /** @type {Roles | undefined} */
  roles = undefined;
  /** @type {string | undefined} the moment whose pictures are drawn, in words */
  moment = undefined;
  /** @type {object | null} the film that plays */
  playing = null;
  /** @type {string | undefined} the tokens that were written with the changes */
  written = undefined;
  /** whether the lines of all heads are drawn, and whether the sharpest heads come first */
  all = false;
  sharpest = false;
  /** whether the keys shall be where the chosen number stands */
  walked = false;
  /** whether what was opened, or the number that was picked, shall be seen */
  reveal = false;
  picked = false;
  /** whether less of the chosen number is shown */
  low = false;
  keysOpen = false;

  /**
   * @param {HTMLElement} root
   * @param {Host} host
   */
  constructor(root, host) {
    this.root = root;
    this.host = host;
    this.asking = new Asking(host);
    this.store = new Store(host.keeper);
    this.parts = {
      head: h("div.head"),
      message: h("div.message"),
      sentences: h("div.sentences"),
      question: h("div.question"),
      why: h("div.why"),
      compare: h("div.compare"),
      way: h("div.way"),
      side: h("div.side"),
    };
    const { head, message, sentences: words, question: asked, why: reason, compare, way: path, side } = this.parts;
    message.setAttribute("role", "status");
    root.classList.add("clearhead");
    root.replaceChildren(
      head,
      message,
      h(
        "div.main",
        {},
        h("main", {}, words, asked, reason, compare, path),
        h("aside", { "aria-label": "numbers and changes" }, side),
      ),
    );
    asked.hidden = true; // as long as its answer can be seen
    new IntersectionObserver(([{ isIntersecting }]) => {
      asked.hidden = isIntersecting;
    }).observe(reason);
    this.store.addEventListener("change", () => {
      this.drawn = this.refresh();
    });
    // A page of its own hears every key; in a notebook only those that are pressed in it.
    const hearing = /** @type {GlobalEventHandlers} */ (host.keeper ? root : document);
    hearing.addEventListener("keydown", (event) => this.key(event));
    for (const kind of ["click", "keydown"]) {
      root.addEventListener(
        kind,
        (event) => {
          this.pressed = keyOf(event.target);
        },
        true,
      );
    }
    root.addEventListener("failed", (event) => this.fail(/** @type {CustomEvent} */ (event).detail));
    addEventListener("resize", () => fadeAll(root));
    whenDark(() => this.draw());
    const theme = host.keeper ? null : remembered();
    if (theme) lighten(theme, root);
  }

  /** What answers the question: drawn only where there is an answer. */
  get doc() {
    if (!this.answer) throw new Error("nothing was answered yet");
    return this.answer;
  }

  get state() {
    return this.store.state;
  }

  get pass() {
    return this.store.pass();
  }

  /**
   * What the page shows of its pass.
   *
   * @template {readonly Question[]} const Q
   * @param {Q} questions
   */
  answers(...questions) {
    return this.asking.show(this.pass, questions);
  }

  /**
   * What it does not show, but needs in order to do something.
   *
   * @template {readonly Question[]} const Q
   * @param {Q} questions
   */
  once(...questions) {
    return this.asking.ask(this.pass, questions);
  }

  /**
   * What the numbers are compared with: another text, model or moment, or the same without edits. Another model or
   * moment reads what stands here, also where it would write something else: the numbers are then of the same words.
   *
   * @param {Doc} [doc]
   * @returns {Pass | null}
   */
  other(doc = this.doc) {
    const { other } = this.state;
    const same = other?.beside ? { texts: doc.texts, token_ids: null } : { token_ids: doc.token_ids };
    if (other) return { ...this.store.pass({ edits: [] }), ...same, ...other };
    const { edits, token_ids, texts } = this.state;
    const known = !this.host.can.ask || Object.keys(texts).length > 0;
    if (!edits.length && !(token_ids && known)) return null;
    return { ...this.store.pass({ edits: [] }), ...(known ? { token_ids: null } : {}) };
  }

  /**
   * What it is compared with has in the same place; null where it has no such place.
   *
   * @param {Window} want
   * @returns {Promise<Numbers | null>}
   */
  async elsewhere(want) {
    const { before } = this;
    const [other, station] = [this.other(), before && findStation(before, want.path)];
    const shape = before && station && shapeOf(before, station, want.step);
    if (!other || !shape || want.rows[0] >= shape[0] || want.columns[0] >= shape[1]) return null;
    return this.asking.ask(other, [want]).then(
      ([found]) => found,
      () => null,
    );
  }

  /** Where and when those numbers are, in words. */
  than() {
    const { other } = this.state;
    if (!other) return "before your changes";
    if (other.texts) return `in “${shortened(Object.values(other.texts)[0])}”`;
    if (other.beside) return "in the other model";
    return (other.moment ?? null) === null ? "at the end of the training" : `at step ${other.moment} of the training`;
  }

  /** Ask what the state asks, and draw. */
  async refresh() {
    const asked = JSON.stringify([this.pass, this.state.other]);
    const odd = this.store.odd.splice(0);
    if (odd.length) this.remarks.push(`The link is damaged: ${odd.join(", ")} could not be read, and was left out.`);
    if (asked !== this.asked && this.ready()) {
      this.asked = asked;
      this.root.setAttribute("aria-busy", "true");
      try {
        const doc = await this.asking.document(this.pass, this.answer);
        const other = this.other(doc);
        const before =
          other &&
          (await this.asking.document(other).catch((error) => {
            this.remarks.push(`Nothing to compare with: ${error.message}`);
            return null;
          }));
        if (asked !== this.asked) return; // something newer was asked meanwhile
        Object.assign(this, { answer: doc, before });
        this.settle();
        this.say(...doc.remarks);
      } catch (error) {
        if (asked !== this.asked) return;
        this.fail(error);
        this.drawHead();
        replace(this.parts.side, edits(this), this.keys()); // what was asked can be taken back
        return;
      } finally {
        if (asked === this.asked) this.root.removeAttribute("aria-busy");
      }
    }
    if (!this.ready()) this.clear();
    else if (this.remarks.length) this.say(...(this.answer?.remarks ?? []));
    await this.draw();
  }

  /** What is open, or chosen, and not in this answer is not shown: another text is shorter, a link is of another model. */
  settle() {
    const { open, cell } = this.state;
    const station = open && findStation(this.doc, open.path);
    if (!station) return open && this.store.settle({ open: null, cell: null });
    const step =
      station.kind === "act" && ![...STEPS, "q", "k", "v"].includes(open.step ?? "") ? "" : (open.step ?? "");
    const head = Math.min(open.head ?? 0, this.heads(open.path) - 1);
    const shape = shapeOf(this.doc, station, step);
    return this.store.settle({
      open: { ...open, step, head },
      cell: cell?.every((x, axis) => x < shape[axis]) ? cell : null,
    });
  }

  /**
   * Show remarks, and those that have waited for an answer.
   *
   * @param {string[]} remarks
   */
  say(...remarks) {
    this.parts.message.replaceChildren(...[...remarks, ...this.remarks.splice(0)].map((remark) => h("p", {}, remark)));
  }

  /**
   * Say what could not be done; what is a fault of the page is reported to its developers too.
   *
   * @param {unknown} error
   */
  fail(error) {
    this.parts.message.replaceChildren(
      h("p.error", { role: "alert" }, error instanceof Error ? error.message : String(error)),
    );
    if ([TypeError, RangeError, ReferenceError].some((kind) => error instanceof kind)) reportError(error);
  }

  /** Nothing is asked: nothing is shown. */
  clear() {
    this.say("Write a text above, and the model reads it.");
    this.answer = this.before = this.asked = null;
    const { head, message, ...parts } = this.parts;
    for (const part of Object.values(parts)) part.replaceChildren();
  }

  ready() {
    const text = this.state.texts[this.host.inputs?.[0] ?? ""];
    return Boolean(this.host.ready || this.state.token_ids || text?.trim());
  }

  async draw() {
    this.drawHead();
    if (!this.answer) return;
    if (!this.host.keeper) document.title = `${this.doc.title} · clearhead`;
    const version = this.version + 1;
    this.version = version;
    this.asking.shown = new Map();
    const held = this.hold();
    revise(this.parts.sentences, () => sentences(this));
    replace(this.parts.compare, this.comparison());
    this.parts.way.style.minHeight = `${this.parts.way.offsetHeight}px`; // what is open comes back in a moment
    revise(this.parts.way, () => way(this));
    held();
    /** @type {(work: Promise<Child | void>) => Promise<Child | void>} */
    const shown = (work) => work.catch((error) => h("p.error", { role: "alert" }, error.message));
    // What is open asks first: it is what a person waits for.
    const [step, reason, number] = await Promise.all([
      shown(opened(this)).then((found) => this.pictured(version, found)),
      shown(why(this)),
      shown(chosen(this)),
    ]);
    if (version !== this.version) return;
    const box = query(this.root, "#opened");
    if (box && step) replace(box, step);
    replace(this.parts.question, question(this));
    replace(this.parts.why, reason || null);
    replace(this.parts.side, number || null, edits(this), this.keys());
    this.parts.way.style.minHeight = "";
    const stays = held();
    if (this.reveal) this.uncover(box, stays);
    if (this.picked) {
      this.uncoverCell();
      requestAnimationFrame(() => this.uncoverCell()); // a browser may move the page once more when it lays it out
    }
    this.reveal = this.picked = false;
    fadeAll(this.root);
    this.root.dataset.drawn = String(version);
  }

  /**
   * The label of the film follows its pictures.
   *
   * @template T
   * @param {number} version
   * @param {T} found
   */
  pictured(version, found) {
    if (version === this.version) {
      this.moment = momentWord(this.doc.moment);
      this.parts.head.querySelector("[data-role='moment']")?.replaceChildren(this.moment);
    }
    return found;
  }

  /** What was pressed, to be put again where it stands on the screen; whether it is still there. */
  hold() {
    const find = () => (this.pressed ? query(this.root, `[data-key="${CSS.escape(this.pressed)}"]`) : null);
    const top = find()?.getBoundingClientRect().top;
    return () => {
      const found = top === undefined ? null : find();
      if (found && top !== undefined) stay(found, top, this.root);
      return found !== null && this.parts.way.contains(found);
    };
  }

  /**
   * Bring what was opened on the screen: as little as need be where what was pressed stands above it.
   *
   * @param {HTMLElement | null} box
   * @param {boolean} stays
   */
  uncover(box, stays) {
    if (!box) return;
    const { top, height } = box.getBoundingClientRect();
    const hidden = top + Math.min(height, SEEN) - innerHeight;
    if (!stays) box.scrollIntoView({ block: "nearest" });
    else if (hidden > 0) stay(box, top - hidden, this.root);
  }

  /** A number that was chosen is seen above what lies over the page. */
  uncoverCell() {
    const [cell, above] = [query(this.root, "td.chosen"), query(this.root, "aside")];
    if (!cell || !above || !matchMedia(NARROW).matches) return;
    const { top, bottom } = cell.getBoundingClientRect();
    const covered = bottom + MARGIN - above.getBoundingClientRect().top;
    if (covered > 0) stay(cell, top - covered, this.root);
  }

  drawHead() {
    revise(this.parts.head, () => this.header());
  }

  /** The name of the model, what it reads, the moments of its training. */
  header() {
    const { answer: doc, state } = this;
    const inputs = this.host.inputs ?? [];
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
        { onsubmit: (event) => this.ask(event, inputs) },
        inputs.map(field),
        h("button", { "data-key": "run" }, "run"),
      );
    return h(
      "header",
      {},
      h("h1", {}, doc?.title ?? this.host.title ?? "clearhead"),
      this.host.can.ask ? form() : null,
      doc?.moments?.length ? this.film(doc) : null,
      h(
        "p.tools",
        {},
        h("button", { "data-key": "glossary", onclick: () => glossary(this.root) }, "what the words mean"),
        this.host.keeper ? null : h("button", { "data-key": "link", onclick: () => this.link() }, "copy link"),
        h("button", { "data-key": "theme", onclick: () => this.theme() }, "dark / light"),
      ),
    );
  }

  /**
   * The moments of the training that were kept, as a slider.
   *
   * @param {Doc} doc
   */
  film(doc) {
    const steps = [...doc.moments.map((moment) => moment.step), null];
    const at = steps.indexOf(this.state.moment);
    const wide = Math.max(...steps.map((step) => momentWord(step).length));
    return h(
      "p.film.tools",
      {},
      h(
        "button",
        { "data-key": "play", onclick: () => (this.playing ? this.pause() : this.play(steps)) },
        this.playing ? "pause" : "play the training",
      ),
      h("input", {
        type: "range",
        min: "0",
        max: String(steps.length - 1),
        value: String(at),
        "aria-label": "moment of the training",
        "aria-valuetext": momentWord(this.state.moment),
        "data-key": "moment",
        oninput: (event) => this.store.set({ moment: steps[Number(event.target.value)] }),
      }),
      h("output", { "data-role": "moment", style: { "min-width": `${wide}ch` } }, this.moment ?? ""),
    );
  }

  /**
   * Show the moments one after the other: each stands for a while once it is drawn.
   *
   * @param {(number | null)[]} steps
   */
  async play(steps) {
    const playing = {};
    this.playing = playing;
    const at = steps.indexOf(this.state.moment);
    const rest = matchMedia("(prefers-reduced-motion: reduce)").matches ? 2500 : 900;
    for (const moment of steps.slice(at === steps.length - 1 ? 0 : at)) {
      this.store.set({ moment });
      await this.drawn;
      await new Promise((done) => {
        setTimeout(done, rest);
      });
      if (this.playing !== playing) return;
    }
    this.pause();
  }

  /** What the numbers are compared with, cell by cell, and the names of the heads. */
  comparison() {
    const { doc, state } = this;
    const order = h(
      "label",
      { title: meaningOf("sharpest heads first") },
      h("input", {
        type: "checkbox",
        checked: this.sharpest,
        "data-key": "sharpest",
        onchange: () => {
          this.sharpest = !this.sharpest;
          this.draw();
        },
      }),
      " sharpest heads first",
    );
    if (!this.host.can.ask) return h("div", {}, h("p.tools", {}, order));
    const name = Object.keys(doc.texts)[0];
    const with_ = (/** @type {Other | null} */ other) => this.store.set({ other });
    /** @type {[text: string, go: () => unknown, chosen: boolean][]} */
    const ways = [
      ["nothing", () => with_(null), !state.other],
      [
        "another text",
        async () => {
          const text = await this.prompt("compare with the text", "compare");
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
            disabled: Boolean(this.roles),
            onclick: () => this.nameHeads(),
          },
          this.roles === undefined ? "what do the heads do?" : "heads are named",
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
              h("b", {}, this.than()),
              ": point at one, or choose it, to read both.",
            ),
            h("button", { "data-key": "end comparison", onclick: () => with_(null) }, "end the comparison"),
          )
        : null,
    );
  }

  /** Ask once what each head does: measured on built-in texts. */
  async nameHeads() {
    this.parts.message.replaceChildren("reading some texts …");
    [{ roles: this.roles }] = await this.once({ kind: "roles" });
    this.parts.message.replaceChildren();
    await this.draw();
  }

  pause() {
    this.playing = null;
    this.drawHead();
  }

  /**
   * @param {SubmitEvent & {target: HTMLFormElement}} event
   * @param {string[]} inputs
   */
  ask(event, inputs) {
    event.preventDefault();
    const given = new FormData(event.target);
    const typed = Object.fromEntries(inputs.map((name) => [name, String(given.get(name)).trim()]));
    // Other words were put in, and nothing was typed: the text is written anew after them.
    const { answer } = this;
    if (this.state.token_ids && answer && inputs.every((name) => typed[name] === answer.texts[name]))
      return this.rewrite();
    /** @type {Record<string, string>} */
    const texts = {};
    inputs.forEach((name, i) => {
      // What the model wrote itself is written anew for another text.
      const own = i > 0 && typed[name] === answer?.texts[name] && !(name in this.state.texts);
      if ((typed[name] || i === 0) && !own) texts[name] = typed[name];
    });
    return this.store.ask({ texts, token_ids: null, edits: [], token: undefined });
  }

  // What a person does -------------------------------------------------------------------------------------------------

  /** @param {Open | null} open */
  show(open) {
    this.reveal = true;
    this.store.set({
      open,
      cell: open && this.state.open?.path === open.path && this.state.open?.step === open.step ? this.state.cell : null,
    });
  }

  /**
   * Choose a cell; if it is outside the window, the window follows.
   *
   * @param {Cell} cell
   * @param {{first: readonly number[], size: readonly number[], total: readonly number[]}} [window]
   */
  pick(cell, window) {
    this.walked = this.picked = true;
    const { open } = this.state;
    if (!open) return;
    const first = window?.first.map((start, axis) => {
      const [size, total] = [window.size[axis], window.total[axis]];
      if (cell[axis] < start) return cell[axis];
      return cell[axis] >= start + size ? Math.min(total, cell[axis] + 1) - size : start;
    });
    this.store.set({ cell, open: { ...open, first: first ?? open.first } });
  }

  /**
   * Go where an operand comes from.
   *
   * @param {Place} from
   */
  go({ path, step = "", head, cell }) {
    const station = stationOf(this.doc, path);
    const width = station.shape[station.shape.length - 1];
    const inHead = step === "" && station.shape.length > 2 && head === undefined;
    const [row, column] = cell;
    /** @type {Cell} */
    const at = inHead ? [row, column % width] : cell;
    this.walked = this.reveal = true;
    this.store.set({
      open: {
        path,
        step,
        head: inHead ? Math.floor(column / width) : (head ?? 0),
        first: at.map((x) => Math.max(0, x - 6)),
      },
      cell: at,
    });
  }

  /**
   * @param {number | null} token
   * @param {boolean} [there]
   */
  why(token, there = false) {
    this.store.set({ token });
    if (there) this.parts.why.scrollIntoView();
  }

  /** Close the number that was chosen; the keys are again where it stands. */
  closeNumber() {
    const [row, column] = this.state.cell ?? [];
    this.store.set({ cell: null });
    this.drawn.then(() => query(this.root, `[data-row="${row}"][data-column="${column}"]`)?.focus());
  }

  /**
   * On a narrow screen the number lies over the page: show less of it, or all.
   *
   * @param {boolean} low
   */
  lower(low) {
    this.low = low;
    query(this.root, "aside")?.classList.toggle("low", low);
    this.draw();
  }

  /** The row whose word is explained: until one is chosen, or closed, the first that says much. */
  get token() {
    return this.state.token === undefined ? telling(this.doc) : this.state.token;
  }

  /**
   * Change one number.
   *
   * @param {Station} station
   * @param {Window} want
   * @param {Cell} cell
   * @param {number | string} value
   */
  change(station, want, cell, value) {
    this.store.edit([this.place(station, want, cell, { value })]);
  }

  /**
   * An edit of a cell; a recurrent network's row is a call of its own.
   *
   * @param {Station} station
   * @param {Window} want
   * @param {Cell} cell
   * @param {{value: number | string}} rest
   * @returns {Placed}
   */
  place(station, want, [row, column], rest) {
    const steps = station.calls > 1 && !isOfKeys(want.step);
    const heads = station.shape.length > 2 ? [this.headOf(station, want)] : [];
    const where = [0, ...heads, steps ? 0 : row, column];
    const call = station.turned ? station.calls - 1 - row : row;
    return { path: station.path, step: want.step, where, op: "set", ...rest, ...(steps ? { call } : {}) };
  }

  /**
   * The head whose numbers are changed: of keys and values the one that serves the head that is open.
   *
   * @param {Station} station
   * @param {Window} want
   */
  headOf(station, want) {
    const head = want.head ?? 0;
    if (!isOfKeys(want.step)) return head;
    const kv = stationOf(this.doc, station.path.replace(/attention$/, want.step)).shape[0];
    return Math.floor(head / (station.shape[0] / kv));
  }

  /**
   * Forbid or allow a look: a new mask at one place.
   *
   * @param {Station} station
   * @param {Window} want
   * @param {Cell} cell
   * @param {number} value
   */
  async redraw(station, want, cell, value) {
    if (value !== -Infinity) return this.store.edit([this.place(station, want, cell, { value: "-inf" })]);
    const [{ data }] = await this.once({ ...want, step: "biased" });
    return this.store.edit([this.place(station, want, cell, { value: data[0] })]);
  }

  /**
   * @param {string} path
   * @param {number} head
   */
  switchHead(path, head) {
    if (switchedOff(this, path).has(head)) {
      this.store.ask({ edits: this.state.edits.filter((edit) => !isOfHead(edit, path, head)) });
    } else this.store.edit([{ path, step: "context", where: [0, head], op: "set", value: 0 }]);
  }

  /**
   * Every token that may be looked at gets the same weight.
   *
   * @param {Station} station
   * @param {number} head
   */
  async average(station, head) {
    const [{ data, shape }] = await this.once({ kind: "values", path: station.path, step: "masked", head });
    const rows = Array.from({ length: shape[0] }, (_, r) =>
      Array.from(data.slice(r * shape[1], (r + 1) * shape[1]), (x) => (x === -Infinity ? "-inf" : 0)),
    );
    const common = { path: station.path, step: "masked", op: /** @type {const} */ ("set") };
    // A context that is switched off would hide what is averaged.
    const kept = this.state.edits.filter((edit) => !isOfHead(edit, station.path, head));
    /** @type {Placed[]} */
    const even =
      station.calls > 1
        ? rows.map((row, call) => ({ ...common, where: [0, head, 0], value: row, call }))
        : [{ ...common, where: [0, head], value: rows }];
    this.store.edit(even, kept);
  }

  /**
   * Write this token after that row; what stood there and after it goes.
   *
   * @param {number} row
   * @param {number} id
   */
  take(row, id) {
    const ids = structuredClone(this.doc.token_ids);
    const name = Object.keys(ids).at(-1) ?? "";
    ids[name] = [...ids[name].slice(0, row + 1), id];
    this.store.ask({ token_ids: ids, token: row + 1 });
  }

  /**
   * Put another word in the place of a token that was read.
   *
   * @param {string} name
   * @param {number} index
   */
  async replaceToken(name, index) {
    const known = async (/** @type {string} */ typed) =>
      (await this.once({ kind: "words", label: name, text: typed }))[0];
    const text = await this.prompt(`instead of “${visible(this.doc.labels[name][index])}”`, "put it there", known);
    if (!text) return;
    const [{ token_ids: found, remarks }] = await this.once({ kind: "tokens", label: name, text });
    this.remarks = remarks;
    const ids = structuredClone(this.doc.token_ids);
    ids[name].splice(index, 1, ...found);
    this.store.ask({ token_ids: ids });
  }

  /** Write the text anew, as the model writes with these changes. */
  async rewrite() {
    this.parts.message.replaceChildren("writing …");
    const [{ token_ids, edits, remarks }] = await this.once({ kind: "written" });
    this.remarks = remarks;
    this.parts.message.replaceChildren();
    this.written = JSON.stringify(token_ids);
    const same = this.written === JSON.stringify(this.doc.token_ids);
    this.store.ask({ token_ids, edits, ...(same ? {} : { token: undefined, cell: null }) });
  }

  /**
   * A question in the page itself; `known(typed)` gives words that may be the answer, and how many there are.
   *
   * @param {string} title
   * @param {string} button
   * @param {((typed: string) => Promise<{words: string[], count: number}>) | null} [known]
   * @returns {Promise<string | null>}
   */
  prompt(title, button, known = null) {
    return new Promise((resolve) => {
      const list = h("datalist", { id: "known-words" });
      const count = h("p.hint", { role: "status" });
      const suggest = async () => {
        const typed = input.value;
        const found = await known?.(typed);
        if (!found || typed !== input.value) return;
        list.replaceChildren(...found.words.map((word) => h("option", { value: word })));
        count.replaceChildren(
          typed
            ? `${found.count} words of the model hold “${typed}”`
            : `the model knows ${found.count} words: type to search`,
        );
      };
      const input = h("input", {
        type: "text",
        "aria-label": title,
        autocomplete: "off",
        ...(known && { list: list.id, oninput: suggest }),
      });
      const dialog = h(
        "dialog",
        {
          onclose: () => {
            resolve(dialog.returnValue ? input.value : null);
            dialog.remove();
          },
        },
        h(
          "form",
          { method: "dialog" },
          h("label", {}, title, " ", input),
          h("button", { value: "yes" }, button),
          h("button", { value: "", formnovalidate: true }, "cancel"),
        ),
        known && [list, count],
      );
      this.root.append(dialog);
      dialog.showModal();
      if (known) suggest().catch((error) => this.fail(error));
    });
  }

  /**
   * The act in which the word was looked for, its heads there, and the place they looked at most.
   *
   * @param {number} row
   */
  async lookedAt(row) {
    const acts = this.doc.stations.filter((station) => station.kind === "act");
    const cross = acts.filter((station) => station.part === "cross_attention");
    const station = cross[this.doc.head?.layer ?? cross.length - 1] ?? acts.at(-1);
    if (!station) throw new Error("this model has no attention: no head has looked");
    const heads = Array.from({ length: station.shape[0] }, (_, head) => head);
    const found = await this.once(...heads.map((head) => rowOf(station.path, head, row)));
    const best =
      this.doc.head?.head ?? heads.reduce((a, b) => (Math.max(...found[b].data) > Math.max(...found[a].data) ? b : a));
    const data = [...found[best].data];
    return { station, head: best, key: data.indexOf(Math.max(...data)) };
  }

  /**
   * Switch off the head that added most to the word's logit; where that is not known, one it looked with.
   *
   * @param {number} row
   */
  async withoutBest(row) {
    const entry = this.doc.output.find((one) => one.row === row);
    const asked = entry && (entry.next ?? entry.candidates[0]);
    if (!asked) return;
    const { id } = asked;
    const [{ contributions }] = await this.once({ kind: "contributions", row, token: id });
    const parts = [...contributions].sort((a, b) => b.value - a.value);
    for (const { path, head } of parts) if (head !== null) return this.switchHead(path, head);
    const { station, head } = await this.lookedAt(row);
    return this.switchHead(station.path, head);
  }

  /** @param {number} row */
  async replaceLooked(row) {
    const { station, key } = await this.lookedAt(row);
    await this.replaceToken(station.columns, key);
  }

  toggleAll() {
    this.all = !this.all;
    this.draw();
  }

  save() {
    figure.download("edits.json", JSON.stringify(this.state.edits, null, 1), "application/json");
  }

  load() {
    const input = h("input", {
      type: "file",
      accept: ".json,application/json",
      onchange: async () => {
        const file = input.files?.[0];
        if (!file) return;
        try {
          this.store.ask({ edits: edited(JSON.parse(await file.text())) });
        } catch {
          this.fail(new Error(`${file.name}: this file holds no list of changes; “save” writes one`));
        }
      },
    });
    input.click();
  }

  /** @param {{given: Matrix}} view */
  figureButtons(view) {
    return figure.buttons(view);
  }

  async link() {
    this.store.write();
    try {
      await navigator.clipboard.writeText(location.href);
      this.parts.message.replaceChildren(h("p", {}, "The link is copied: it shows the same texts, changes and place."));
    } catch {
      this.parts.message.replaceChildren(h("p", {}, "The address of this page is the link."));
    }
  }

  theme() {
    const theme = dark() ? "light" : "dark";
    lighten(theme, this.root);
    if (!this.host.keeper) remember(theme);
    this.draw();
  }

  // Keys ---------------------------------------------------------------------------------------------------------------

  /** @param {KeyboardEvent} event */
  key(event) {
    const { target } = event;
    if (!(target instanceof Element) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && target instanceof HTMLElement && target.matches(".chosen input")) target.blur();
    if (target.matches("input, textarea, select, dialog, dialog *")) return;
    const { open } = this.state;
    const go = (/** @type {string} */ selector) => query(this.root, selector)?.focus();
    /** @type {Record<string, () => unknown>} */
    const keys = {
      u: () => this.store.undo(),
      r: () => this.store.redo(),
      t: () => this.theme(),
      w: () => go(".sentence .written, .sentence .next"),
      a: () => go(".way button.thumb"),
      n: () => go("table.matrix [tabindex='0']"),
      e: () => go(".chosen input"),
      "?": () => glossary(this.root),
      "[": () => open && this.show({ ...open, head: Math.max(0, (open.head ?? 0) - 1) }),
      "]": () => open && this.show({ ...open, head: Math.min(this.heads(open.path) - 1, (open.head ?? 0) + 1) }),
      Escape: () => this.close(target),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }

  /**
   * Close what lies uppermost: the number, where it lies over the page or the keys are in it; the open step; the
   * answer.
   *
   * @param {Element} target
   */
  close(target) {
    const above = this.parts.side.contains(target) || matchMedia(NARROW).matches;
    if (this.state.cell && above) this.closeNumber();
    else if (this.state.open) this.show(null);
    else this.why(null);
  }

  /**
   * How many heads a value has.
   *
   * @param {string} path
   */
  heads(path) {
    const { shape } = stationOf(this.doc, path);
    return shape.length > 2 ? shape[0] : 1;
  }

  keys() {
    const all = [
      ["w", "to what was written"],
      ["a", "to the heads"],
      ["n", "to the numbers; arrows walk"],
      ["e", "to change the chosen number"],
      ["[ ]", "head before, next head"],
      ["u r", "undo, redo"],
      ["t", "dark, light"],
      ["?", "what the words mean"],
      ["Esc", "close"],
    ];
    return h(
      "details.keys",
      {
        open: this.keysOpen,
        ontoggle: (event) => {
          this.keysOpen = event.target.open;
        },
      },
      h("summary", {}, "Keyboard"),
      h(
        "dl",
        {},
        all.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)]),
      ),
    );
  }
}
