// What the sliders and the brush ask for now; the network may not have run with it yet.

/** @import { Painted, Wish } from "./types.d.ts" */

/** @type {Wish} */
let current = null;
/** @type {Set<(wish: Wish) => void>} */
const listeners = new Set();
/** @type {Set<(painted: Painted[]) => void>} */
const painters = new Set();

// The wish now; null before the sliders are there.
export const getWish = () => current;

/**
 * Calls back whenever a slider moves, a window is painted, or Python sets both.
 * @param {(wish: Wish) => void} callback
 */
export const onWish = (callback) => listeners.add(callback);

/** @param {Wish} wish */
export function setWish(wish) {
  current = wish;
  for (const listener of listeners) listener(wish);
}

/**
 * Calls back when somebody paints: what is painted in all.
 * @param {(painted: Painted[]) => void} callback
 */
export const onPaint = (callback) => painters.add(callback);

/** @param {Painted[]} painted */
export function paint(painted) {
  for (const painter of painters) painter(painted);
}
