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

function dress(element, classes, attributes, children) {
  element.classList.add(...classes);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, rule] of Object.entries(value)) element.style.setProperty(key, rule);
    else if (element instanceof HTMLElement && name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
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

/** Draw again with the focus where it was: what has the same data-key has the focus afterwards. */
export function replace(element, ...children) {
  const { activeElement: active } = element.getRootNode();
  const key = element.contains(active) ? active.dataset?.key : null;
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  if (key) element.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

/** Base64 of little-endian float32 -> Float32Array. */
export function floats(base64) {
  return new Float32Array(bytes(base64).buffer);
}

/** Base64 -> Uint8Array. */
export function bytes(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}
