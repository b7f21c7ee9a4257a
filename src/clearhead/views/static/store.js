/** What the page shows, as one plain value that its host keeps. */

/** The state a page begins with. */
const FIRST = {
  texts: {},
  token_ids: null,
  edits: [],
  temperature: 1,
  top_k: 0,
  top_p: 1,
  min_p: 0,
  moment: null,
  open: null, // {path, step, head, rows: [start], columns: [start]}
  cell: null, // [row, column] of what is open
  token: null, // the row of the output that is explained
  level: "pieces",
  other: null, // what it is compared with: {texts | token_ids, moment}
  threshold: 0,
  specials: true,
};

/** A page of its own keeps it in its address: a link shows the same to others. */
const address = {
  read() {
    const hash = new URLSearchParams(location.hash.slice(1));
    try {
      if (hash.has("s")) return JSON.parse(hash.get("s"));
    } catch {
      return null; // a link that was cut: the page begins anew
    }
    return null;
  },

  write(told) {
    const hash = `#s=${encodeURIComponent(JSON.stringify(told))}`;
    try {
      history.replaceState(null, "", hash);
    } catch {
      location.hash = hash; // a page inside a page may not write its history
    }
  },

  /** Tell when somebody else has changed it. */
  heard(call) {
    addEventListener("hashchange", call);
  },
};

/** What of a state that was kept has the form it must have: a link may have been written by hand. */
function known(read) {
  const alike = (one, other) => Array.isArray(one) === Array.isArray(other) && typeof one === typeof other;
  return read && Object.fromEntries(Object.entries(read).filter(([name, value]) =>
    name in FIRST && (FIRST[name] === null ? value === null || typeof value !== "string" : value !== null && alike(value, FIRST[name]))));
}

export class Store extends EventTarget {
  constructor(keeper = address) {
    super();
    this.keeper = keeper;
    this.past = []; // what was asked before each change, the last one last
    this.future = []; // what was undone
    this.state = { ...FIRST, ...known(keeper.read()) };
    keeper.heard(() => {
      const read = known(keeper.read());
      if (read && JSON.stringify({ ...FIRST, ...read }) !== JSON.stringify(this.state)) {
        this.state = { ...FIRST, ...read };
        this.tell();
      }
    });
  }

  /** Change some of the state; whoever listens is told. */
  set(change) {
    this.state = { ...this.state, ...change };
    this.write();
    this.tell();
  }

  /** Ask something else: other edits, words or texts. It can be undone. */
  ask(change) {
    this.past.push(this.asked());
    this.future = [];
    this.set(change);
  }

  /** Add edits to those that are kept; one of the same place takes the place of the former. */
  edit(edits, kept = this.state.edits) {
    const place = ({ path, step = "", where, call = null }) => JSON.stringify([path, step, where, call]);
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
    if (!this.future.length) return;
    this.past.push(this.asked());
    this.set(this.future.pop());
  }

  /** What is asked now, to come back to. */
  asked() {
    const { texts, token_ids, edits, token } = this.state;
    return { texts, token_ids, edits, token };
  }

  /** The question whose answer is shown; without its edits, what it is compared with. */
  question({ edits = this.state.edits } = {}) {
    const { texts, token_ids, temperature, moment } = this.state;
    return { texts, token_ids, edits, temperature, moment };
  }

  write() {
    const told = Object.fromEntries(
      Object.entries(this.state).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(FIRST[name])),
    );
    this.keeper.write(told);
  }

  tell() {
    this.dispatchEvent(new Event("change"));
  }
}
