/**
 * A page's part drawn again: only what differs from what is there is touched.
 *
 * What stays keeps its layout, its scrolling and the focus, and the browser has nothing to do for it. The part must be
 * made by `h` and `svg` alone: what it hears stands in its attributes, and none of its functions hold an element.
 */
import { painted, repainted } from "./colour.js";
import { absent, done, drafted, focused, inside, listed, wear, worn } from "./dom.js";

/** Turn an element's children into those that `make` draws. */
export function revise(element, make) {
  const wanted = drafted(() => listed([make()]));
  focused(element, () => settle(element, wanted));
}

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

/** Whether one can become the other: the same kind of element with the same key, or text. */
function alike(one, other) {
  if (one instanceof Text || !(other instanceof Element)) return one instanceof Text && !(other instanceof Element);
  return (
    one.nodeName === other.nodeName && worn.get(one)?.attributes["data-key"] === worn.get(other).attributes["data-key"]
  );
}

/** What comes into the page is dressed now, and gets its pictures. */
function come(child) {
  if (!(child instanceof Element)) return child instanceof Text ? child : document.createTextNode(child);
  done(child);
  if (child instanceof HTMLCanvasElement) painted(child);
  else child.querySelectorAll("canvas").forEach(painted);
  return child;
}

function become(one, fresh) {
  if (one instanceof Text) {
    const text = fresh instanceof Text ? fresh.data : String(fresh);
    if (one.data !== text) one.data = text;
    return one;
  }
  redress(one, fresh);
  if (one instanceof HTMLCanvasElement) repainted(one, fresh);
  else if (!("data-filled" in worn.get(one).attributes)) settle(one, inside(fresh)); // else another fills it
  if (one instanceof HTMLInputElement) reset(one, fresh);
  return one;
}

/** Exchange what an element was dressed with. */
function redress(element, fresh) {
  const [was, now] = [worn.get(element), worn.get(fresh)];
  worn.set(element, now);
  for (const name of was.classes) if (!now.classes.includes(name)) element.classList.remove(name);
  for (const name of now.classes) if (!was.classes.includes(name)) element.classList.add(name);
  for (const [name, value] of Object.entries(now.attributes)) {
    const before = was.attributes[name];
    if (absent(value)) takeOff(element, name, before);
    else if (name === "style") restyle(element, before ?? {}, value);
    else if (value !== before && (absent(before) || !name.startsWith("on"))) wear(element, name, value);
  }
  for (const [name, value] of Object.entries(was.attributes))
    if (!(name in now.attributes)) takeOff(element, name, value);
}

/** A field shows what is drawn, not what was typed into it. */
function reset(field, fresh) {
  const { value, checked } = done(fresh);
  if (field.value !== value) field.value = value;
  field.checked = checked;
}

function takeOff(element, name, before) {
  if (absent(before) || name.startsWith("on")) return; // an absent listener is not heard
  if (name === "style") restyle(element, before, {});
  else element.removeAttribute(name);
}

function restyle(element, before, rules) {
  for (const name of Object.keys(before)) if (!(name in rules)) element.style.removeProperty(name);
  for (const [name, rule] of Object.entries(rules)) if (rule !== before[name]) element.style.setProperty(name, rule);
}
