/** Elements in one line, and numbers as people read them. */

/**
 * An element: h("button.small", {onclick, title}, "text", child, ...). Text is always text, never markup.
 * @param {string} kind tag and classes: "td.cell.masked"
 */
export function h(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const element = document.createElement(tag);
  return dress(element, classes, attributes, children);
}

/** The same for SVG. */
export function svg(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  return dress(document.createElementNS("http://www.w3.org/2000/svg", tag), classes, attributes, children);
}

/** What each element was dressed with: {classes, attributes}. It hears with these, so they can be exchanged. */
export const worn = new WeakMap();
const drafts = new WeakMap(); // element that is not dressed yet -> its children
let drafting = false;

/** What `make` draws, as drafts: elements that know what they will be, dressed when they come into the page. */
export function drafted(make) {
  drafting = true;
  try {
    return make();
  } finally {
    drafting = false;
  }
}

function dress(element, classes, attributes, children) {
  worn.set(element, { classes, attributes });
  drafts.set(element, listed(children));
  return drafting ? element : done(element);
}

/** Dress a draft and all that is in it; what is no draft is done. */
export function done(element) {
  if (!drafts.has(element)) return element;
  const { classes, attributes } = worn.get(element);
  element.classList.add(...classes);
  for (const [name, value] of Object.entries(attributes)) if (!absent(value)) wear(element, name, value);
  element.append(...inside(element).map(done));
  drafts.delete(element);
  return element;
}

/** What is in an element, or will be. */
export const inside = (element) => drafts.get(element) ?? [...element.childNodes];

export const absent = (value) => value === undefined || value === null || value === false;

/** The children that are there, of lists of lists. */
export const listed = (children) => children.flat(2).filter((child) => !absent(child));

/** Put an attribute, a style, a property or a listener on. */
export function wear(element, name, value) {
  if (name.startsWith("on")) element.addEventListener(name.slice(2), hear);
  else if (name === "style") for (const [key, rule] of Object.entries(value)) element.style.setProperty(key, rule);
  else if (element instanceof HTMLElement && name in element && typeof value !== "string") element[name] = value;
  else element.setAttribute(name, value === true ? "" : value);
}

/** What a person does and what cannot be done: each failure is told to the page, at once or when it comes. */
function hear(event) {
  const element = event.currentTarget;
  const page = element.closest(".clearhead") ?? element; // which is still there when the element is not
  const heard = worn.get(element).attributes[`on${event.type}`];
  if (heard)
    new Promise((done) => {
      done(heard(event));
    }).catch((error) => page.dispatchEvent(new CustomEvent("failed", { detail: error })));
}

/** A number with `digits` significant digits, infinities and zeros as the textbook has them. */
export function number(x, digits = 4) {
  if (x === -Infinity) return "−∞";
  if (x === Infinity) return "∞";
  if (Number.isNaN(x)) return "nan";
  if (x === 0) return "0";
  const size = Math.abs(x);
  const text = size >= 1e5 || size < 1e-4 ? x.toExponential(digits - 1) : Number(x.toPrecision(digits)).toString();
  return text.replace("-", "−").replace("e+", "e");
}

/** A share as a percentage: 0.965 -> "96.5 %". */
export function percent(share) {
  const value = 100 * share;
  return `${value >= 9.995 || value === 0 ? value.toFixed(value >= 99.95 ? 0 : 1) : value >= 0.1 ? value.toFixed(2) : value.toPrecision(2)} %`;
}

/** A token as it can be seen: blanks and line ends get a sign. */
export function visible(token) {
  if (token === "") return "∅";
  if (/^ +$/.test(token)) return "␣".repeat(token.length);
  return token.replace(/\n/g, "⏎").replace(/\t/g, "⇥");
}

/** The labels of an axis of n entries; they are numbered where the trace has no names for them. */
export function labelled(doc, name, n) {
  return doc.labels[name] ?? Array.from({ length: n }, (_, i) => String(i));
}

/** Draw again, everything anew. */
export function replace(element, ...children) {
  focused(element, () => element.replaceChildren(...listed(children)));
}

/** Change what is in an element with the focus where it was: what has the same data-key has the focus afterwards. */
export function focused(element, change) {
  const root = element.getRootNode();
  const { activeElement: active } = root;
  const key = element.contains(active) ? active.dataset?.key : null;
  change();
  if (key && root.activeElement !== active) element.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

/** A box that scrolls says so: where more of it is hidden below or on the right, it fades out. */
export function faded({ currentTarget: box }) {
  box.classList.toggle("more-below", box.scrollHeight - box.clientHeight - box.scrollTop > 1);
  box.classList.toggle("more-right", box.scrollWidth - box.clientWidth - box.scrollLeft > 1);
}

/** The same of all such boxes, when the page was drawn or its size has changed. */
export function fadeAll(root) {
  for (const box of root.querySelectorAll(".fades")) faded({ currentTarget: box });
}

/** Scroll so that an element stands again where it stood on the screen. */
export function stay(element, top, root) {
  for (const scroller of [root, window]) scroller.scrollBy(0, element.getBoundingClientRect().top - top);
}

/** Base64 of little-endian float32 -> Float32Array. */
export function floats(base64) {
  return new Float32Array(bytes(base64).buffer);
}

/** Base64 -> Uint8Array. */
export function bytes(base64) {
  const letters = atob(base64);
  const found = new Uint8Array(letters.length);
  for (let i = 0; i < found.length; i++) found[i] = letters.charCodeAt(i);
  return found;
}
