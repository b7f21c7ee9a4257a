/**
 * Elements in one line, and numbers as people read them.
 *
 * @import { Attributes, Child, Doc, HtmlOf, SvgOf } from "./types.js"
 *
 * @typedef {{classes: string[], attributes: Attributes}} Description
 * @typedef {HTMLElement | SVGElement} Drawn what `h` and `svg` make
 */

/**
 * An element: h("button.small", {onclick, title}, "text", child, ...). Text is always text, never markup.
 *
 * @template {string} K
 * @param {K} kind tag and classes: "td.cell.masked"
 * @param {Attributes} [attributes]
 * @param {Child[]} children
 */
export function h(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const element = /** @type {HtmlOf<K>} */ (document.createElement(tag));
  return dress(element, classes, attributes, children);
}

/**
 * The same for SVG.
 *
 * @template {string} K
 * @param {K} kind
 * @param {Attributes} [attributes]
 * @param {Child[]} children
 */
export function svg(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const element = /** @type {SvgOf<K>} */ (document.createElementNS("http://www.w3.org/2000/svg", tag));
  return dress(element, classes, attributes, children);
}

/** @type {WeakMap<Element, Description>} */
const descriptions = new WeakMap();
/** @type {WeakMap<Element, (Node | string)[]>} element that is not dressed yet -> its children */
const drafts = new WeakMap();
let drafting = false;

/**
 * What an element was made of. Its listeners are read from here at each event, so they can be replaced.
 *
 * @param {Element} element
 * @returns {Description} nothing for one that `h` and `svg` have not made
 */
export const descriptionOf = (element) => descriptions.get(element) ?? { classes: [], attributes: {} };

/**
 * Replace what an element was made of.
 *
 * @param {Element} element
 * @param {Description} fresh
 */
export const describe = (element, fresh) => descriptions.set(element, fresh);

/**
 * What `make` draws, as drafts: elements that know what they will be, dressed when they come into the page.
 *
 * @template T
 * @param {() => T} make
 */
export function drafted(make) {
  drafting = true;
  try {
    return make();
  } finally {
    drafting = false;
  }
}

/**
 * @template {Drawn} E
 * @param {E} element
 * @param {string[]} classes
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
function dress(element, classes, attributes, children) {
  descriptions.set(element, { classes, attributes });
  drafts.set(element, listed(children));
  return drafting ? element : done(element);
}

/**
 * Dress a draft and all that is in it; what is no draft is done.
 *
 * @template {Drawn} E
 * @param {E} element
 */
export function done(element) {
  if (!drafts.has(element)) return element;
  const { classes, attributes } = descriptionOf(element);
  element.classList.add(...classes);
  for (const [name, value] of Object.entries(attributes)) if (!absent(value)) wear(element, name, value);
  element.append(...inside(element).map((child) => (isDrawn(child) ? done(child) : child)));
  drafts.delete(element);
  return element;
}

/**
 * Whether it is an element of a page.
 *
 * @param {unknown} child
 * @returns {child is Drawn}
 */
export const isDrawn = (child) => child instanceof HTMLElement || child instanceof SVGElement;

/**
 * What is in an element, or will be.
 *
 * @param {Element} element
 * @returns {(Node | string)[]}
 */
export const inside = (element) => drafts.get(element) ?? [...element.childNodes];

/**
 * Whether a child or an attribute is not there.
 *
 * @template T
 * @param {T} value
 * @returns {value is Extract<T, undefined | null | false>}
 */
export const absent = (value) => value === undefined || value === null || value === false;

/**
 * The children that are there, of lists of lists.
 *
 * @param {readonly Child[]} children
 * @returns {(Node | string)[]}
 */
export const listed = (children) =>
  children.flatMap((child) =>
    Array.isArray(child) ? listed(child) : absent(child) ? [] : typeof child === "number" ? [String(child)] : [child],
  );

/**
 * Put an attribute, a style, a property or a listener on.
 *
 * @param {Drawn} element
 * @param {string} name
 * @param {unknown} value
 */
export function wear(element, name, value) {
  if (name.startsWith("on")) element.addEventListener(name.slice(2), hear);
  else if (name === "style") restyle(element, {}, Object(value));
  else if (element instanceof HTMLElement && name in element && typeof value !== "string")
    Object.assign(element, { [name]: value });
  else element.setAttribute(name, value === true ? "" : String(value));
}

/**
 * Exchange styles.
 *
 * @param {Drawn} element
 * @param {Record<string, string>} before
 * @param {Record<string, string>} rules
 */
export function restyle(element, before, rules) {
  for (const name of Object.keys(before)) if (!(name in rules)) element.style.removeProperty(name);
  for (const [name, rule] of Object.entries(rules)) if (rule !== before[name]) element.style.setProperty(name, rule);
}

/**
 * What a person does and what cannot be done: each failure is reported to the page, at once or when it comes.
 *
 * @param {Event} event
 */
function hear(event) {
  const element = /** @type {Element} */ (event.currentTarget);
  const page = element.closest(".clearhead") ?? element; // which is still there when the element is not
  const heard = descriptionOf(element).attributes[`on${event.type}`];
  if (typeof heard === "function")
    new Promise((done) => {
      done(heard(event));
    }).catch((error) => page.dispatchEvent(new CustomEvent("failed", { detail: error })));
}

/**
 * A number with `digits` significant digits, infinities and zeros as the textbook has them.
 *
 * @param {number} x
 * @param {number} [digits]
 */
export function number(x, digits = 4) {
  if (x === -Infinity) return "−∞";
  if (x === Infinity) return "∞";
  if (Number.isNaN(x)) return "nan";
  if (x === 0) return "0";
  const size = Math.abs(x);
  const text = size >= 1e5 || size < 1e-4 ? x.toExponential(digits - 1) : Number(x.toPrecision(digits)).toString();
  return text.replace("-", "−").replace("e+", "e");
}

/**
 * A share as a percentage: 0.965 -> "96.5 %".
 *
 * @param {number} share
 */
export function percent(share) {
  const value = 100 * share;
  return `${value >= 9.995 || value === 0 ? value.toFixed(value >= 99.95 ? 0 : 1) : value >= 0.1 ? value.toFixed(2) : value.toPrecision(2)} %`;
}

/**
 * A token as it can be seen: blanks and line ends get a sign.
 *
 * @param {string} token
 */
export function visible(token) {
  if (token === "") return "∅";
  if (/^ +$/.test(token)) return "␣".repeat(token.length);
  return token.replace(/\n/g, "⏎").replace(/\t/g, "⇥");
}

/**
 * The labels of an axis of n entries; they are numbered where the trace has no names for them.
 *
 * @param {Doc} doc
 * @param {string} name
 * @param {number} n
 */
export function labelled(doc, name, n) {
  return doc.labels[name] ?? Array.from({ length: n }, (_, i) => String(i));
}

/**
 * Draw again, everything anew.
 *
 * @param {Element} element
 * @param {Child[]} children
 */
export function replace(element, ...children) {
  focused(element, () => element.replaceChildren(...listed(children)));
}

/**
 * The first element of HTML that a selector finds.
 *
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export const query = (root, selector) => root.querySelector(selector);

/**
 * Change what is in an element with the focus where it was: what has the same data-key has the focus afterwards.
 *
 * @param {Element} element
 * @param {() => void} change
 */
export function focused(element, change) {
  const root = /** @type {Document | ShadowRoot} */ (element.getRootNode());
  const { activeElement: active } = root;
  const key = isDrawn(active) && element.contains(active) ? active.dataset.key : null;
  change();
  if (key && root.activeElement !== active) query(element, `[data-key="${CSS.escape(key)}"]`)?.focus();
}

/**
 * A box that scrolls says so: where more of it is hidden below or on the right, it fades out.
 *
 * @param {{currentTarget: Element}} scrolled
 */
export function faded({ currentTarget: box }) {
  box.classList.toggle("more-below", box.scrollHeight - box.clientHeight - box.scrollTop > 1);
  box.classList.toggle("more-right", box.scrollWidth - box.clientWidth - box.scrollLeft > 1);
}

/**
 * The same of all such boxes, when the page was drawn or its size has changed.
 *
 * @param {Element} root
 */
export function fadeAll(root) {
  for (const box of root.querySelectorAll(".fades")) faded({ currentTarget: box });
}

/**
 * Scroll so that an element stands again where it stood on the screen.
 *
 * @param {Element} element
 * @param {number} top
 * @param {Element} root
 */
export function stay(element, top, root) {
  for (const scroller of [root, window]) scroller.scrollBy(0, element.getBoundingClientRect().top - top);
}

/**
 * Base64 of little-endian float32 -> Float32Array.
 *
 * @param {string} base64
 */
export function floats(base64) {
  return new Float32Array(bytes(base64).buffer);
}

/**
 * Base64 -> Uint8Array.
 *
 * @param {string} base64
 */
export function bytes(base64) {
  const letters = atob(base64);
  const read = new Uint8Array(letters.length);
  for (let i = 0; i < read.length; i++) read[i] = letters.charCodeAt(i);
  return read;
}
