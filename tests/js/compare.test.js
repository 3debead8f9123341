import assert from "node:assert/strict";
import { test } from "node:test";
import { addAxes } from "../../app/page/cells.js";
import {
  BOTH,
  NEITHER,
  ONLY_A,
  ONLY_B,
  layOver,
  mergeAxes,
} from "../../app/tabs/compare/overlay.js";
import { findDiffering, sayCount } from "../../app/tabs/compare/view.js";
import { SEMANTIC } from "../../app/tabs/outputs/semantic.js";

// One row of two windows, and the same moved by a quarter of the picture, so that one wraps around.
const ROW = [[[0, 1]]];
const PLAIN = addAxes({
  cols: 2,
  keep: "10",
  row_spans: ROW,
  col_spans: [[[0, 0.5]], [[0.5, 1]]],
});
const SHIFTED = addAxes({
  cols: 2,
  keep: "10",
  row_spans: ROW,
  col_spans: [
    [[0.25, 0.75]],
    [
      [0.75, 1],
      [0, 0.25],
    ],
  ],
});

test("two axes are divided where either of them is", () => {
  assert.deepEqual(mergeAxes(PLAIN.xs, SHIFTED.xs), [
    { from: 0, to: 0.25, a: 0, b: 1 },
    { from: 0.25, to: 0.5, a: 0, b: 0 },
    { from: 0.5, to: 0.75, a: 1, b: 0 },
    { from: 0.75, to: 1, a: 1, b: 1 },
  ]);
});

test("a place is kept by both, by one alone, or by neither", () => {
  assert.deepEqual([...layOver(PLAIN, SHIFTED).kinds], [ONLY_A, BOTH, ONLY_B, NEITHER]);
  assert.deepEqual([...layOver(SHIFTED, PLAIN).kinds], [ONLY_B, BOTH, ONLY_A, NEITHER]);
  assert.deepEqual([...layOver(PLAIN, PLAIN).kinds], [BOTH, NEITHER]);
});

test("counts are windows, or shares where windows differ", () => {
  const counts = { both: 2, only_a: 1, only_b: 2, neither: 3 };
  assert.equal(findDiffering(counts), 3 / 8);
  assert.equal(sayCount({ counts, windows: true }, "only_b"), "2");
  assert.equal(sayCount({ counts: { both: 0.25 }, windows: false }, "both"), "25 %");
});

test("outputs of A and B are called so", () => {
  const data = { sides: { dense: "A", sparse: "B" } };
  const words = SEMANTIC.listColumns(data).map(({ head }) => head);
  assert.deepEqual(words, ["A", "B", "IoU, B with A"]);
  assert.ok(SEMANTIC.listModes({ own: {} }).includes("own"));
  assert.ok(!SEMANTIC.listModes({}).includes("own"));
});
