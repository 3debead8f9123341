// What windows are worth to the output, from the JSON of app/tabs/windows/worth.py: for every
// partition of a stage, "1" for the plain windows of the first and "1s" for its shifted ones.
import { isKept } from "../../page/cells.js";
import { make, onValue } from "../../page/common.js";

/** @import { View } from "../../page/types.d.ts" */
/** @import { WindowsBlock, Worth, WorthValue } from "./types.d.ts" */

const MOST_OUTLINED = 6;
const FIRST = 10; // out of how many windows words count

/** @type {WorthValue} */
let current = null;
/** @type {Set<() => void>} */
const listeners = new Set();

/** @param {View} view */
export function mount({ props, watch }) {
  onValue({ props, watch }, (/** @type {WorthValue} */ value) => {
    current = value;
    for (const listener of listeners) listener();
  });
}

/** @param {() => void} callback */
export const onWorth = (callback) => listeners.add(callback);

/**
 * What is known of a result's windows; null if nothing is.
 * @param {string} key
 */
export const getWorth = (key) => (current?.key === key ? current : null);

/**
 * @param {WorthValue | null} value
 * @param {WindowsBlock} block
 * @returns {Worth | null}
 */
export const findWorth = (value, block) =>
  value?.partitions?.[`${block.stage}${block.shifted ? "s" : ""}`] ?? null;

/**
 * What gives the worth of a result's windows, and asks for what is not known of it, once: of all
 * windows, and of one that is left out.
 * @param {(block: number, window: number | null) => void} send
 */
export function makeAsking(send) {
  let asked = "";
  return (
    /** @type {string} */ key,
    /** @type {WindowsBlock} */ block,
    /** @type {number} */ index,
    /** @type {number | null} */ window,
  ) => {
    const known = getWorth(key);
    const isKnown = known && (window === null || known.error || findLeft(known, block, window));
    const question = JSON.stringify([key, window, window !== null && index]);
    if (!isKnown && question !== asked) {
      asked = question;
      send(index, window);
    }
    return known;
  };
}

/**
 * @param {WorthValue} value
 * @param {WindowsBlock} block
 * @param {number} window
 */
function findLeft({ left }, block, window) {
  const isThis =
    left?.stage === block.stage && left.shifted === block.shifted && left.window === window;
  return isThis ? left : null;
}

/**
 * What leaving a window out does, as far as it is known.
 * @param {WorthValue | null} value
 * @param {WindowsBlock} block
 * @param {number | null} window
 */
export function describeLeft(value, block, window) {
  if (window === null || value?.error) return "";
  return (value && findLeft(value, block, window)?.words) ?? "Measuring what leaving it out does…";
}

/**
 * The windows that the block would not treat as it does if it went by worth: those it should not
 * have skipped, worth most first, and those it should not have kept, worth least first. Where it
 * keeps all, those whose ranks differ most.
 * @param {WindowsBlock} block
 * @param {Worth} worth
 */
export function findDisagreements(block, worth) {
  /** @type {{ window: number, gap: number }[]} */
  const missed = [];
  /** @type {{ window: number, gap: number }[]} */
  const wasted = [];
  for (let window = 0; window < block.total; window++) {
    const gap = block.ranks[window] - worth.ranks[window]; // positive: worth more than it scores
    const wanted = worth.ranks[window] <= block.kept;
    if (block.kept === block.total) (gap > 0 ? missed : wasted).push({ window, gap });
    else if (wanted !== isKept(block, window)) (wanted ? missed : wasted).push({ window, gap });
  }
  const rank = (/** @type {{ window: number }} */ { window }) => worth.ranks[window];
  if (block.kept === block.total)
    for (const some of [missed, wasted])
      some.sort((one, other) => Math.abs(other.gap) - Math.abs(one.gap));
  else {
    missed.sort((one, other) => rank(one) - rank(other));
    wasted.sort((one, other) => rank(other) - rank(one));
  }
  return { missed, wasted };
}

/**
 * Windows to outline: [missed, wasted], few of each.
 * @param {WindowsBlock} block
 * @param {Worth} worth
 */
export function listOutlined(block, worth) {
  const { missed, wasted } = findDisagreements(block, worth);
  return [missed, wasted].map((some) => some.slice(0, MOST_OUTLINED).map(({ window }) => window));
}

/**
 * What one sees of worth in a block, in plain words.
 * @param {WindowsBlock} block
 * @param {WorthValue} value
 * @param {Worth} worth
 */
export function describeWorth(block, value, worth) {
  const { missed, wasted } = findDisagreements(block, worth);
  const strong = (/** @type {string} */ text) => make("b", {}, text);
  /** @type {(string | Node)[]} */
  const words = ["Worth: how much the output would change without a window, estimated. "];
  if (block.kept < block.total) {
    const agreeing = Math.round(
      (FIRST * (block.total - missed.length - wasted.length)) / block.total,
    );
    words.push(
      "Score and worth decide alike for ",
      strong(`${agreeing} of ${FIRST} windows`),
      ` (${countByChance(block)} by chance). `,
      ...tell("It skips", missed, worth, block, value),
    );
  } else
    words.push(
      "This block computes every window. ",
      ...tell("Scored too low is", missed, worth, block, value),
    );
  const { correlation } = worth;
  words.push(
    correlation === null
      ? "There are too few windows to correlate."
      : `Rank correlation of the two: ${correlation.toFixed(2)}.`,
  );
  return words;
}

/**
 * Out of FIRST windows, those for which two choices that know nothing of each other decide alike.
 * @param {WindowsBlock} block
 */
function countByChance({ kept, total }) {
  const share = kept / total;
  return Math.round(FIRST * (share ** 2 + (1 - share) ** 2));
}

/**
 * @param {string} verb
 * @param {{ window: number }[]} missed
 * @param {Worth} worth
 * @param {WindowsBlock} block
 * @param {WorthValue} value
 */
function tell(verb, missed, worth, block, value) {
  if (!missed.length) return [];
  const { window } = missed[0];
  const shows = worth.shows && value.names[worth.shows[window]];
  const where = describePlace(block, window);
  const what = shows ? `${shows} ${where}` : `a window ${where}`;
  return [
    `${verb} `,
    make("b", {}, what),
    `, by worth rank ${worth.ranks[window]} of ${block.total}. `,
  ];
}

/**
 * "at the lower left", by the window's first piece.
 * @param {WindowsBlock} block
 * @param {number} window
 */
export function describePlace(block, window) {
  const middle = (/** @type {[number, number]} */ [from, to]) => (from + to) / 2;
  const y = middle(block.row_spans[Math.floor(window / block.cols)][0]);
  const x = middle(block.col_spans[window % block.cols][0]);
  const name = (/** @type {number} */ at, /** @type {string[]} */ names) =>
    names[Math.min(2, Math.floor(3 * at))];
  const words = [name(y, ["upper", "", "lower"]), name(x, ["left", "", "right"])].filter(Boolean);
  if (!words.length) return "in the middle";
  if (words.length > 1) return `at the ${words.join(" ")}`;
  return { upper: "at the top", lower: "at the bottom" }[words[0]] ?? `on the ${words[0]}`;
}
