/** The page: a question, the document that answers it, and what a person does with it. One page for every host. */
import { dark, lighten, remember, remembered } from "./colour.js";
import { fadeAll, h, replace, stay, visible } from "./dom.js";
import { revise } from "./revise.js";
import { Store } from "./store.js";
import * as figure from "./figure.js";
import { apart } from "./regions.js";
import { chosen, edits } from "./panel.js";
import { sentences, why } from "./why.js";
import { opened, switchedOff, way } from "./way.js";
import { glossary, told } from "./words.js";

const KEPT = 8; // documents
const SEEN = 200; // pixels of what was opened that are on the screen at least

const shortened = (text) => (text.length > 40 ? `${text.slice(0, 39)}…` : text);

/** Draw the page of a host into an element. */
export async function start(root, host) {
  const page = new Page(root, host);
  await page.refresh();
  return page;
}

export class Page {
  constructor(root, host) {
    Object.assign(this, { root, host, store: new Store(host.keeper), doc: null, before: null, documents: new Map(), all: false, sharpest: false, walked: false, remarks: [] });
    this.parts = Object.fromEntries(["head", "message", "sentences", "why", "compare", "way", "side"].map((name) => [name, h(`div.${name}`)]));
    const { head, message, sentences: words, why: reason, compare, way: path, side } = this.parts;
    message.setAttribute("role", "status");
    root.classList.add("clearhead");
    root.replaceChildren(head, message, h("div.main", {}, h("main", {}, words, reason, compare, path), h("aside", { "aria-label": "numbers and changes" }, side)));
    this.store.addEventListener("change", () => this.refresh());
    // A page of its own hears every key; in a notebook only those that are pressed in it.
    (host.keeper ? root : document).addEventListener("keydown", (event) => this.key(event));
    for (const kind of ["click", "keydown"]) {
      root.addEventListener(kind, (event) => { this.pressed = event.target.closest("[data-key]")?.dataset.key; }, true);
    }
    addEventListener("resize", () => fadeAll(root));
    if (!host.keeper && remembered()) lighten(remembered(), root);
  }

  get state() {
    return this.store.state;
  }

  get question() {
    return this.store.question();
  }

  /**
   * What the numbers are compared with: another text, model or moment, or the same without edits. Another model or
   * moment reads what stands here, also where it would write something else: the numbers are then of the same words.
   */
  other(doc = this.doc) {
    const { other } = this.state;
    const same = other?.beside ? { texts: doc.texts, token_ids: null } : { token_ids: doc.token_ids };
    if (other) return { ...this.store.question({ edits: [] }), ...same, ...other };
    const { edits, token_ids, texts } = this.state;
    const known = !this.host.can.ask || Object.keys(texts).length > 0;
    if (!edits.length && !(token_ids && known)) return null;
    return { ...this.store.question({ edits: [] }), ...(known ? { token_ids: null } : {}) };
  }

  /** Where and when those numbers are, in words. */
  than() {
    const { other } = this.state;
    if (!other) return "before your changes";
    if (other.texts) return `in “${shortened(Object.values(other.texts)[0])}”`;
    if (other.beside) return "in the other model";
    return other.moment === null ? "at the end of the training" : `at step ${other.moment} of the training`;
  }

  /** Ask what the state asks, and draw. */
  async refresh() {
    const asked = JSON.stringify([this.question, this.state.other]);
    if (asked !== this.asked && this.ready()) {
      this.asked = asked;
      this.parts.message.replaceChildren("…");
      try {
        const doc = await this.document(this.question);
        const other = this.other(doc);
        const before = other && await this.document(other).catch((error) => { this.remarks.push(`Nothing to compare with: ${error.message}`); return null; });
        if (asked !== this.asked) return; // something newer was asked meanwhile
        Object.assign(this, { doc, before });
        this.parts.message.replaceChildren(...[...doc.remarks, ...this.remarks.splice(0)].map((remark) => h("p", {}, remark)));
      } catch (error) {
        this.parts.message.replaceChildren(h("p.error", { role: "alert" }, error.message));
        this.drawHead();
        replace(this.parts.side, edits(this), this.keys()); // what was asked can be taken back
        return;
      }
    }
    if (!this.ready()) this.clear();
    await this.draw();
  }

  /** Nothing is asked: nothing is shown. */
  clear() {
    this.parts.message.replaceChildren(h("p", {}, "Write a text above, and the model reads it."));
    this.doc = this.before = this.asked = null;
    for (const name of ["sentences", "why", "compare", "way", "side"]) this.parts[name].replaceChildren();
  }

  /** The document of a question; those of the last questions are kept. */
  async document(question) {
    const key = JSON.stringify(question);
    if (!this.documents.has(key)) {
      this.documents.set(key, apart(await this.host.open(question)));
      if (this.documents.size > KEPT) this.documents.delete(this.documents.keys().next().value);
    }
    return this.documents.get(key);
  }

  ready() {
    return this.host.ready || this.state.token_ids || Boolean(this.state.texts[this.host.inputs?.[0]]?.trim());
  }

  async draw() {
    this.drawHead();
    if (!this.doc) return;
    if (!this.host.keeper) document.title = `${this.doc.title} · clearhead`;
    const version = (this.version = (this.version ?? 0) + 1);
    const held = this.hold();
    revise(this.parts.sentences, () => sentences(this));
    replace(this.parts.compare, this.comparison());
    this.parts.way.style.minHeight = `${this.parts.way.offsetHeight}px`; // what is open comes back in a moment
    revise(this.parts.way, () => way(this));
    held();
    const told = (work) => work.catch((error) => h("p.error", { role: "alert" }, error.message));
    // What is open asks first: it is what a person waits for.
    const [step, reason, number] = await Promise.all([told(opened(this)), told(why(this)), told(chosen(this))]);
    if (version !== this.version) return;
    if (step) replace(this.root.querySelector("#opened"), step);
    replace(this.parts.why, reason);
    replace(this.parts.side, number, edits(this), this.keys());
    this.parts.way.style.minHeight = "";
    const stays = held();
    if (this.reveal) this.uncover(this.root.querySelector("#opened"), stays);
    this.reveal = false;
    fadeAll(this.root);
    this.root.dataset.drawn = String(version);
  }

  /** What was pressed, to be put again where it stands on the screen: tells whether it is still there. */
  hold() {
    const find = () => this.pressed && this.root.querySelector(`[data-key="${CSS.escape(this.pressed)}"]`);
    const top = find()?.getBoundingClientRect().top;
    return () => {
      const found = top === undefined ? null : find();
      if (found) stay(found, top, this.root);
      return Boolean(found) && this.parts.way.contains(found);
    };
  }

  /** Bring what was opened on the screen: as little as need be where what was pressed stands above it. */
  uncover(box, stays) {
    if (!box) return;
    const { top, height } = box.getBoundingClientRect();
    const hidden = top + Math.min(height, SEEN) - innerHeight;
    if (!stays) box.scrollIntoView({ block: "nearest" });
    else if (hidden > 0) stay(box, top - hidden, this.root);
  }

  drawHead() {
    const { doc, state } = this;
    const inputs = this.host.inputs ?? [];
    const field = (name, i) => h("label", {}, h("span", {}, name === "source" ? "read" : name === "target" ? "written" : name),
      h("input", { type: "text", name, value: (state.token_ids ? doc?.texts?.[name] : state.texts[name]) ?? doc?.texts?.[name] ?? "", placeholder: i ? "the model's own" : "write a sentence", "data-key": `input ${name}`, autocomplete: "off", spellcheck: "false" }));
    const form = h("form", { onsubmit: (event) => this.ask(event, inputs) }, inputs.map(field), h("button", { "data-key": "run" }, "run"));
    const moments = doc?.moments?.length ? this.film(doc) : null;
    replace(this.parts.head, h("header", {}, h("h1", {}, doc?.title ?? this.host.title ?? "clearhead"), this.host.can.ask ? form : null, moments,
      h("p.tools", {}, h("button", { "data-key": "glossary", onclick: () => glossary(this.root) }, "what the words mean"), this.host.keeper ? null : h("button", { "data-key": "link", onclick: () => this.link() }, "copy link"), h("button", { "data-key": "theme", onclick: () => this.theme() }, "dark / light"))));
  }

  /** The moments of the training that were kept, as a slider. */
  film(doc) {
    const steps = [...doc.moments.map((moment) => moment.step), null];
    const at = steps.indexOf(this.state.moment);
    const go = (i) => this.store.set({ moment: steps[i] });
    const play = () => {
      if (this.playing) return this.pause();
      let i = at === steps.length - 1 ? 0 : at;
      go(i);
      this.playing = setInterval(() => (++i < steps.length ? go(i) : this.pause()), matchMedia("(prefers-reduced-motion: reduce)").matches ? 2500 : 900);
      return this.drawHead();
    };
    const told = this.state.moment === null ? "as it is" : `step ${this.state.moment}`;
    return h("p.film.tools", {}, h("button", { "data-key": "play", onclick: play }, this.playing ? "pause" : "play the training"),
      h("input", { type: "range", min: "0", max: String(steps.length - 1), value: String(at), "aria-label": "moment of the training", "aria-valuetext": told, "data-key": "moment", oninput: (event) => go(Number(event.target.value)) }), told);
  }

  /** What the numbers are compared with, cell by cell, and the names of the heads. */
  comparison() {
    const { doc, state } = this;
    const order = h("label", { title: told("sharpest heads first") }, h("input", { type: "checkbox", checked: this.sharpest, "data-key": "sharpest", onchange: () => { this.sharpest = !this.sharpest; this.draw(); } }), " sharpest heads first");
    if (!this.host.can.ask) return h("div", {}, h("p.tools", {}, order));
    const name = Object.keys(doc.texts)[0];
    const with_ = (other) => this.store.set({ other });
    const ways = [
      ["nothing", () => with_(null), !state.other],
      ["another text", async () => { const text = await this.prompt("compare with the text", "compare"); if (text) with_({ texts: { [name]: text }, token_ids: null }); }, Boolean(state.other?.texts)],
      ...(doc.moments.length ? [["the end of the training", () => with_({ moment: null }), state.other?.moment === null], ["its beginning", () => with_({ moment: doc.moments[0].step }), state.other?.moment === doc.moments[0].step]] : []),
      ...(doc.beside ? [["the other model", () => with_({ beside: true }), state.other?.beside === true]] : []),
    ];
    return h("div", {}, h("p.tools", {}, "Compare with ", ways.map(([text, go, chosen]) => h("button", { "data-key": `compare ${text}`, "aria-pressed": chosen ? "true" : "false", onclick: go }, text)),
      h("button", { "data-key": "roles", title: told("what do the heads do?"), disabled: Boolean(this.roles), onclick: () => this.nameHeads() }, this.roles === undefined ? "what do the heads do?" : "heads are named"), order),
      state.other ? h("p.tools.comparing", { role: "status" }, h("span", {}, "You see the numbers of the text above. Those in an orange frame are different ", h("b", {}, this.than()),
        ": point at one, or choose it, to read both."), h("button", { "data-key": "end comparison", onclick: () => with_(null) }, "end the comparison")) : null);
  }

  /** Ask once what each head does: measured on built-in texts. */
  async nameHeads() {
    this.parts.message.replaceChildren("reading some texts …");
    try {
      [{ roles: this.roles }] = await this.host.values(this.question, [{ path: "", kind: "roles" }]);
      this.parts.message.replaceChildren();
    } catch (error) {
      this.parts.message.replaceChildren(h("p.error", { role: "alert" }, error.message));
    }
    await this.draw();
  }

  pause() {
    clearInterval(this.playing);
    this.playing = null;
    this.drawHead();
  }

  ask(event, inputs) {
    event.preventDefault();
    const given = new FormData(event.target);
    const typed = Object.fromEntries(inputs.map((name) => [name, String(given.get(name)).trim()]));
    // Other words were put in, and nothing was typed: the text is written anew behind them.
    if (this.state.token_ids && this.doc && inputs.every((name) => typed[name] === this.doc.texts[name])) return this.rewrite();
    const texts = {};
    inputs.forEach((name, i) => {
      // What the model wrote itself is written anew for another text.
      const own = i > 0 && typed[name] === this.doc?.texts?.[name] && !(name in this.state.texts);
      if ((typed[name] || i === 0) && !own) texts[name] = typed[name];
    });
    return this.store.ask({ texts, token_ids: null, edits: [], token: null });
  }

  // What a person does -------------------------------------------------------------------------------------------------

  show(open) {
    this.reveal = true;
    this.store.set({ open, cell: open && this.state.open?.path === open.path && this.state.open?.step === open.step ? this.state.cell : null });
  }

  /** Choose a cell; if it is outside the window, the window follows. */
  pick(cell, size, total, first) {
    this.walked = true;
    const open = { ...this.state.open };
    if (size) {
      open.first = first.map((start, axis) => {
        if (cell[axis] < start) return cell[axis];
        return cell[axis] >= start + size[axis] ? Math.min(total[axis], cell[axis] + 1) - size[axis] : start;
      });
    }
    this.store.set({ cell, open });
  }

  /** Go where an operand comes from. */
  go({ path, step = "", head, cell }) {
    const station = this.doc.stations.find((one) => one.path === path);
    const width = station.shape.at(-1);
    const inHead = step === "" && station.shape.length > 2 && head === undefined;
    const [row, column] = cell;
    const at = inHead ? [row, column % width] : cell;
    this.walked = this.reveal = true;
    this.store.set({ open: { path, step, head: inHead ? Math.floor(column / width) : head ?? 0, first: at.map((x) => Math.max(0, x - 6)) }, cell: at });
  }

  why(token) {
    this.store.set({ token });
  }

  /** Change one number. */
  change(station, want, cell, value) {
    this.store.edit([this.place(station, want, cell, { value })]);
  }

  /** An edit of a cell; a recurrent network's row is a call of its own. */
  place(station, want, [row, column], rest) {
    const steps = station.calls > 1 && !["k", "v"].includes(want.step);
    const heads = station.shape.length > 2 ? [this.headOf(station, want)] : [];
    const where = [0, ...heads, steps ? 0 : row, column];
    const call = station.turned ? station.calls - 1 - row : row;
    return { path: station.path, step: want.step, where, op: "set", ...rest, ...(steps ? { call } : {}) };
  }

  /** The head whose numbers are changed: of keys and values the one that serves the head that is open. */
  headOf(station, want) {
    if (!["k", "v"].includes(want.step)) return want.head;
    const kv = this.doc.stations.find((one) => one.path === station.path.replace(/attention$/, want.step)).shape[0];
    return Math.floor(want.head / (station.shape[0] / kv));
  }

  /** Forbid or allow a look: a new mask at one place. */
  async redraw(station, want, cell, value) {
    if (value !== -Infinity) return this.store.edit([this.place(station, want, cell, { value: "-inf" })]);
    const [{ data }] = await this.host.values(this.question, [{ ...want, step: "biased" }]);
    return this.store.edit([this.place(station, want, cell, { value: data[0] })]);
  }

  switchHead(path, head) {
    if (switchedOff(this, path).has(head)) {
      this.store.ask({ edits: this.state.edits.filter((edit) => !(edit.path === path && edit.step === "context" && edit.where.length === 2 && edit.where[1] === head)) });
    } else this.store.edit([{ path, step: "context", where: [0, head], op: "set", value: 0 }]);
  }

  /** Every token that may be looked at gets the same weight. */
  async average(station, head) {
    const [{ data, shape }] = await this.host.values(this.question, [{ path: station.path, step: "masked", head }]);
    const rows = Array.from({ length: shape[0] }, (_, r) => Array.from(data.slice(r * shape[1], (r + 1) * shape[1]), (x) => (x === -Infinity ? "-inf" : 0)));
    const common = { path: station.path, step: "masked", op: "set" };
    // A context that is switched off would hide what is averaged.
    const kept = this.state.edits.filter(({ path, step, where }) => !(path === station.path && step === "context" && where.length === 2 && where[1] === head));
    const even = station.calls > 1 ? rows.map((row, call) => ({ ...common, where: [0, head, 0], value: row, call })) : [{ ...common, where: [0, head], value: rows }];
    this.store.edit(even, kept);
  }

  /** Write this token behind that row; what stood there and behind goes. */
  take(row, id) {
    const ids = structuredClone(this.doc.token_ids);
    const name = Object.keys(ids).at(-1);
    ids[name] = [...ids[name].slice(0, row + 1), id];
    this.store.ask({ token_ids: ids, token: row + 1 });
  }

  /** Put another word in the place of a token that was read. */
  async replaceToken(name, index) {
    const text = await this.prompt(`instead of “${visible(this.doc.labels[name][index])}”`);
    if (!text) return;
    const [{ token_ids: found, remarks }] = await this.host.values(this.question, [{ path: name, step: text, kind: "tokens" }]);
    this.remarks = remarks;
    const ids = structuredClone(this.doc.token_ids);
    ids[name].splice(index, 1, ...found);
    this.store.ask({ token_ids: ids });
  }

  /** Write the text anew, as the model writes with these changes. */
  async rewrite() {
    this.parts.message.replaceChildren("writing …");
    try {
      const [{ token_ids, edits, remarks }] = await this.host.values(this.question, [{ path: "", kind: "written" }]);
      this.remarks = remarks;
      this.parts.message.replaceChildren();
      this.written = JSON.stringify(token_ids);
      const same = this.written === JSON.stringify(this.doc.token_ids);
      this.store.ask({ token_ids, edits, ...(same ? {} : { token: null, cell: null }) });
    } catch (error) {
      this.parts.message.replaceChildren(h("p.error", { role: "alert" }, error.message));
    }
  }

  /** A question in the page itself. */
  prompt(title, button = "put it there") {
    return new Promise((resolve) => {
      const input = h("input", { type: "text", "aria-label": title });
      const dialog = h("dialog", { onclose: () => { resolve(dialog.returnValue ? input.value : null); dialog.remove(); } },
        h("form", { method: "dialog" }, h("label", {}, title, " ", input), h("button", { value: "yes" }, button), h("button", { value: "", formnovalidate: true }, "cancel")));
      this.root.append(dialog);
      dialog.showModal();
    });
  }

  /** The act in which the word was looked for, its heads there, and the place they looked at most. */
  async lookedAt(row) {
    const acts = this.doc.stations.filter((station) => station.kind === "act");
    const cross = acts.filter((station) => station.part === "cross_attention");
    const station = cross[this.doc.head?.layer ?? cross.length - 1] ?? acts.at(-1);
    const heads = Array.from({ length: station.shape[0] }, (_, head) => head);
    const found = await this.host.values(this.question, heads.map((head) => ({ path: station.path, step: "weights", head, rows: [row, row + 1] })));
    const best = this.doc.head?.head ?? heads.reduce((a, b) => (Math.max(...found[b].data) > Math.max(...found[a].data) ? b : a));
    const data = [...found[best].data];
    return { station, head: best, key: data.indexOf(Math.max(...data)) };
  }

  /** Switch off the head that added most to the word's logit; where that cannot be told, one it looked with. */
  async withoutBest(row) {
    const entry = this.doc.output.find((one) => one.row === row);
    const { id } = entry.next ?? entry.candidates[0];
    const [{ contributions }] = await this.host.values(this.question, [{ path: "", kind: "contributions", rows: [row, row + 1], columns: [id, id + 1] }]);
    const heads = contributions.filter((one) => one.head !== null).sort((a, b) => b.value - a.value);
    const { path, head } = heads[0] ?? (await this.lookedAt(row).then(({ station, head: own }) => ({ path: station.path, head: own })));
    this.switchHead(path, head);
  }

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
    const input = h("input", { type: "file", accept: ".json,application/json", onchange: async () => {
      try {
        const read = JSON.parse(await input.files[0].text());
        if (!Array.isArray(read) || read.some((edit) => typeof edit?.path !== "string")) throw new Error("this file holds no list of edits");
        this.store.ask({ edits: read });
      } catch (error) {
        this.parts.message.replaceChildren(h("p.error", { role: "alert" }, `${input.files[0].name}: ${error.message}`));
      }
    } });
    input.click();
  }

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

  key(event) {
    if (event.key === "Escape" && event.target.matches(".chosen input")) event.target.blur();
    if (event.target.matches("input, textarea, select, dialog, dialog *") || event.ctrlKey || event.metaKey || event.altKey) return;
    const { open } = this.state;
    const go = (selector) => this.root.querySelector(selector)?.focus();
    const keys = {
      u: () => this.store.undo(), r: () => this.store.redo(), t: () => this.theme(),
      w: () => go(".sentence .written, .sentence .next"), a: () => go(".way button.thumb"), n: () => go("table.matrix [tabindex='0']"), e: () => go(".chosen input"),
      "?": () => glossary(this.root),
      "[": () => open && this.show({ ...open, head: Math.max(0, open.head - 1) }), "]": () => open && this.show({ ...open, head: Math.min(this.heads(open.path) - 1, open.head + 1) }),
      Escape: () => (open ? this.show(null) : this.why(null)),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }

  /** How many heads a value has. */
  heads(path) {
    const { shape } = this.doc.stations.find((station) => station.path === path);
    return shape.length > 2 ? shape[0] : 1;
  }

  keys() {
    const all = [["w", "to what was written"], ["a", "to the heads"], ["n", "to the numbers; arrows walk"], ["e", "to change the chosen number"], ["[ ]", "head before, next head"], ["u r", "undo, redo"], ["t", "dark, light"], ["?", "what the words mean"], ["Esc", "close"]];
    return h("details.keys", { open: this.keysOpen, ontoggle: (event) => { this.keysOpen = event.target.open; } }, h("summary", {}, "Keyboard"), h("dl", {}, all.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])));
  }
}
