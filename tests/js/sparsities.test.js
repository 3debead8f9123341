import assert from "node:assert/strict";
import { test } from "node:test";
import { countKept, keepMoves, linkPairs, setPair, toPercent } from "../../app/page/sparsities.js";

/** What Python sends for one stage with these sparsities. */
const makeValue = (sparsities, rest = {}) => ({
  linked: true,
  asked: 0,
  stages: [{ grid: [8, 16], windows: 8, sparsities }],
  painted: [],
  presets: [],
  waiting: false,
  ...rest,
});

test("a linked pair lowers those before it and lifts those after it", () => {
  assert.deepEqual(setPair([0.2, 0.4, 0.6], 1, 10, true), [0.1, 0.1, 0.6]);
  assert.deepEqual(setPair([0.2, 0.4, 0.6], 1, 90, true), [0.2, 0.9, 0.9]);
  assert.deepEqual(setPair([0.2, 0.4, 0.6], 1, 90, false), [0.2, 0.9, 0.6]);
});

test("linking lifts what falls and nothing else", () => {
  assert.deepEqual(linkPairs([0.3, 0.1, 0.5, 0.4]), [0.3, 0.3, 0.5, 0.5]);
});

test("one window at least is kept, as the network keeps one", () => {
  assert.equal(countKept(8, 0), 8);
  assert.equal(countKept(8, 30), 5); // floor of 5.6
  assert.equal(countKept(8, 95), 1);
  assert.equal(countKept(null, 30), null);
});

test("a sparsity reads as a whole percentage", () => {
  assert.equal(toPercent(0.29), 29); // 100 * 0.29 is a little less
});

test("an answer to what the sliders showed before leaves them alone", () => {
  const state = makeValue([0.7], { linked: false });
  const late = keepMoves(makeValue([0.2], { asked: 2 }), state, 3);
  assert.deepEqual(late, makeValue([0.7], { linked: false, asked: 2 }));
});

test("an answer to the newest move, or to none, sets the sliders", () => {
  for (const asked of [3, null]) {
    const value = keepMoves(makeValue([0.2], { asked }), makeValue([0.7]), 3);
    assert.deepEqual(value, makeValue([0.2], { asked }));
  }
});

test("another network sets the sliders however late it comes", () => {
  const value = keepMoves(makeValue([0.2, 0.3], { asked: 1 }), makeValue([0.7]), 3);
  assert.deepEqual(value.stages[0].sparsities, [0.2, 0.3]);
  assert.deepEqual(keepMoves(makeValue([0.2]), null, 0).stages[0].sparsities, [0.2]);
});
