// What the sparsity sliders hold, apart from how they look. Sparsities are fractions, p a whole
// percentage.

import { isLate } from "./common.js";

/** @import { PanelValue, Wish } from "./types.d.ts" */

/** @param {number} sparsity */
export const toPercent = (sparsity) => Math.round(sparsity * 100);

/**
 * How many of a block's windows are kept; null before the first result.
 * @param {number | null} windows
 * @param {number} p
 */
export const countKept = (windows, p) =>
  windows && Math.max(1, Math.floor((windows * (100 - p)) / 100));

/**
 * A stage's sparsities with one pair set; where they are linked, they never fall inside the stage.
 * @param {number[]} sparsities
 * @param {number} pair
 * @param {number} p
 * @param {boolean} linked
 */
export function setPair(sparsities, pair, p, linked) {
  const wanted = p / 100;
  return sparsities.map((before, i) => {
    if (i === pair) return wanted;
    if (!linked) return before;
    return i < pair ? Math.min(before, wanted) : Math.max(before, wanted);
  });
}

/**
 * A stage's sparsities raised so that they never fall.
 * @param {number[]} sparsities
 */
export const linkPairs = (sparsities) =>
  sparsities.map((_, i, all) => Math.max(...all.slice(0, i + 1)));

/**
 * What Python sent, but with the sliders as they stand where the user has moved them since it was
 * asked for.
 * @param {PanelValue} value
 * @param {PanelValue | null} state of the sliders
 * @param {number} moved when the user last did, by the page's clock
 * @returns {PanelValue}
 */
export function keepMoves(value, state, moved) {
  if (!isLate(value, moved) || countPairs(state).join() !== countPairs(value).join()) return value;
  const stages = value.stages.map((stage, i) => ({
    ...stage,
    sparsities: state.stages[i].sparsities,
  }));
  return { ...value, stages, linked: state.linked, painted: state.painted };
}

/**
 * @param {PanelValue} value
 * @returns {Wish}
 */
export const toWish = ({ linked, stages, painted }) => ({
  linked,
  stages: stages.map(({ sparsities }) => sparsities),
  painted,
});

/** @param {PanelValue | null} value */
export const countPairs = (value) => value?.stages.map(({ sparsities }) => sparsities.length) ?? [];
