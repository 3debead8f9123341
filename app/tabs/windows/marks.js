// What lies over the picture of windows: those pointed at, pinned, painted, and those where score
// and worth disagree.
import { findWindow } from "../../page/cells.js";
import { paintOutline, paintSymbols, paintTint } from "../../page/paint.js";
import { isOwn, meets } from "./preview.js";
import { listOutlined } from "./worth.js";

/** @import { Area, Place } from "../../page/types.d.ts" */
/** @import { Shown, WindowsBlock, Worth } from "./types.d.ts" */

const CURSOR_COLOUR = "#ffffff";
const PIN_COLOUR = "#f0a04b";
export const MISSED_COLOUR = "#ff7ab6"; // skipped, and worth much
export const WASTED_COLOUR = "#56b4e9"; // kept, and worth little
const HANDS = { keep: { colour: "#56b4e9", sign: "+" }, skip: { colour: "#ff7ab6", sign: "×" } };

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Area} area
 * @param {number} ratio
 * @param {{ shown: Shown, block: WindowsBlock, worth: Worth | null, cursor: Place, pin: Place }} what
 */
export function drawMarks(context, area, ratio, { shown, block, worth, cursor, pin }) {
  for (const entry of shown.wish.painted) {
    const blocks = shown.blocks.filter((other) => isOwn(entry, other));
    if (!meets(entry, block) || !blocks.length) continue;
    for (const name of /** @type {const} */ (["keep", "skip"])) {
      const { colour, sign } = HANDS[name];
      const windows = new Set(entry[name]);
      paintTint(context, area, blocks[0], windows, colour);
      paintSymbols(context, area, ratio, blocks[0], windows, sign, colour);
    }
  }
  if (worth) {
    const [missed, wasted] = listOutlined(block, worth);
    for (const window of wasted) paintOutline(context, area, ratio, block, window, WASTED_COLOUR);
    for (const window of missed) paintOutline(context, area, ratio, block, window, MISSED_COLOUR);
  }
  for (const { place, colour } of [
    { place: cursor, colour: CURSOR_COLOUR },
    { place: pin, colour: PIN_COLOUR },
  ]) {
    if (place) paintOutline(context, area, ratio, block, findWindow(block, place), colour);
  }
}
