/**
 * What is seen as a file: the open matrix as SVG, PNG or PDF, numbers and all.
 *
 * @import { Matrix } from "./types.js"
 */
import { h, svg, visible } from "./dom.js";
import { shade } from "./colour.js";
import { entry, range } from "./matrix.js";

/**
 * Hand the person a file.
 *
 * @param {string} name
 * @param {string | Blob} content
 * @param {string} [type] of a text
 */
export function download(name, content, type) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/**
 * Buttons that save the open matrix.
 *
 * @param {{given: Matrix}} view
 */
export function buttons({ given }) {
  const name = given.caption.replace(/[^a-z0-9]+/gi, "-").toLowerCase();
  return [
    h("button", { "data-key": "svg", onclick: () => download(`${name}.svg`, text(given), "image/svg+xml") }, "SVG"),
    h(
      "button",
      { "data-key": "png", onclick: async () => download(`${name}.png`, await image(given, "image/png")) },
      "PNG",
    ),
    h("button", { "data-key": "pdf", onclick: async () => download(`${name}.pdf`, await pdf(given)) }, "PDF"),
  ];
}

const CELL = [46, 22];

/** @param {Matrix} given */
function drawing(given) {
  const { shape, first, labels, axes, kind, most } = given;
  const name = (/** @type {number} */ axis, /** @type {number} */ i) =>
    visible(labels[axis]?.[first[axis] + i] ?? String(first[axis] + i));
  const corner = `${axes[0]} ↓  ${axes[1]} →`;
  const left = 16 + Math.max(7.5 * Math.max(...range(shape[0]).map((r) => name(0, r).length), 4), 5.2 * corner.length);
  const top = 44 + 7.5 * Math.max(...range(shape[1]).map((c) => name(1, c).length), 4);
  const [width, height] = [
    Math.max(left + CELL[0] * shape[1] + 12, 8 * given.caption.length),
    top + CELL[1] * shape[0] + 12,
  ];
  const cells = range(shape[0]).flatMap((r) =>
    range(shape[1]).map((c) => {
      const { x, masked, text: shown } = entry(given, r, c);
      const { back, ink } = shade(x, most, kind !== "share", "light"); // the paper is white
      const [px, py] = [left + c * CELL[0], top + r * CELL[1]];
      return [
        svg("rect", {
          x: px,
          y: py,
          width: CELL[0],
          height: CELL[1],
          fill: masked ? "#f2f2f2" : back === "transparent" ? "none" : back,
          stroke: "#8883",
        }),
        svg(
          "text",
          {
            x: px + CELL[0] / 2,
            y: py + 15,
            "text-anchor": "middle",
            "font-size": shown.length > 6 ? "9" : "11",
            fill: masked || ink === "inherit" ? "#777" : ink,
          },
          shown,
        ),
      ];
    }),
  );
  const words = [
    ...range(shape[0]).map((r) =>
      svg("text", { x: left - 6, y: top + r * CELL[1] + 15, "text-anchor": "end" }, name(0, r)),
    ),
    ...range(shape[1]).map((c) => {
      const x = left + (c + 0.6) * CELL[0];
      return svg("text", { x, y: top - 6, transform: `rotate(-55 ${x} ${top - 6})` }, name(1, c));
    }),
  ];
  return svg(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      "font-family": "sans-serif",
      "font-size": "12",
      fill: "#222",
    },
    svg("title", {}, given.caption),
    svg("rect", { width, height, fill: "#fff" }),
    svg("text", { x: 8, y: 20, "font-size": "14" }, given.caption),
    svg("text", { x: left - 6, y: top - 6, "text-anchor": "end", "font-size": "10", fill: "#777" }, corner),
    words,
    cells,
  );
}

/** @param {Matrix} given */
const text = (given) => new XMLSerializer().serializeToString(drawing(given));

const SHARP = 3; // pixels of a picture for each of the page's

/**
 * The drawing as a picture.
 *
 * @param {Matrix} given
 * @param {string} type
 */
async function image(given, type) {
  return encoded(await pixels(given), type);
}

/**
 * A canvas as a file.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {string} type
 * @returns {Promise<Blob>}
 */
function encoded(canvas, type) {
  return new Promise((resolve, reject) => {
    const take = (/** @type {Blob | null} */ blob) =>
      blob ? resolve(blob) : reject(new Error("this browser cannot make a picture of this size: save it as SVG"));
    canvas.toBlob(take, type, 0.95);
  });
}

/** @param {Matrix} given */
async function pixels(given) {
  const drawn = new Image();
  drawn.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text(given))}`;
  await drawn.decode();
  const canvas = h("canvas", {});
  canvas.width = SHARP * drawn.width;
  canvas.height = SHARP * drawn.height;
  canvas.getContext("2d")?.drawImage(drawn, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/**
 * A PDF of one page that shows the picture: fonts of every script are in it, as pixels.
 *
 * @param {Matrix} given
 */
async function pdf(given) {
  const canvas = await pixels(given);
  const jpeg = await encoded(canvas, "image/jpeg");
  const [width, height] = [canvas.width / SHARP, canvas.height / SHARP].map((x) => (0.75 * x).toFixed(2)); // points
  const draw = `q ${width} 0 0 ${height} 0 0 cm /P Do Q`;
  /** @type {(string | Blob)[][]} */
  const objects = [
    ["<< /Type /Catalog /Pages 2 0 R >>"],
    ["<< /Type /Pages /Kids [3 0 R] /Count 1 >>"],
    [
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${width} ${height}] /Resources << /XObject << /P 5 0 R >> >> /Contents 4 0 R >>`,
    ],
    [`<< /Length ${draw.length} >>\nstream\n${draw}\nendstream`],
    [
      `<< /Type /XObject /Subtype /Image /Width ${canvas.width} /Height ${canvas.height} /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /DCTDecode /Length ${jpeg.size} >>\nstream\n`,
      jpeg,
      "\nendstream",
    ],
  ];
  const begin = "%PDF-1.4\n";
  /** @type {(string | Blob)[]} */
  const parts = [begin];
  let at = begin.length;
  const places = objects.map((object, i) => {
    const place = at;
    const whole = [`${i + 1} 0 obj\n`, ...object, "\nendobj\n"];
    parts.push(...whole);
    at += whole.reduce((sum, part) => sum + (part instanceof Blob ? part.size : part.length), 0);
    return place;
  });
  const entries = places.map((place) => `${String(place).padStart(10, "0")} 00000 n \n`).join("");
  parts.push(
    `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${entries}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${at}\n%%EOF\n`,
  );
  return new Blob(parts, { type: "application/pdf" });
}
