/** What the page shows, as one plain value: it stands in the address, so a link shows the same to others. */

/** The state a page begins with. */
const FIRST = {
  texts: {},
  token_ids: null,
  edits: [],
  temperature: 1,
  moment: null,
  open: null, // {path, step, head, rows: [start], columns: [start]}
  cell: null, // [row, column] of what is open
  token: null, // the row of the output that is explained
  level: "pieces",
  other: null, // what it is compared with: {texts | token_ids, moment}
  threshold: 0,
  specials: true,
};

export class Store extends EventTarget {
  constructor() {
    super();
    this.undone = [];
    this.state = { ...FIRST, ...this.read() };
    addEventListener("hashchange", () => {
      const read = this.read();
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

  /** Add an edit; the ones that were undone are gone then. */
  edit(...edits) {
    this.undone = [];
    this.set({ edits: [...this.state.edits, ...edits] });
  }

  undo() {
    if (!this.state.edits.length) return;
    this.undone.push(this.state.edits.at(-1));
    this.set({ edits: this.state.edits.slice(0, -1) });
  }

  redo() {
    if (this.undone.length) this.set({ edits: [...this.state.edits, this.undone.pop()] });
  }

  /** The question whose answer is shown; without its edits, what it is compared with. */
  question({ edits = this.state.edits } = {}) {
    const { texts, token_ids, temperature, moment } = this.state;
    return { texts, token_ids, edits, temperature, moment };
  }

  read() {
    const hash = new URLSearchParams(location.hash.slice(1));
    try {
      if (hash.has("s")) return JSON.parse(hash.get("s"));
    } catch {
      return null; // a link that was cut: the page begins anew
    }
    return null;
  }

  write() {
    const told = Object.fromEntries(
      Object.entries(this.state).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(FIRST[name])),
    );
    const hash = `#s=${encodeURIComponent(JSON.stringify(told))}`;
    try {
      history.replaceState(null, "", hash);
    } catch {
      location.hash = hash; // a page inside a page may not write its history
    }
  }

  tell() {
    this.dispatchEvent(new Event("change"));
  }
}
