/** What is seen as a file: the open matrix as SVG or PNG, numbers and all. */
import { h, number, svg, visible } from "./dom.js";
import { shade } from "./colour.js";
import { range } from "./matrix.js";

/** Hand the person a file. */
export function download(name, content, type) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Buttons that save the open matrix. */
export function buttons({ given }) {
  const name = given.title.replace(/[^a-z0-9]+/gi, "-").toLowerCase();
  return [h("button", { "data-key": "svg", onclick: () => download(`${name}.svg`, text(given), "image/svg+xml") }, "SVG"),
    h("button", { "data-key": "png", onclick: async () => download(`${name}.png`, await png(given)) }, "PNG")];
}

const CELL = [46, 22];

function drawing(given) {
  const { data, shape, first, labels, kind, most } = given;
  const name = (axis, i) => visible(labels[axis]?.[first[axis] + i] ?? String(first[axis] + i));
  const left = 16 + 7.5 * Math.max(...range(shape[0]).map((r) => name(0, r).length), 4);
  const top = 24 + 7.5 * Math.max(...range(shape[1]).map((c) => name(1, c).length), 4);
  const [width, height] = [left + CELL[0] * shape[1] + 12, top + CELL[1] * shape[0] + 12];
  const cells = range(shape[0]).flatMap((r) => range(shape[1]).map((c) => {
    const x = data[r * shape[1] + c];
    const { back, ink } = shade(x, most, kind !== "share");
    const [px, py] = [left + c * CELL[0], top + r * CELL[1]];
    return [svg("rect", { x: px, y: py, width: CELL[0], height: CELL[1], fill: back === "transparent" ? "none" : back, stroke: "#8883" }),
      svg("text", { x: px + CELL[0] / 2, y: py + 15, "text-anchor": "middle", "font-size": "11", fill: ink === "inherit" ? "#777" : ink }, number(x, 3))];
  }));
  const words = [...range(shape[0]).map((r) => svg("text", { x: left - 6, y: top + r * CELL[1] + 15, "text-anchor": "end" }, name(0, r))),
    ...range(shape[1]).map((c) => { const x = left + (c + 0.6) * CELL[0]; return svg("text", { x, y: top - 6, transform: `rotate(-55 ${x} ${top - 6})` }, name(1, c)); })];
  return svg("svg", { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${width} ${height}`, width, height, "font-family": "sans-serif", "font-size": "12", fill: "#222" },
    svg("title", {}, given.title), svg("rect", { width, height, fill: "#fff" }), words, cells);
}

const text = (given) => new XMLSerializer().serializeToString(drawing(given));

async function png(given) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text(given))}`;
  await image.decode();
  const canvas = h("canvas", {});
  canvas.width = 2 * image.width;
  canvas.height = 2 * image.height;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
