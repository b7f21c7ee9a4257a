/** Colours of numbers: one hue for shares, two for signed numbers, told apart by people who see colours differently. */

let outer = document.documentElement; // what wears the theme

/** Whether light stands on dark. */
export const dark = () => outer.dataset.theme === "dark"
  || (outer.dataset.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);

/** Choose "light" or "dark" for the page of this root: its document, or its part of somebody else's. */
export function wear(theme, root) {
  outer = root.getRootNode().host ?? document.documentElement;
  outer.dataset.theme = theme;
}

const PAPER = { light: [255, 255, 255], dark: [22, 24, 29] };
const BLUE = { light: [8, 81, 156], dark: [107, 174, 255] };
const ORANGE = { light: [179, 88, 6], dark: [253, 174, 97] };

/** Nine colours for heads (Okabe and Ito, 2008, and two more). */
export const HEADS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d00", "#7f3c8d", "#666666"];

/**
 * The colour of x and of the text on it.
 * @param {number} x @param {number} most the size of the largest number @param {boolean} signed
 * @returns {{back: string, ink: string}}
 */
export function shade(x, most, signed) {
  const theme = dark() ? "dark" : "light";
  if (!Number.isFinite(x) || most === 0) return { back: "transparent", ink: "inherit" };
  const part = Math.min(1, Math.abs(x) / most) ** 0.75;
  const full = signed && x < 0 ? ORANGE[theme] : BLUE[theme];
  const mixed = PAPER[theme].map((from, i) => Math.round(from + (full[i] - from) * part));
  const light = (0.299 * mixed[0] + 0.587 * mixed[1] + 0.114 * mixed[2]) > 140;
  return { back: `rgb(${mixed.join(" ")})`, ink: light ? "#111" : "#fff" };
}

/** Paint numbers as pixels; -Infinity is left open. */
export function paint(canvas, data, rows, columns, most, signed) {
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const theme = dark() ? "dark" : "light";
  for (let i = 0; i < rows * columns; i++) {
    const x = data[i];
    const part = Number.isFinite(x) && most ? Math.min(1, Math.abs(x) / most) ** 0.75 : 0;
    const full = signed && x < 0 ? ORANGE[theme] : BLUE[theme];
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = PAPER[theme][c] + (full[c] - PAPER[theme][c]) * part;
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
