/**
 * What keys do.
 *
 * @import { Page } from "./page.js"
 */
import { h, query } from "./dom.js";
import { glossary } from "./words.js";

export const NARROW = "(max-width: 60rem)"; // where the number lies over the page, as style.css has it

/**
 * @param {Page} page
 * @param {KeyboardEvent} event
 */
export function press(page, event) {
  const { target } = event;
  if (!(target instanceof Element) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && target instanceof HTMLElement && target.matches(".chosen input")) target.blur();
  if (target.matches("input, textarea, select, dialog, dialog *")) return;
  const { open } = page.state;
  const go = (/** @type {string} */ selector) => query(page.root, selector)?.focus();
  /** @type {Record<string, () => unknown>} */
  const keys = {
    u: () => page.store.undo(),
    r: () => page.store.redo(),
    t: () => page.theme(),
    w: () => go(".sentence .written, .sentence .next"),
    a: () => go(".way button.thumb"),
    n: () => go("table.matrix [tabindex='0']"),
    e: () => go(".chosen input"),
    "?": () => glossary(page.root),
    "[": () => open && page.show({ ...open, head: Math.max(0, (open.head ?? 0) - 1) }),
    "]": () => open && page.show({ ...open, head: Math.min(page.heads(open.path) - 1, (open.head ?? 0) + 1) }),
    Escape: () => closeUppermost(page, target),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
}

/**
 * Close what lies uppermost: the number, where it lies over the page or the keys are in it; the open step; the
 * answer.
 *
 * @param {Page} page
 * @param {Element} target
 */
function closeUppermost(page, target) {
  const above = page.parts.side.contains(target) || matchMedia(NARROW).matches;
  if (page.state.cell && above) page.closeNumber();
  else if (page.state.open) page.show(null);
  else page.why(null);
}

/** @param {Page} page */
export function keysHelp(page) {
  const all = [
    ["w", "to what was written"],
    ["a", "to the heads"],
    ["n", "to the numbers; arrows walk"],
    ["e", "to change the chosen number"],
    ["[ ]", "head before, next head"],
    ["u r", "undo, redo"],
    ["t", "dark, light"],
    ["?", "what the words mean"],
    ["Esc", "close"],
  ];
  return h(
    "details.keys",
    {
      open: page.keysOpen,
      ontoggle: (event) => {
        page.keysOpen = event.target.open;
      },
    },
    h("summary", {}, "Keyboard"),
    h(
      "dl",
      {},
      all.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)]),
    ),
  );
}
