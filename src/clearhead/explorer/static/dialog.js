/**
 * A question to a person, in the page itself.
 *
 * @import { Page } from "./page.js"
 */
import { h } from "./dom.js";

/**
 * A question in the page itself; `known(typed)` gives words that may be the answer, and how many there are.
 *
 * @param {Page} page
 * @param {string} title
 * @param {string} button
 * @param {((typed: string) => Promise<{words: string[], count: number}>) | null} [known]
 * @returns {Promise<string | null>}
 */
export function prompt(page, title, button, known = null) {
  return new Promise((resolve) => {
    const list = h("datalist", { id: "known-words" });
    const count = h("p.hint", { role: "status" });
    const suggest = async () => {
      const typed = input.value;
      const found = await known?.(typed);
      if (!found || typed !== input.value) return;
      list.replaceChildren(...found.words.map((word) => h("option", { value: word })));
      count.replaceChildren(
        typed
          ? `${found.count} words of the model hold “${typed}”`
          : `the model knows ${found.count} words: type to search`,
      );
    };
    const input = h("input", {
      type: "text",
      "aria-label": title,
      autocomplete: "off",
      ...(known && { list: list.id, oninput: suggest }),
    });
    const dialog = h(
      "dialog",
      {
        onclose: () => {
          resolve(dialog.returnValue ? input.value : null);
          dialog.remove();
        },
      },
      h(
        "form",
        { method: "dialog" },
        h("label", {}, title, " ", input),
        h("button", { value: "yes" }, button),
        h("button", { value: "", formnovalidate: true }, "cancel"),
      ),
      known && [list, count],
    );
    page.root.append(dialog);
    dialog.showModal();
    if (known) suggest().catch((error) => page.fail(error));
  });
}
