// What the view of pruned windows says.
import { findWindow, isKept } from "../../page/cells.js";
import { drawChart } from "../../page/chart.js";
import { VIRIDIS, makeGradient, pickViridis } from "../../page/colours.js";
import { make, percent } from "../../page/common.js";
import { MISSED_COLOUR, WASTED_COLOUR } from "./marks.js";
import { findMarks, meets } from "./preview.js";
import { describeWorth, findWorth } from "./worth.js";

/** @import { Computed, Place } from "../../page/types.d.ts" */
/** @import { Picture, Shown, WindowsBlock, WindowsValue, WorthValue } from "./types.d.ts" */

/** @param {string | number} text */
export const strong = (text) => make("b", {}, text);
/** @param {number | null} score */
const formatScore = (score) =>
  score === null ? "–" : score >= 100 ? score.toFixed(0) : score.toPrecision(3);
/** @param {WindowsBlock} block */
export const formatNumber = (block) => `${block.stage}.${block.block}`;
/** @param {WindowsBlock} block */
const lowestKept = (block) => Math.min(...block.scores.filter((_, index) => isKept(block, index)));

/**
 * "score 0.513, rank 37 of 512, kept by you"
 * @param {WindowsBlock} block
 * @param {number} index
 * @param {Pick<Shown, "blocks" | "wish">} shown
 */
export function describeWindow(block, index, { blocks, wish }) {
  const kept = isKept(block, index);
  const mark = findMarks(block, blocks, wish.painted)[index];
  // A block that may keep nothing keeps one window in spite of the brush.
  const isByHand = mark === (kept ? 1 : -1);
  const fate = `${kept ? "kept" : "skipped"}${isByHand ? " by you" : ""}`;
  return `score ${formatScore(block.scores[index])}, rank ${block.ranks[index]} of ${block.total}, ${fate}`;
}

/**
 * How sure it is what a block keeps, while the network has not run yet.
 * @param {WindowsBlock} block
 */
export const describeState = ({ state }) =>
  !state ? "" : state === "exact" ? " (running…)" : " (preview)";

/**
 * What was chosen by hand, and what it changed.
 * @param {Shown} shown
 * @param {WindowsValue} latest
 */
export function describeHands({ wish, blocks }, latest) {
  const [kept, skipped] = /** @type {const} */ (["keep", "skip"]).map((name) =>
    wish.painted.reduce((sum, entry) => sum + entry[name].length, 0),
  );
  if (!kept && !skipped) return "Paint windows on the picture; the network runs with your choice.";
  const counts = `${kept} kept and ${skipped} skipped by hand`;
  const change = latest.by_hand;
  if (blocks.some(({ state }) => state) || !change) return `${counts}.`;
  const { agreement: now, without } = change;
  const compared =
    now === without
      ? `agreement with dense ${now}, with your choice and without`
      : `agreement with dense ${now}, without your choice ${without} (${change.change})`;
  return `${counts}: ${compared}.`.replaceAll(" %", "\u00a0%");
}

/**
 * What one sees in a view, in one or two sentences: texts and elements.
 * @param {Picture} view
 * @param {WindowsBlock} block
 * @param {Shown} shown
 * @param {WorthValue | null} value
 */
export function describeView(view, block, { blocks, computed, linked, wish }, value) {
  const skipped = block.total - block.kept;
  if (view === "worth") {
    const worth = findWorth(value, block);
    if (worth) return describeWorth(block, value, worth);
    return [value?.error ?? "Measuring what every window is worth to the output…"];
  }
  if (view === "compute") {
    const { mean, every, none } = summarise(computed(), blocks.length);
    return [
      "In how many of the ",
      strong(`${blocks.length} blocks`),
      " each place was computed: ",
      strong(mean.toFixed(1)),
      ` on average. ${percent(every)} of the picture was computed in every block, ` +
        `${percent(none)} in none.`,
    ];
  }
  if (view === "scores") {
    const where = linked && skipped ? "taken once for the stage" : "taken at this block";
    const cut = skipped
      ? ["The ", strong(`${block.kept} highest`), ` of ${block.total} were kept.`]
      : [`All ${block.total} were kept.`];
    return [
      block.score === "centred"
        ? "A window's score is how far its activations are from the picture's mean token: the RMS of " +
          "its tokens' mean distance, "
        : "A window's score is how strong its activations are: the RMS of its tokens' mean " +
          "magnitude, ",
      where,
      ". ",
      ...cut,
    ];
  }
  const isByHand = wish.painted.some((entry) => meets(entry, block));
  const shift = block.shifted ? " Shifted windows wrap around the border." : "";
  if (!skipped)
    return [
      "This block computed ",
      strong(`all ${block.total} windows`),
      `; it skipped none.${shift}`,
    ];
  const kept = strong(`${block.kept} of ${block.total} windows`);
  return [
    "This block computed ",
    kept,
    ". The ",
    strong(`${skipped} dark ones`),
    isByHand
      ? ` were skipped: they scored lowest, or you chose so.${shift}`
      : ` scored lowest and were skipped.${shift}`,
  ];
}

/**
 * Of the blocks in which a place was computed: the mean, and the shares of the picture with all and
 * with none.
 * @param {Computed} computed
 * @param {number} total
 */
export function summarise({ xs, ys, counts }, total) {
  const sums = { mean: 0, every: 0, none: 0 };
  counts.forEach((count, cell) => {
    const [row, column] = [ys[Math.floor(cell / xs.length)], xs[cell % xs.length]];
    const size = (row.to - row.from) * (column.to - column.from);
    sums.mean += size * count;
    if (count === total) sums.every += size;
    if (count === 0) sums.none += size;
  });
  return sums;
}

/**
 * What the colours of a view mean.
 * @param {Picture} view
 * @param {WindowsBlock} block
 * @param {number} total
 * @param {WorthValue | null} value
 */
export function makeLegend(view, block, total, value) {
  if (view === "pruned") {
    return ["kept", "skipped"].map((word) =>
      make("span", { class: "sv-win-key" }, make("i", { class: `sv-win-${word}` }), word),
    );
  }
  if (view === "compute") {
    const colours = Array.from({ length: total + 1 }, (_, count) => pickViridis(count / total));
    const stops = colours.map(
      (colour, step) =>
        `${colour} ${(100 * step) / (total + 1)}% ${(100 * (step + 1)) / (total + 1)}%`,
    );
    return [makeRamp(stops), makeEnds("0 blocks", `all ${total}`)];
  }
  if (view === "worth") {
    if (!findWorth(value, block)) return [];
    const [missed, wasted] =
      block.kept < block.total
        ? ["skipped, though it is worth much", "kept, though it is worth little"]
        : ["scored too low", "scored too high"];
    return [
      makeRamp(VIRIDIS),
      makeEnds("worth little", "worth much"),
      makeOutlineKey(MISSED_COLOUR, "missed", missed),
      makeOutlineKey(WASTED_COLOUR, "wasted", wasted),
    ];
  }
  const ramp = makeRamp(VIRIDIS);
  if (block.kept < block.total) {
    const level = (lowestKept(block) - block.low) / (block.high - block.low || 1);
    const cut = make(
      "div",
      { class: "sv-win-cut" },
      make("span", {}, `kept from ${formatScore(lowestKept(block))}`),
    );
    cut.style.setProperty("--at", String(Math.min(1, Math.max(0, level))));
    ramp.append(cut);
  }
  return [ramp, makeEnds(`≤ ${formatScore(block.low)} low`, `high ≥ ${formatScore(block.high)}`)];
}

/**
 * @param {string} colour
 * @param {string} words
 * @param {string} title
 */
function makeOutlineKey(colour, words, title) {
  const swatch = make("i", { class: "sv-win-outline" });
  swatch.style.borderColor = colour;
  return make("span", { class: "sv-win-key", title }, swatch, words);
}

/** @param {string[]} stops */
function makeRamp(stops) {
  const ramp = make("div", { class: "sv-win-ramp" });
  ramp.style.background = makeGradient(stops);
  return ramp;
}

/**
 * @param {string} low
 * @param {string} high
 */
const makeEnds = (low, high) =>
  make("div", { class: "sv-win-ends" }, make("span", {}, low), make("span", {}, high));

/**
 * What every block did with the window at a place.
 * @param {WindowsBlock[]} blocks
 * @param {Place} place
 * @param {number} current
 */
export function makeTable(blocks, place, current) {
  const heads = ["Block", "Score", "Rank", "As a bar", "Outcome"];
  const rows = blocks.map((block, number) => {
    const index = findWindow(block, place);
    const kept = isKept(block, index);
    const bar = make("div", { class: "sv-win-rank" });
    const better = block.total - (block.ranks[index] - 1); // windows, itself among them
    const shown = {
      bars: [{ kind: kept ? "sparse" : "skipped", to: better }],
      at: block.total - block.kept,
      track: block.total,
    };
    drawChart(bar, { kind: "bars", most: block.total, rows: [shown] });
    const row = make(
      "tr",
      kept ? {} : { class: "sv-win-no" },
      make(
        "th",
        { scope: "row" },
        formatNumber(block),
        make("small", {}, block.shifted ? " shifted" : ""),
      ),
      make("td", {}, formatScore(block.scores[index])),
      make("td", {}, strong(block.ranks[index]), ` / ${block.total}`),
      make("td", {}, bar),
      make("td", {}, kept ? "● kept" : "○ skipped"),
    );
    if (number === current) row.setAttribute("aria-current", "true");
    return row;
  });
  return make(
    "table",
    {},
    make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, ...rows),
  );
}
