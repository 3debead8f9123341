// Words and numbers that the tasks share.
import { make, percent } from "../../page/common.js";

/** @import { Column, MapName, Mode, OutputsValue, PictureName, Row, Side } from "./types.d.ts" */

/** @type {Side[]} */
const BOTH = ["dense", "sparse"];
/** @type {Partial<Record<Mode, MapName[]>>} left and right of the handle */
export const SIDES = { compare: ["dense", "sparse"], truth: ["truth", "sparse"] };

/**
 * What a side is called, where it is not what its name says.
 * @param {Pick<OutputsValue, "sides">} data
 * @param {PictureName} side
 */
export const nameSide = ({ sides }, side) => sides?.[side] ?? side;

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
 * @param {OutputsValue} data
 * @param {string} group
 * @param {(value: number) => string} write
 * @param {boolean} hasBar
 * @param {(keyof Row)[]} [keys]
 */
export const pairUp = (data, group, write, hasBar, keys = BOTH) =>
  keys.map((key, index) => ({ key, group, write, hasBar, head: nameSide(data, BOTH[index]) }));

/**
 * How many true ones there are, and how many of them each network finds.
 * @param {OutputsValue} data
 * @returns {Column[]}
 */
export const listTrueColumns = (data) => [
  { key: "true", group: "true ones", head: "all", write: String },
  ...BOTH.map((side) => ({
    key: /** @type {const} */ (`true_${side}`),
    group: "true ones",
    head: `by ${nameSide(data, side)}`,
    write: String,
  })),
];
