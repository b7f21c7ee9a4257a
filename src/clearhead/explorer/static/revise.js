/**
 * A page's part drawn again: only what differs from what is there is touched.
 *
 * What stays keeps its layout, its scrolling and the focus, and the browser has nothing to do for it. The part must be
 * made by `h` and `svg` alone: what it hears stands in its attributes, and none of its functions hold an element.
 *
 * @import { Child } from "./types.js"
 * @import { Drawn } from "./dom.js"
 */
import { painted, repainted } from "./colour.js";
import {
  absent,
  done,
  drafted,
  describe,
  focused,
  inside,
  isDrawn,
  listed,
  restyle,
  wear,
  descriptionOf,
} from "./dom.js";

/**
 * Turn an element's children into those that `make` draws.
 *
 * @param {Drawn} element
 * @param {() => Child} make
 */
export function revise(element, make) {
  const wanted = drafted(() => listed([make()]));
  focused(element, () => settle(element, wanted));
}

/**
 * @param {Drawn} element
 * @param {(Node | string)[]} wanted
 */
function settle(element, wanted) {
  const left = [...element.childNodes];
  const found = wanted.map((child) => {
    const at = left.findIndex((one) => alike(one, child));
    return at < 0 ? come(child) : become(left.splice(at, 1)[0], child);
  });
  for (const one of left) one.remove();
  found.forEach((child, i) => {
    if (element.childNodes[i] !== child) element.insertBefore(child, element.childNodes[i] ?? null);
  });
}

/**
 * Whether one can become the other: the same kind of element with the same key, or text.
 *
 * @param {ChildNode} one
 * @param {Node | string} other
 */
function alike(one, other) {
  if (!(one instanceof Element) || !(other instanceof Element))
    return one instanceof Text && !(other instanceof Element);
  return (
    one.nodeName === other.nodeName &&
    descriptionOf(one).attributes["data-key"] === descriptionOf(other).attributes["data-key"]
  );
}

/**
 * What comes into the page is dressed now, and gets its pictures.
 *
 * @param {Node | string} child
 */
function come(child) {
  if (!isDrawn(child)) return child instanceof Text ? child : document.createTextNode(String(child));
  done(child);
  if (child instanceof HTMLCanvasElement) painted(child);
  else child.querySelectorAll("canvas").forEach(painted);
  return child;
}

/**
 * @param {ChildNode} one
 * @param {Node | string} fresh
 */
function become(one, fresh) {
  if (one instanceof Text) {
    const text = fresh instanceof Text ? fresh.data : String(fresh);
    if (one.data !== text) one.data = text;
    return one;
  }
  if (!isDrawn(one) || !isDrawn(fresh)) return one;
  redress(one, fresh);
  if (one instanceof HTMLCanvasElement && fresh instanceof HTMLCanvasElement) repainted(one, fresh);
  else if (!("data-filled" in descriptionOf(one).attributes)) settle(one, inside(fresh)); // else another fills it
  if (one instanceof HTMLInputElement && fresh instanceof HTMLInputElement) reset(one, fresh);
  return one;
}

/**
 * Exchange what an element was dressed with.
 *
 * @param {Drawn} element
 * @param {Drawn} fresh
 */
function redress(element, fresh) {
  const [was, now] = [descriptionOf(element), descriptionOf(fresh)];
  describe(element, now);
  for (const name of was.classes) if (!now.classes.includes(name)) element.classList.remove(name);
  for (const name of now.classes) if (!was.classes.includes(name)) element.classList.add(name);
  for (const [name, value] of Object.entries(now.attributes)) {
    const before = was.attributes[name];
    if (absent(value)) takeOff(element, name, before);
    else if (name === "style") restyle(element, stylesOf(before), stylesOf(value));
    else if (value !== before && (absent(before) || !name.startsWith("on"))) wear(element, name, value);
  }
  for (const [name, value] of Object.entries(was.attributes))
    if (!(name in now.attributes)) takeOff(element, name, value);
}

/**
 * A field shows what is drawn, not what was typed into it.
 *
 * @param {HTMLInputElement} field
 * @param {HTMLInputElement} fresh
 */
function reset(field, fresh) {
  const { value, checked } = done(fresh);
  if (field.value !== value) field.value = value;
  field.checked = checked;
}

/**
 * @param {Drawn} element
 * @param {string} name
 * @param {unknown} before
 */
function takeOff(element, name, before) {
  if (absent(before) || name.startsWith("on")) return; // an absent listener is not heard
  if (name === "style") restyle(element, stylesOf(before), {});
  else element.removeAttribute(name);
}

/**
 * @param {unknown} value of an attribute `style`
 * @returns {Record<string, string>}
 */
const stylesOf = (value) => Object(value ?? {});
