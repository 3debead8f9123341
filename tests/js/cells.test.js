import assert from "node:assert/strict";
import { test } from "node:test";
import { addAxes, countComputed, findCell, findWindow } from "../../app/page/cells.js";
import { summarise } from "../../app/tabs/windows/words.js";

// Two windows down, two across; the second block's are shifted by a quarter of the picture to the
// right.
const PLAIN = addAxes({
  cols: 2,
  keep: "1000",
  row_spans: [[[0, 0.5]], [[0.5, 1]]],
  col_spans: [[[0, 0.5]], [[0.5, 1]]],
});
const SHIFTED = addAxes({
  cols: 2,
  keep: "1100",
  row_spans: [[[0, 0.5]], [[0.5, 1]]],
  col_spans: [
    [[0.25, 0.75]],
    [
      [0.75, 1],
      [0, 0.25],
    ],
  ],
});

test("cells lie in the picture's order and know their window", () => {
  const owners = SHIFTED.xs.map(({ from, to, owner }) => [from, to, owner]);
  assert.deepEqual(owners, [
    [0, 0.25, 1],
    [0.25, 0.75, 0],
    [0.75, 1, 1],
  ]);
});

test("a place belongs to the window that holds it, at both ends of one that wraps around", () => {
  assert.equal(findWindow(PLAIN, { x: 0.9, y: 0.1 }), 1);
  assert.equal(findWindow(PLAIN, { x: 0.1, y: 0.9 }), 2);
  assert.equal(findWindow(SHIFTED, { x: 0.1, y: 0.9 }), 3);
  assert.equal(findWindow(SHIFTED, { x: 0.9, y: 0.9 }), 3);
  assert.equal(findWindow(SHIFTED, { x: 0.5, y: 0.9 }), 2);
});

test("an edge belongs to the cell after it, the last edge to the last cell", () => {
  assert.equal(findCell(PLAIN.xs, 0.5), 1);
  assert.equal(findCell(PLAIN.xs, 1), 1);
});

test("every place counts the blocks that computed it", () => {
  const { xs, ys, counts } = countComputed([PLAIN, SHIFTED]);
  assert.deepEqual(
    xs.map(({ from }) => from),
    [0, 0.25, 0.5, 0.75],
  );
  assert.equal(ys.length, 2);
  assert.deepEqual([...counts], [2, 2, 1, 1, 0, 0, 0, 0]);
});

test("a summary weighs the places by their size", () => {
  const computed = countComputed([PLAIN, SHIFTED]);
  assert.deepEqual(summarise(computed, 2), { mean: 0.75, every: 0.25, none: 0.5 });
});
