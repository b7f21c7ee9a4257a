/**
 * Colours of numbers: one hue for shares, two for signed numbers, which people who see colours differently can tell
 * apart.
 *
 * @typedef {"light" | "dark"} Theme
 * @typedef {[red: number, green: number, blue: number]} Colour
 *
 * @typedef {Object} Picture
 * @property {ArrayLike<number>} data - rows one after the other
 * @property {number} rows
 * @property {number} columns
 * @property {number} most - the size of the largest number
 * @property {boolean} signed
 * @property {Theme} theme
 */

const night = matchMedia("(prefers-color-scheme: dark)");
let outer = document.documentElement; // what bears the theme

/** Whether light stands on dark. */
export const dark = () => outer.dataset.theme === "dark" || (outer.dataset.theme !== "light" && night.matches);

/**
 * Call when the system changes from one to the other.
 *
 * @param {() => void} call
 */
export const whenDark = (call) => night.addEventListener("change", call);

/**
 * Choose "light" or "dark" for the page of this root: its document, or its part of somebody else's.
 *
 * @param {Theme} theme
 * @param {Element} root
 */
export function lighten(theme, root) {
  const tree = root.getRootNode();
  outer = tree instanceof ShadowRoot ? /** @type {HTMLElement} */ (tree.host) : document.documentElement;
  outer.dataset.theme = theme;
}

const THEME = "clearhead theme";

/**
 * The theme that was chosen here before; null where none was, or where a page may keep nothing.
 *
 * @returns {Theme | null}
 */
export function remembered() {
  try {
    const theme = localStorage.getItem(THEME);
    return theme === "light" || theme === "dark" ? theme : null;
  } catch {
    return null;
  }
}

/**
 * Keep the theme for the next time, where a page may keep something.
 *
 * @param {Theme} theme
 */
export function remember(theme) {
  try {
    localStorage.setItem(THEME, theme);
  } catch {
    // a page in a frame of its own may not
  }
}

/** @type {Record<Theme, Colour>} */
const PAPER = { light: [255, 255, 255], dark: [22, 24, 29] };
/** @type {Record<Theme, Colour>} */
const BLUE = { light: [8, 81, 156], dark: [107, 174, 255] };
/** @type {Record<Theme, Colour>} */
const ORANGE = { light: [179, 88, 6], dark: [253, 174, 97] };

/** Nine colours for heads (Okabe and Ito, 2008, and two more). */
export const HEADS = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc79a7",
  "#e69f00",
  "#56b4e9",
  "#8a6d00",
  "#7f3c8d",
  "#666666",
];

/**
 * The colour of x and of the text on it.
 *
 * @param {number} x
 * @param {number} most the size of the largest number
 * @param {boolean} signed
 * @param {Theme} [theme]
 * @returns {{back: string, ink: string}}
 */
export function shade(x, most, signed, theme = dark() ? "dark" : "light") {
  if (!Number.isFinite(x) || most === 0) return { back: "transparent", ink: "inherit" };
  const part = Math.min(1, Math.abs(x) / most) ** 0.75;
  const full = signed && x < 0 ? ORANGE[theme] : BLUE[theme];
  const mixed = PAPER[theme].map((from, i) => Math.round(from + (full[i] - from) * part));
  const light = 0.299 * mixed[0] + 0.587 * mixed[1] + 0.114 * mixed[2] > 140;
  return { back: `rgb(${mixed.join(" ")})`, ink: light ? "#111" : "#fff" };
}

/** @type {WeakMap<HTMLCanvasElement, Picture>} */
const pictures = new WeakMap();

/**
 * Let a canvas show numbers as pixels, as soon as it is in the page; -Infinity is left open.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} data
 * @param {number} rows
 * @param {number} columns
 * @param {number} most
 * @param {boolean} signed
 */
export function paint(canvas, data, rows, columns, most, signed) {
  pictures.set(canvas, { data, rows, columns, most, signed, theme: dark() ? "dark" : "light" });
}

/**
 * Paint a canvas that comes into the page.
 *
 * @param {HTMLCanvasElement} canvas
 */
export function painted(canvas) {
  const [picture, context] = [pictures.get(canvas), canvas.getContext("2d")];
  if (!picture || !context) return;
  const { data, rows, columns, most, signed, theme } = picture;
  canvas.width = columns;
  canvas.height = rows;
  const image = context.createImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) {
    const x = data[i];
    const part = Number.isFinite(x) && most ? Math.min(1, Math.abs(x) / most) ** 0.75 : 0;
    const full = signed && x < 0 ? ORANGE[theme] : BLUE[theme];
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = PAPER[theme][c] + (full[c] - PAPER[theme][c]) * part;
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/**
 * Let a canvas of the page show what another was to show: it is painted again only if that is something else.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLCanvasElement} fresh
 */
export function repainted(canvas, fresh) {
  const [was, now] = [pictures.get(canvas), pictures.get(fresh)];
  if (!now) return;
  pictures.set(canvas, now);
  if (!was || !same(was, now)) painted(canvas);
}

/**
 * @param {Picture} was
 * @param {Picture} now
 */
function same(was, now) {
  const form = (/** @type {Picture} */ { rows, columns, most, signed, theme }) =>
    JSON.stringify([rows, columns, most, signed, theme]);
  return form(was) === form(now) && Array.prototype.every.call(now.data, (x, i) => x === was.data[i]);
}
