/**
 * The page in a notebook's cell, in a root of its own: neither's styles and keys reach the other.
 *
 * @import { WidgetModel } from "./types.js"
 */
import { lighten } from "./colour.js";
import { h } from "./dom.js";
import { WidgetHost } from "./host-widget.js";
import { start } from "./page.js";

/**
 * What a notebook draws a widget with; `style` is the page's.
 *
 * @param {string} style
 */
export function widget(style) {
  return {
    /** @param {{model: WidgetModel, el: HTMLElement}} view */
    render({ model, el }) {
      const box = h("div");
      const root = h("div");
      box.attachShadow({ mode: "open" }).append(h("style", {}, style), root);
      box.addEventListener("keydown", (event) => {
        if (!event.ctrlKey && !event.metaKey) event.stopPropagation(); // a notebook deletes its cell at "dd"; it still saves
      });
      el.replaceChildren(box);
      lighten(lit(getComputedStyle(document.body).color) ? "dark" : "light", root);
      const host = new WidgetHost(model);
      start(root, host);
      return () => host.close();
    },
  };
}

/**
 * Whether a colour "rgb(r, g, b)" is a light one.
 *
 * @param {string} colour
 */
function lit(colour) {
  const [r, g, b] = (colour.match(/[\d.]+/g) ?? []).map(Number);
  return 0.299 * r + 0.587 * g + 0.114 * b > 127;
}
