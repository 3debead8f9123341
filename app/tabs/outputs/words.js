// Words and numbers that the tasks share.
import { make, percent } from "../../page/common.js";

/** @import { Column, MapName, Mode, OutputsValue, Row } from "./types.d.ts" */

/** @type {Partial<Record<Mode, MapName[]>>} left and right of the handle */
export const SIDES = { compare: ["dense", "sparse"], truth: ["truth", "sparse"] };

/** @param {number} value */
export const share = (value) => (value > 0 && value < 0.0005 ? "< 0.1 %" : percent(value, 1));
/** @param {string} text */
export const bold = (text) => make("b", {}, text);
/** @param {...(Node | string)} parts */
export const keep = (...parts) => make("span", { class: "sv-out-keep" }, ...parts); // on one line
/** @param {string} colour */
export const swatch = (colour) =>
  make("i", { class: "sv-out-swatch", style: `background: ${colour}` });

/** @param {number} value */
export const writeIou = (value) => value.toFixed(2);

/**
 * Name of the one class to see alone, if there is one.
 * @param {OutputsValue} data
 * @param {number | null} chosen
 */
export const nameChosen = ({ classes }, chosen) => (chosen === null ? null : classes[chosen].name);

/**
 * Two columns of a table under common words.
 * @param {string} group
 * @param {(value: number) => string} write
 * @param {boolean} hasBar
 * @param {(keyof Row)[]} [keys]
 */
export const pairUp = (group, write, hasBar, keys = ["dense", "sparse"]) =>
  keys.map((key, side) => ({ key, group, write, hasBar, head: ["dense", "sparse"][side] }));

/** @type {Column[]} how many there are, and how many of them each network finds */
export const TRUE_COLUMNS = [
  { key: "true", group: "true ones", head: "all", write: String },
  { key: "true_dense", group: "true ones", head: "by dense", write: String },
  { key: "true_sparse", group: "true ones", head: "by sparse", write: String },
];
