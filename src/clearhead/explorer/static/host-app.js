/**
 * The host of the application: questions go to the program that served the page.
 *
 * @import { AnswerJson, Host, Pass, Question } from "./types.js"
 */
import { floats } from "./dom.js";

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
  }

  /** What can be done here beyond looking. */
  can = { ask: true };

  /**
   * @param {Pass} of
   * @param {Question[]} questions
   */
  async answer(of, questions) {
    return (await this.send({ of, questions })).map(read);
  }

  /**
   * @param {{of: Pass, questions: Question[]}} asked
   * @returns {Promise<AnswerJson[]>}
   */
  async send(asked) {
    let response;
    try {
      response = await fetch(new URL("answer", this.base ?? document.baseURI), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(asked),
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
 */
const read = (answer) => ("data" in answer ? { ...answer, data: floats(answer.data) } : answer);
