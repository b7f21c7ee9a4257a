/**
 * The page: a pass, what its host says of it, and what a person does with it. One page for every host.
 *
 * @import { Cell, Child, Doc, Host, Matrix, Numbers, Open, Pass, Place, Question, Roles, Window } from "./types.js"
 */
import { Asking } from "./asking.js";
import { dark, lighten, remember, remembered, whenDark } from "./colour.js";
import { fadeAll, h, query, replace, stay } from "./dom.js";
import { comparison, header, momentWord } from "./head.js";
import { NARROW, keysHelp, press } from "./keys.js";
import { revise } from "./revise.js";
import { Store } from "./store.js";
import * as figure from "./figure.js";
import { chosen, edits } from "./panel.js";
import { findStation, stationOf } from "./stations.js";
import { question, sentences, telling, why } from "./why.js";
import { STEPS, opened, shapeOf, way } from "./way.js";

const MARGIN = 8; // pixels
const SEEN = 200; // pixels of what was opened that are on the screen at least

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
    hearing.addEventListener("keydown", (event) => press(this, event));
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
        replace(this.parts.side, edits(this), keysHelp(this)); // what was asked can be taken back
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
    replace(this.parts.compare, comparison(this));
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
    replace(this.parts.side, number || null, edits(this), keysHelp(this));
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
    revise(this.parts.head, () => header(this));
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

  toggleAll() {
    this.all = !this.all;
    this.draw();
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

  /**
   * How many heads a value has.
   *
   * @param {string} path
   */
  heads(path) {
    const { shape } = stationOf(this.doc, path);
    return shape.length > 2 ? shape[0] : 1;
  }
}
