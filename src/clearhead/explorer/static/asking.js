/**
 * What a page asks of its host: each question once, and those of one moment in one request. What it shows of one pass
 * it asks of the next at once, so that an edit is one request.
 *
 * @import { Answer, AnswersTo, Description, Doc, Heads, Host, Overview, Pass, Question, Text } from "./types.js"
 *
 * @typedef {(answer: Answer | {error: string} | Error) => void} Done
 */
import { apart } from "./regions.js";

const KEPT = 600; // answers
const MOST = 256; // questions of a request, as explorer/questions.py has it

/** @type {(keyof Pass)[]} */
const ALL = ["texts", "token_ids", "edits", "moment", "beside"];
/**
 * What of a pass an answer depends on, where that is not all but the temperature.
 *
 * @type {Partial<Record<Question["kind"], (keyof Pass)[]>>}
 */
const PARTS = {
  overview: [...ALL, "temperature"],
  candidates: [...ALL, "temperature"],
  weight: ["moment", "beside"],
  roles: ["moment", "beside"],
  names: ["beside"],
  tokens: [],
  words: [],
};

export class Asking {
  /** @type {Map<string, Promise<Answer>>} */
  kept = new Map();
  /** @type {Map<string, Question>} what is shown */
  shown = new Map();
  /** @type {Map<string, {of: Pass, questions: Map<Question, Done>}>} */
  waiting = new Map();
  /** @type {Map<string, Text>} by what is read */
  texts = new Map();
  /** @type {Map<string, Description>} by the number of tokens, and the moment */
  descriptions = new Map();
  /** @type {WeakMap<Answer, Doc>} */
  docs = new WeakMap();

  /** @param {Host} host */
  constructor(host) {
    this.host = host;
  }

  /**
   * The answers to questions about a pass.
   *
   * @template {readonly Question[]} const Q
   * @param {Pass} of
   * @param {Q} questions
   * @returns {Promise<AnswersTo<Q>>}
   */
  async ask(of, questions) {
    const answers = await Promise.all(questions.map((question) => this.answer(of, question)));
    return /** @type {AnswersTo<Q>} */ (/** @type {unknown} */ (answers));
  }

  /**
   * The same, of what the page shows.
   *
   * @template {readonly Question[]} const Q
   * @param {Pass} of
   * @param {Q} questions
   */
  show(of, questions) {
    for (const question of questions) this.shown.set(JSON.stringify(question), question);
    return this.ask(of, questions);
  }

  /**
   * What a page draws first; `like`, what it shows now: where a pass is of as many tokens, all that is shown is asked
   * along with it.
   *
   * @param {Pass} of
   * @param {Doc | null} [like]
   * @returns {Promise<Doc>}
   */
  async document(of, like = null) {
    const reads = JSON.stringify([of.texts, of.token_ids, of.moment, of.beside]);
    const known = this.texts.get(reads);
    const ids = known?.token_ids ?? of.token_ids;
    const kept = ids && this.descriptions.get(shape(ids, of));
    const asked = this.ask(of, [{ kind: "overview" }]);
    const text = known ?? this.ask(of, [{ kind: "text" }]).then(([found]) => found);
    const description = kept ?? this.ask(of, [{ kind: "description" }]).then(([found]) => found);
    if (like && ids && shape(ids, of) === shape(like.token_ids, of))
      this.ask(of, [...this.shown.values()]).catch(() => {}); // whoever draws it hears what is wrong
    const [[overview], read, described] = await Promise.all([asked, text, description]);
    this.texts.set(reads, read);
    this.descriptions.set(shape(read.token_ids, of), described);
    const doc = this.docs.get(overview) ?? documentOf(described, read, overview, of.moment);
    this.docs.set(overview, doc);
    return doc;
  }

  /**
   * @param {Pass} of
   * @param {Question} question
   */
  answer(of, question) {
    const key = JSON.stringify([(PARTS[question.kind] ?? ALL).map((part) => of[part] ?? null), question]);
    const kept = this.kept.get(key);
    if (kept) return kept;
    const found = new Promise((/** @type {Done} */ done) => {
      const same = JSON.stringify(of);
      if (!this.waiting.size) soon(() => this.send());
      const request = this.waiting.get(same) ?? { of, questions: new Map() };
      this.waiting.set(same, request);
      request.questions.set(question, done);
    }).then((answer) => {
      if (!(answer instanceof Error || "error" in answer)) return answer;
      this.kept.delete(key);
      throw answer instanceof Error ? answer : new Error(answer.error);
    });
    this.kept.set(key, found);
    for (const old of [...this.kept.keys()].slice(0, -KEPT)) this.kept.delete(old);
    return found;
  }

  /** Ask what waits: what is asked of one pass is one request. */
  send() {
    const waiting = [...this.waiting.values()];
    this.waiting = new Map();
    for (const { of, questions } of waiting) {
      const all = [...questions];
      for (let first = 0; first < all.length; first += MOST) this.request(of, all.slice(first, first + MOST));
    }
  }

  /**
   * @param {Pass} of
   * @param {[Question, Done][]} asked
   */
  async request(of, asked) {
    const questions = asked.map(([question]) => question);
    const answers = await this.host.answer(of, questions).catch((error) => questions.map(() => error));
    asked.forEach(([, done], i) => {
      done(answers[i]);
    });
  }
}

/**
 * What a description depends on.
 *
 * @param {Text["token_ids"]} ids
 * @param {Pass} of
 */
const shape = (ids, { moment, beside = false }) =>
  JSON.stringify([Object.entries(ids).map(([name, row]) => [name, row.length]), moment, beside]);

/**
 * @param {Description} description
 * @param {Text} text
 * @param {Overview} overview
 * @param {number | null} moment
 * @returns {Doc}
 */
function documentOf({ acts, ...description }, text, { pictures, output, remarks = [] }, moment) {
  /** @type {Record<string, Heads>} */
  const heads = Object.fromEntries(Object.entries(acts).map(([path, act]) => [path, { ...act, ...pictures[path] }]));
  const [all, partial] = [[...text.remarks, ...remarks], remarks.length > 0];
  return { ...description, ...apart(text), heads, output, moment, remarks: all, partial };
}

/**
 * Call when everything that is on its way now has come so far as it can.
 *
 * @param {() => void} call
 */
function soon(call) {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    call();
  };
  port2.postMessage(null);
}
