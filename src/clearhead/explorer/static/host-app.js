/** The host of the application: questions go to the program that served the page, answers are kept for a while. */
import { floats } from "./dom.js";

const KEPT = 600;

export class AppHost {
  /** The host of the program that served this page: what it reads, and its name. */
  static async open() {
    const base = new URL(".", document.baseURI);
    const { inputs, title } = await (await fetch(new URL("about", base))).json();
    return new AppHost(base, inputs, title);
  }

  constructor(base, inputs, title) {
    Object.assign(this, { base, inputs, title, kept: new Map() });
  }

  /** What can be done here beyond looking. */
  can = { ask: true };

  /** The document of a question {texts | token_ids, edits, temperature, moment}. */
  async open(question) {
    return this.post("open", question);
  }

  /**
   * The numbers of a question: for each want {path, step, head, rows, columns, pooled, kind}
   * an object {shape, data: Float32Array}, {proof} or {candidates}.
   */
  async values(question, wants) {
    const keys = wants.map((want) => JSON.stringify([question, want]));
    const missing = new Map(wants.map((want, i) => [keys[i], want]).filter(([key]) => !this.kept.has(key)));
    if (missing.size) {
      const found = await this.post("values", { question, wants: [...missing.values()] });
      [...missing.keys()].forEach((key, i) => {
        const answer = found[i];
        if (answer.data !== undefined) answer.data = floats(answer.data);
        this.kept.set(key, answer);
      });
    }
    const answers = keys.map((key) => this.kept.get(key));
    while (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
    return answers;
  }

  async post(name, body) {
    let response;
    try {
      response = await fetch(new URL(name, this.base), {
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
