/**
 * The values of a document by their paths.
 *
 * @import { Doc, Station } from "./types.js"
 */

/**
 * The value at a path, if the document has it.
 *
 * @param {Pick<Doc, "stations">} doc
 * @param {string} path
 * @returns {Station | undefined}
 */
export const findStation = (doc, path) => doc.stations.find((station) => station.path === path);

/**
 * The value at a path that the document must have.
 *
 * @param {Pick<Doc, "stations">} doc
 * @param {string} path
 */
export function stationOf(doc, path) {
  const station = findStation(doc, path);
  if (!station) throw new Error(`nothing was seen at ${path}`);
  return station;
}

/** Whether a step of an act has a row for each key: all others have one for each query. */
export const isOfKeys = (/** @type {string | undefined} */ step) => step === "k" || step === "v";
