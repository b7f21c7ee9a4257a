/**
 * The host of the application: questions go to the program that served the page, answers are kept for a while.
 *
 * @import { Answer, AnswerTo, DocumentJson, Host, Numbers, Question, Want } from "./types.js"
 *
 * @typedef {{shape: number[], data: string} | Exclude<Answer, Numbers>} AnswerJson numbers as base64
 */
import { floats } from "./dom.js";

const KEPT = 600;

/** @implements {Host} */
export class AppHost {
  /** The host of the program that served this page: what it reads, and its name. */
  static async open() {
    const base = new URL(".", document.baseURI);
    const { inputs, title } = await (await fetch(new URL("about", base))).json();
    return new AppHost(base, inputs, title);
  }

  /**
   * @param {URL | null} base the address of the program, where there is one
   * @param {string[]} inputs
   * @param {string} title
   */
  constructor(base, inputs, title) {
    this.base = base;
    this.inputs = inputs;
    this.title = title;
    /** @type {Map<string, Answer>} */
    this.kept = new Map();
  }

  /** What can be done here beyond looking. */
  can = { ask: true };

  /**
   * The document of a question.
   *
   * @param {Question} question
   * @returns {Promise<DocumentJson>}
   */
  async open(question) {
    return /** @type {DocumentJson} */ (await this.post("open", question));
  }

  /**
   * What a question's wants ask for, in their order.
   *
   * @template {readonly Want[]} const W
   * @param {Question} question
   * @param {W} wants
   * @returns {Promise<{-readonly [I in keyof W]: AnswerTo<W[I]>}>}
   */
  async values(question, wants) {
    const keys = wants.map((want) => JSON.stringify([question, want]));
    /** @type {Map<string, Want>} */
    const missing = new Map();
    keys.forEach((key, i) => {
      if (!this.kept.has(key)) missing.set(key, wants[i]);
    });
    if (missing.size) {
      const asked = { question, wants: [...missing.values()] };
      const found = /** @type {AnswerJson[]} */ (await this.post("values", asked));
      [...missing.keys()].forEach((key, i) => {
        this.kept.set(key, read(found[i]));
      });
    }
    const answers = keys.map((key) => this.kept.get(key));
    for (const key of [...this.kept.keys()].slice(0, -KEPT)) this.kept.delete(key);
    return /** @type {{-readonly [I in keyof W]: AnswerTo<W[I]>}} */ (/** @type {unknown} */ (answers));
  }

  /**
   * @param {"open" | "values"} name
   * @param {unknown} body
   * @returns {Promise<unknown>}
   */
  async post(name, body) {
    let response;
    try {
      response = await fetch(new URL(name, this.base ?? document.baseURI), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    } catch {
      throw new Error("the program that serves this page has ended: start `clearhead explore` again");
    }
    const answer = response.headers.get("content-type")?.startsWith("application/json") ? await response.json() : null;
    if (!response.ok) throw new Error(answer?.error ?? `${response.status} ${response.statusText}`);
    return answer;
  }
}

/**
 * An answer with its numbers decoded.
 *
 * @param {AnswerJson} answer
 * @returns {Answer}
 */
const read = (answer) => ("data" in answer ? { ...answer, data: floats(answer.data) } : answer);
