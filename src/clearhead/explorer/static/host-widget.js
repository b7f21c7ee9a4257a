/** The host of a notebook's widget: questions go to its kernel as messages, and each answer names its question. */
import { AppHost } from "./host-app.js";

export class WidgetHost extends AppHost {
  /** @param {object} model - the widget's: get, set, save_changes, send, on, off */
  constructor(model) {
    super(null, model.get("inputs"), model.get("title"));
    // Other views of the widget hear the same answers: what this one asked bears its name.
    Object.assign(this, { model, name: Math.random().toString(36).slice(2), asked: 0, waiting: new Map() });
    this.hear = ({ id, answer, error }) => {
      const { resolve, reject } = this.waiting.get(id) ?? {};
      this.waiting.delete(id);
      if (error === undefined) resolve?.(answer);
      else reject?.(new Error(error));
    };
    model.on("msg:custom", this.hear);
  }

  /** The state is the widget's, which Python reads and sets too. */
  keeper = {
    read: () => this.model.get("state"),
    write: (told) => {
      this.model.set("state", told);
      this.model.save_changes();
    },
    heard: (call) => {
      this.changed = call;
      this.model.on("change:state", call);
    },
  };

  async post(name, body) {
    this.asked += 1;
    const id = `${this.name} ${this.asked}`;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.model.send({ id, name, body });
    });
  }

  /** Listen no longer. */
  close() {
    this.model.off("msg:custom", this.hear);
    this.model.off("change:state", this.changed);
  }
}
