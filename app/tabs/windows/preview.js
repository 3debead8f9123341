// Which windows the network will keep, before it has run: scores and ranks of its last run are here.
//
// A ranking stays true as long as nothing before it changes: what it is taken from is the input of
// the first block of a stage that prunes. Such a block is exact, what follows a change is a preview.
import { findOverlaps } from "../../page/cells.js";
import { countKept, toPercent } from "../../page/sparsities.js";

/** @import { Block, Painted, Wish } from "../../page/types.d.ts" */
/** @import { WindowsBlock, WindowsValue } from "./types.d.ts" */

const LEAST_SKIPPED = 0.5; // see sparsevit/core/ranking.py

/** @param {Painted[]} painted */
export const namePainted = (painted) =>
  JSON.stringify(
    painted.map(({ stage, block, shifted, rows, cols, keep, skip }) => [
      ...[stage, block, shifted, rows, cols],
      ...[keep, skip],
    ]),
  );

/**
 * @param {Wish} one
 * @param {Wish} other
 */
export const isSame = (one, other) =>
  one.linked === other.linked &&
  JSON.stringify(one.stages) === JSON.stringify(other.stages) &&
  namePainted(one.painted) === namePainted(other.painted);

/**
 * The blocks of a run as they will be: `state` is "run" where nothing changes, "exact" where the
 * run to come will keep just these windows, "preview" where its scores may differ.
 * @param {WindowsBlock[]} blocks as the network ran them
 * @param {Wish} ran what it ran with
 * @param {Wish} wish what is asked for
 * @returns {WindowsBlock[]}
 */
export function foresee(blocks, ran, wish) {
  if (isSame(ran, wish)) return blocks;
  let isClean = true; // nothing before this block changes
  return blocks.map((block, index) => {
    const choice = choose(block, blocks, wish);
    const isSure =
      choice.kept === block.total || (isClean && isRankedAlike(block, blocks, ran, wish));
    const state = isSure ? "exact" : "preview";
    const next = blocks[index + 1];
    // Where pairs are linked, later blocks of a stage are ranked by its first pruned one.
    if (!wish.linked || next?.stage !== block.stage)
      isClean &&= isStageSame(block.stage, ran, wish) && ran.linked === wish.linked;
    const sparsity = 1 - choice.kept / block.total;
    return { ...block, ...choice, sparsity, state };
  });
}

/**
 * What a run was made with.
 * @param {WindowsValue} value
 * @returns {Wish}
 */
export const readWish = ({ linked, schedule, painted }) => ({
  linked,
  stages: schedule,
  painted,
});

/**
 * The blocks as they will be, and with what; as they were where another network is wished for.
 * @param {WindowsBlock[]} blocks
 * @param {Wish} ran
 * @param {Wish | null} wish
 */
export function lookAhead(blocks, ran, wish) {
  const count = (/** @type {Wish} */ { stages }) => stages.map((pairs) => pairs.length).join();
  if (!wish || count(wish) !== count(ran)) return { blocks, wish: ran };
  return { blocks: foresee(blocks, ran, wish), wish };
}

/**
 * Whether what ranks a block is taken from the same place as in the run.
 * @param {WindowsBlock} block
 * @param {WindowsBlock[]} blocks
 * @param {Wish} ran
 * @param {Wish} wish
 */
function isRankedAlike(block, blocks, ran, wish) {
  if (ran.linked !== wish.linked) return false;
  if (!wish.linked) return true;
  const mine = blocks.filter((other) => other.stage === block.stage);
  const [before, now] = [findFirst(mine, ran), findFirst(mine, wish)];
  // A block before the one that ranked shows scores of its own.
  return before === now || (mine[now] === block && (before < 0 || before > now));
}

/**
 * Number of the first block of a stage that ranks its windows.
 * @param {WindowsBlock[]} blocks of the stage
 * @param {Wish} wish
 */
const findFirst = (blocks, wish) =>
  blocks.findIndex(
    (block) => findSparsity(block, wish) > 0 || wish.painted.some((entry) => meets(entry, block)),
  );

/**
 * @param {number} stage counted from 1
 * @param {Wish} ran
 * @param {Wish} wish
 */
function isStageSame(stage, ran, wish) {
  const [before, now] = [ran, wish].map(({ stages, painted }) =>
    JSON.stringify([
      stages[stage - 1],
      namePainted(painted.filter((entry) => entry.stage === stage - 1)),
    ]),
  );
  return before === now;
}

/**
 * @param {WindowsBlock} block
 * @param {Wish} wish
 */
const findSparsity = (block, wish) =>
  wish.stages[block.stage - 1]?.[Math.floor((block.block - 1) / 2)] ?? block.sparsity;

/**
 * Whether something painted is meant for a block.
 * @param {Painted} entry
 * @param {WindowsBlock} block
 */
export const meets = (entry, block) =>
  entry.stage === block.stage - 1 && (entry.block === null || entry.block === block.block - 1);

/**
 * Whether painted windows are those of a block's own partition.
 * @param {Painted} entry
 * @param {WindowsBlock} block
 */
export const isOwn = (entry, block) =>
  entry.stage === block.stage - 1 &&
  entry.shifted === block.shifted &&
  entry.rows === block.rows &&
  entry.cols === block.cols;

/**
 * 1 for each window of a block that is painted to be kept, -1 for one to be skipped, else 0.
 * @param {WindowsBlock} block
 * @param {WindowsBlock[]} blocks
 * @param {Painted[]} painted
 */
export function findMarks(block, blocks, painted) {
  const marks = new Int8Array(block.total);
  for (const entry of painted) {
    if (!meets(entry, block)) continue;
    if (isOwn(entry, block)) {
      for (const window of entry.skip) marks[window] = -1;
      for (const window of entry.keep) marks[window] = 1;
      continue;
    }
    const theirs = blocks.find((other) => isOwn(entry, other));
    if (!theirs) continue;
    cover(block, theirs, entry.skip).forEach((share, window) => {
      if (share >= LEAST_SKIPPED - 1e-6) marks[window] = -1;
    });
    cover(block, theirs, entry.keep).forEach((share, window) => {
      if (share > 1e-6) marks[window] = 1;
    });
  }
  return marks;
}

/**
 * The share of each window of a block that windows of another cover.
 * @param {Block} block
 * @param {Block} other
 * @param {number[]} windows
 */
function cover(block, other, windows) {
  const shares = new Float64Array(block.total);
  if (!windows.length) return shares;
  const rows = findOverlaps(block.row_spans, other.row_spans);
  const columns = findOverlaps(block.col_spans, other.col_spans);
  for (const window of windows) {
    const [i, j] = [Math.floor(window / other.cols), window % other.cols];
    for (const [row, down] of rows[i])
      for (const [column, across] of columns[j]) shares[row * block.cols + column] += down * across;
  }
  return shares;
}

/**
 * @param {WindowsBlock} block
 * @param {WindowsBlock[]} blocks
 * @param {Wish} wish
 */
function choose(block, blocks, wish) {
  const marks = findMarks(block, blocks, wish.painted);
  let [least, most] = [0, block.total];
  for (const mark of marks) {
    if (mark > 0) least += 1;
    if (mark < 0) most -= 1;
  }
  const asked = countKept(block.total, toPercent(findSparsity(block, wish)));
  const kept = Math.max(1, Math.min(Math.max(asked, least), most));
  const order = new Int32Array(block.total); // windows, the best first
  block.ranks.forEach((rank, window) => (order[rank - 1] = window));
  const keep = new Uint8Array(block.total);
  let room = kept;
  for (const wanted of [1, 0, -1])
    for (const window of order)
      if (room && marks[window] === wanted) [keep[window], room] = [1, room - 1];
  return { keep: keep.join(""), kept };
}
