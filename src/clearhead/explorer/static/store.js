/**
 * What the page shows, as one plain value that its host keeps.
 *
 * @import { Keeper, Pass, Placed, State } from "./types.js"
 */

/**
 * The state a page begins with.
 *
 * @type {State}
 */
const FIRST = {
  texts: {},
  token_ids: null,
  edits: [],
  temperature: 1,
  top_k: 0,
  top_p: 1,
  min_p: 0,
  moment: null,
  open: null,
  cell: null,
  token: undefined,
  level: "pieces",
  other: null,
  threshold: 0,
  specials: true,
};

/** @typedef {(x: unknown) => boolean} Is */

/**
 * @param {unknown} x
 * @returns {x is Record<string, unknown>}
 */
const isObject = (x) => typeof x === "object" && x !== null && !Array.isArray(x);
/** @type {Is} */
const isCount = (x) => Number.isInteger(x) && Number(x) >= 0;
/** @type {Is} */
const isPair = (x) => Array.isArray(x) && x.length === 2 && x.every(isCount);
/** @type {Is} */
const isPlace = (x) => x === null || isCount(x) || isPair(x);
/** @type {(x: unknown, axes?: number) => boolean} */
const isValue = (x, axes = 8) =>
  Number.isFinite(x) ||
  x === "inf" ||
  x === "-inf" ||
  (Array.isArray(x) && axes > 0 && x.every((one) => isValue(one, axes - 1)));
/** @type {(x: Record<string, unknown>) => boolean} */
const isEdit = ({ path, where = [], op = "set", value = 0, step = "", call = null, ...rest }) =>
  [path, step].every((x) => typeof x === "string") &&
  Array.isArray(where) &&
  where.every(isPlace) &&
  (op === "set" || op === "add" || op === "multiply") &&
  isValue(value) &&
  (call === null || isCount(call)) &&
  !Object.keys(rest).length;
/** @type {(is: Is) => Is} */
const eachIs = (is) => (x) => isObject(x) && Object.values(x).every(is);
const isTexts = eachIs((text) => typeof text === "string");
const isTokens = eachIs((row) => Array.isArray(row) && row.every(isCount));
/** @type {(least: number, most: number) => Is} */
const isNumber = (least, most) => (x) => typeof x === "number" && x >= least && x <= most;
/** @type {(is: Is) => Is} */
const orNull = (is) => (x) => x === null || is(x);

/**
 * Which values each part of a state may have: a link may have been written by hand, or cut.
 *
 * @type {Record<keyof State, Is>}
 */
const FORMS = {
  texts: isTexts,
  token_ids: orNull(isTokens),
  edits: (x) => Array.isArray(x) && x.every((edit) => isObject(edit) && isEdit(edit)),
  temperature: isNumber(0, 100),
  top_k: isCount,
  top_p: isNumber(0, 1),
  min_p: isNumber(0, 1),
  moment: orNull(isCount),
  open: orNull(
    (x) =>
      isObject(x) &&
      typeof x.path === "string" &&
      typeof (x.step ?? "") === "string" &&
      isCount(x.head ?? 0) &&
      isPair(x.first ?? [0, 0]),
  ),
  cell: orNull((x) => isPair(x)),
  token: orNull(isCount),
  level: (x) => x === "pieces" || x === "words",
  other: orNull(
    (x) =>
      isObject(x) &&
      isTexts(x.texts ?? {}) &&
      orNull(isTokens)(x.token_ids ?? null) &&
      orNull(isCount)(x.moment ?? null) &&
      typeof (x.beside ?? false) === "boolean",
  ),
  threshold: isNumber(0, 1),
  specials: (x) => typeof x === "boolean",
};

/**
 * Edits as a page reads them: each says its place, be it the whole of its value.
 *
 * @param {unknown} read
 */
export function edited(read) {
  if (!FORMS.edits(read)) throw new Error("these are not edits");
  return /** @type {Placed[]} */ (read).map((edit) => ({ ...edit, where: edit.where ?? [] }));
}

/**
 * @param {string} name
 * @returns {name is keyof State}
 */
const isPart = (name) => Object.hasOwn(FORMS, name);

/**
 * What of a state that was read has the form it must have, and the names of what has not.
 *
 * @param {unknown} read
 */
function known(read) {
  if (!isObject(read)) return { state: {}, odd: read === null ? [] : ["all of it"] };
  const names = Object.keys(read);
  const isKnown = (/** @type {string} */ name) => isPart(name) && FORMS[name](read[name]);
  const odd = names.filter((name) => !isKnown(name));
  /** @type {Partial<State>} */
  const state = Object.fromEntries(names.filter(isKnown).map((name) => [name, read[name]]));
  return { state: { ...state, ...(state.edits ? { edits: edited(state.edits) } : {}) }, odd };
}

/**
 * A page of its own keeps it in its address: a link shows the same to others.
 *
 * @type {Keeper}
 */
const address = {
  read() {
    const hash = new URLSearchParams(location.hash.slice(1));
    if (location.hash.length < 2) return null;
    try {
      return JSON.parse(hash.get("s") ?? "0");
    } catch {
      return 0; // a link that was cut
    }
  },

  write(state) {
    const hash = `#s=${encodeURIComponent(JSON.stringify(state))}`;
    try {
      history.replaceState(null, "", hash);
    } catch {
      location.hash = hash; // a page inside a page may not write its history
    }
  },

  /** Call when it was changed from outside. */
  heard(call) {
    addEventListener("hashchange", call);
  },
};

export class Store extends EventTarget {
  /** @param {Keeper} [keeper] */
  constructor(keeper = address) {
    super();
    this.keeper = keeper;
    /** @type {Partial<State>[]} what was asked before each change, the last one last */
    this.past = [];
    /** @type {Partial<State>[]} what was undone */
    this.future = [];
    /** @type {string[]} what of the state could not be read */
    this.odd = [];
    this.state = this.read();
    keeper.heard(() => {
      const read = this.read();
      if (this.odd.length || JSON.stringify(read) !== JSON.stringify(this.state)) {
        this.state = read;
        this.announce();
      }
    });
  }

  /**
   * The state that is kept; `odd` names what of it could not be read.
   *
   * @returns {State}
   */
  read() {
    const { state, odd } = known(this.keeper.read());
    this.odd = odd;
    return { ...FIRST, ...state };
  }

  /**
   * Change some of the state, and say so to those who listen.
   *
   * @param {Partial<State>} change
   */
  set(change) {
    this.state = { ...this.state, ...change };
    this.write();
    this.announce();
  }

  /**
   * Set what the answer does not have to what it has: this is not announced, it is about to be drawn.
   *
   * @param {Partial<State>} change
   */
  settle(change) {
    this.state = { ...this.state, ...change };
    this.write();
  }

  /**
   * Ask something else: other edits, words or texts. It can be undone.
   *
   * @param {Partial<State>} change
   */
  ask(change) {
    this.past.push(this.asked());
    this.future = [];
    this.set(change);
  }

  /**
   * Add edits to those that are kept; one of the same place takes the place of the former.
   *
   * @param {Placed[]} edits
   * @param {Placed[]} [kept]
   */
  edit(edits, kept = this.state.edits) {
    const place = (/** @type {Placed} */ { path, step = "", where, call = null }) =>
      JSON.stringify([path, step, where, call]);
    const places = new Set(edits.map(place));
    this.ask({ edits: [...kept.filter((edit) => !places.has(place(edit))), ...edits] });
  }

  /** Whether there is something to undo: of a page that a link opened, its edits. */
  get undoable() {
    return this.past.length > 0 || this.state.edits.length > 0;
  }

  undo() {
    if (!this.undoable) return;
    this.future.push(this.asked());
    this.set(this.past.pop() ?? { edits: this.state.edits.slice(0, -1) });
  }

  redo() {
    const next = this.future.pop();
    if (!next) return;
    this.past.push(this.asked());
    this.set(next);
  }

  /**
   * What is asked now, to come back to.
   *
   * @returns {Partial<State>}
   */
  asked() {
    const { texts, token_ids, edits, token } = this.state;
    return { texts, token_ids, edits, token };
  }

  /**
   * The pass that is shown; without its edits, what it is compared with.
   *
   * @param {{edits?: Placed[]}} [asked]
   * @returns {Pass}
   */
  pass({ edits = this.state.edits } = {}) {
    const { texts, token_ids, temperature, moment } = this.state;
    return { texts, token_ids, edits, temperature, moment };
  }

  write() {
    const changed = Object.fromEntries(
      Object.entries(this.state).filter(
        ([name, value]) => !isPart(name) || JSON.stringify(value) !== JSON.stringify(FIRST[name]),
      ),
    );
    this.keeper.write(changed);
  }

  announce() {
    this.dispatchEvent(new Event("change"));
  }
}
