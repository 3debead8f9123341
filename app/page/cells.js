// Where a block's windows lie on the picture. A "cell" is a rectangle of the picture that belongs
// to one window; a shifted window that wraps around owns several. Places and edges are fractions of
// the picture.

/** @import { Block, BlockValue, Cell, Computed, Place, Spans } from "./types.d.ts" */

/**
 * @param {Block} block
 * @param {number} index
 */
export const isKept = (block, index) => block.keep[index] === "1";

/**
 * The cells along one axis, in the picture's order: { from, to, owner }, owner being the window's
 * row or column.
 * @param {Spans} spans
 */
function makeAxis(spans) {
  const cells = spans.flatMap((pieces, owner) => pieces.map(([from, to]) => ({ from, to, owner })));
  return cells.sort((first, second) => first.from - second.from);
}

/**
 * @template {BlockValue} T
 * @param {T} block
 * @returns {T & { ys: Cell[], xs: Cell[] }}
 */
export const addAxes = (block) => ({
  ...block,
  ys: makeAxis(block.row_spans),
  xs: makeAxis(block.col_spans),
});

/**
 * The number of the cell on an axis that holds a place 0 to 1.
 * @param {{ to: number }[]} axis
 * @param {number} place
 */
export function findCell(axis, place) {
  const cell = axis.findIndex(({ to }) => place < to);
  return cell < 0 ? axis.length - 1 : cell;
}

/**
 * The window of a block at a place { x, y } of the picture.
 * @param {Block} block
 * @param {Place} place
 */
export function findWindow(block, place) {
  return (
    block.ys[findCell(block.ys, place.y)].owner * block.cols +
    block.xs[findCell(block.xs, place.x)].owner
  );
}

/**
 * For each window row (or column) of another partition those of this one that it meets, each with
 * the share of its length that lies in it.
 * @param {Spans} spans of this one
 * @param {Spans} others
 * @returns {[number, number][][]}
 */
export function findOverlaps(spans, others) {
  return others.map((theirs) =>
    spans.flatMap((mine, index) => {
      let [shared, whole] = [0, 0];
      for (const [from, to] of mine) {
        whole += to - from;
        for (const [start, end] of theirs)
          shared += Math.max(0, Math.min(to, end) - Math.max(from, start));
      }
      return shared > 0 ? [/** @type {[number, number]} */ ([index, shared / whole])] : [];
    }),
  );
}

/**
 * In how many blocks each place was computed: { xs, ys, counts }, as finely as all blocks' cells
 * divide the picture.
 * @param {Block[]} blocks
 */
export function countComputed(blocks) {
  const [xs, ys] = /** @type {const} */ (["xs", "ys"]).map((name) => {
    const edges = new Set(blocks.flatMap((block) => block[name].map(({ from }) => from)));
    const sorted = [...edges].sort((first, second) => first - second);
    return sorted.map((from, index) => ({ from, to: sorted[index + 1] ?? 1 }));
  });
  const counts = new Uint16Array(xs.length * ys.length);
  for (const block of blocks) {
    const columns = xs.map(({ from, to }) => block.xs[findCell(block.xs, (from + to) / 2)].owner);
    ys.forEach(({ from, to }, i) => {
      const row = block.ys[findCell(block.ys, (from + to) / 2)].owner * block.cols;
      for (let j = 0; j < columns.length; j++)
        if (block.keep[row + columns[j]] === "1") counts[i * columns.length + j] += 1;
    });
  }
  return { xs, ys, counts };
}
