/**
 * The host of a notebook's widget: questions go to its kernel as messages, and each answer names its question.
 *
 * @import { AnswerJson, Keeper, Pass, Question, WidgetMessage, WidgetModel } from "./types.js"
 */
import { AppHost } from "./host-app.js";

export class WidgetHost extends AppHost {
  /** @param {WidgetModel} model */
  constructor(model) {
    super(null, model.get("inputs"), model.get("title"));
    this.model = model;
    // Other views of the widget hear the same answers: what this one asked bears its name.
    this.name = Math.random().toString(36).slice(2);
    this.asked = 0;
    /** @type {Map<string, {resolve: (answers: AnswerJson[]) => void, reject: (error: Error) => void}>} */
    this.waiting = new Map();
    /** @type {() => void} what hears of a state that Python has set */
    this.changed = () => {};
    this.hear = (/** @type {WidgetMessage} */ { id, answers = [], error }) => {
      const { resolve, reject } = this.waiting.get(id) ?? {};
      this.waiting.delete(id);
      if (error === undefined) resolve?.(answers);
      else reject?.(new Error(error));
    };
    model.on("msg:custom", this.hear);
  }

  /**
   * The state is the widget's, which Python reads and sets too.
   *
   * @type {Keeper}
   */
  keeper = {
    read: () => this.model.get("state"),
    write: (state) => {
      this.model.set("state", state);
      this.model.save_changes();
    },
    heard: (call) => {
      this.changed = call;
      this.model.on("change:state", call);
    },
  };

  /**
   * @override
   * @param {{of: Pass, questions: Question[]}} asked
   * @returns {Promise<AnswerJson[]>}
   */
  async send(asked) {
    this.asked += 1;
    const id = `${this.name} ${this.asked}`;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.model.send({ id, asked });
    });
  }

  /** Listen no longer. */
  close() {
    this.model.off("msg:custom", this.hear);
    this.model.off("change:state", this.changed);
  }
}
