/** The words of the page, each in a sentence: shown where one points at a word, where a step is open, and as a list. */
import { h } from "./dom.js";

/** @type {Record<string, string>} */
const WORDS = {
  token: "a piece of text that the model reads as one: a word, a part of a word, or a mark",
  "<bos>": "a mark: here the text begins",
  "<eos>": "a mark: here the text ends",
  "<unk>": "stands for a word or character that the model does not know",
  vocabulary: "all tokens that the model knows",
  encoder: "the half of a translator that reads the source",
  decoder: "the part that writes, a token at a time: each token may look only at those before it",
  block: "one layer: attention lets tokens look at each other, a feed-forward network then works on each alone",
  embedding: "the row of numbers that the model has learned for each token",
  positions: "numbers that say where a token stands are added to its embedding",
  embedded: "what the first block reads of each token",
  "residual stream":
    "the row of numbers, x, that each token carries through the model; every part adds something to it",
  norm: "brings each token's numbers to a common size, so that the next part can work with them",
  "self-attention": "the tokens of one text look at each other",
  "cross-attention": "the tokens that are written look at those that were read",
  "feed-forward": "a small network that works on each token alone",
  head: "one of several attentions side by side: each looks in its own way",
  "act of attention": "queries, keys and values together: which token asks, which is asked, and what is answered",
  q: "queries: what each token asks",
  k: "keys: what each token offers to be found by",
  v: "values: what each token answers when it is looked at",
  "q, turned by position":
    "the queries, each turned by where its token stands: how alike a query and a key are then depends on how far apart they stand",
  "k, turned by position": "the keys, each turned by where its token stands, as the queries are",
  "v, mixed with the first block's": "the values, mixed with those of the first block: this model carries them on",
  similarities: "how alike the query of one token and the key of another are: their product",
  scaled: "the similarities, made smaller by one factor for all, so that the weights do not become all or nothing",
  biased: "the scaled similarities, plus a number that depends on how far apart the two tokens stand",
  masked: "−∞ where a token may not look (at tokens that come later, say): its weight there becomes 0",
  weights: "how much of its attention each token gives to each; a row makes 100 % together",
  context: "what each token takes home: the values, averaged by its weights",
  projected: "what all heads take home, mixed by a matrix: this is added to the residual stream",
  "what it adds": "what the feed-forward network adds to the residual stream",
  hidden: "the numbers inside the feed-forward network, after its bend (ReLU and the like)",
  states: "what a recurrent network remembers when it has read a token",
  "from the first token": "a recurrent network that reads the text as it is written",
  "from the last token": "a second one that reads it from its end: so each state knows both sides",
  "input gate": "how much of the candidate comes into the cell, from 0 to 1",
  "forget gate": "how much of the cell stays, from 0 (all is forgotten) to 1",
  "output gate": "how much of the cell is given out, from 0 to 1",
  "reset gate": "how much of the state before the candidate hears, from 0 to 1",
  "update gate": "how much of the state before stays, from 0 to 1; the candidate takes the rest",
  candidate: "what could be remembered of this token",
  cell: "the long memory of an LSTM: what was kept of it, and what came in",
  state: "what one layer of a recurrent network remembers when it has read a token",
  begin: "what each layer of a recurrent decoder begins with: made of the whole source",
  readout: "what is made of a recurrent network's state, and of where it looked, to choose the next token by",
  out: "what is handed on to the next part of the model",
  logits: "a score for every token of the vocabulary: the higher, the more probable that it comes next",
  contributions: "each part of the model adds to a word's logit, or takes away; together they are the logit",
  "logit lens": "what would be written if the model ended after this block: its residual stream, read as logits",
  temperature: "below 1 the probable tokens become more so, above 1 all become more alike",
  "top k": "only the k most probable tokens may be written",
  "min p": "only tokens with at least this share of the most probable one's probability may be written",
  "top p": "only the fewest tokens that have this probability together may be written",
  "max |weights · v − context used|":
    "the proof that you see what the model used: its context is computed again from the weights shown, and this is the largest difference; about 0.0000001 is rounding",
  "sharpest heads first": "heads that put most of their attention on one token come first",
  "what do the heads do?":
    "measures on some built-in texts what each head looks at; one with a clear habit gets its name",
};

/**
 * Names that heads get, by how they begin.
 *
 * @type {Record<string, string>}
 */
const ROLES = {
  alignment: "looks at the word that is being translated",
  syntax: "looks at a word that this one belongs to in grammar, or that belongs to it",
  "previous token": "looks at the token before",
  "own token": "looks at the token itself",
  "next token": "looks at the token after",
  "token at": "looks at the token so many places further on (+) or back (−)",
  "same place": "looks at the token that stands as far from the beginning in the other text",
  "duplicate token": "looks at the same token elsewhere",
  induction: "looks at what came after an earlier token like this one: it may come again",
  sink: "rests there when it finds nothing to look for",
  "rare token": "looks at the rarest token",
};

/**
 * A word in a sentence; "" for one that needs none.
 *
 * @param {string} word
 */
export const meaningOf = (word) => WORDS[word] ?? "";

/**
 * A path as it is spoken: "decoder block 0, cross-attention".
 *
 * @param {string} path
 */
export const spoken = (path) =>
  path
    .replace(/\.attention$/, "")
    .replace(/\.blocks\.(\d+)/, " block $1")
    .replace(/\.(self|cross)_attention$/, ", $1-attention")
    .replace(/\.feed_forward$/, ", feed-forward")
    .replace(/\.forwards$/, ", from the first token")
    .replace(/\.backwards$/, ", from the last token")
    .replace(/\.layers\.(\d+)$/, " layer $1");

/**
 * The name of a head in a sentence.
 *
 * @param {string} role
 */
export function meaningOfRole(role) {
  const begins = Object.keys(ROLES).find((name) => role.startsWith(name));
  return begins ? ROLES[begins] : "";
}

/**
 * All words, in a window that any key closes that closes windows.
 *
 * @param {Element} root
 */
export function glossary(root) {
  const list = (/** @type {Record<string, string>} */ words) =>
    Object.entries(words).map(([word, what]) => [h("dt", {}, word), h("dd", {}, what)]);
  const window = h(
    "dialog.glossary",
    { "aria-label": "the words of this page", onclose: ({ currentTarget }) => currentTarget.remove() },
    h(
      "form",
      { method: "dialog" },
      h("h2", {}, "The words of this page"),
      h("button", { "data-key": "close" }, "close"),
    ),
    h("dl", {}, list(WORDS)),
    h("h3", {}, "Names of heads"),
    h("dl", {}, list(ROLES)),
  );
  root.append(window);
  window.showModal();
}
