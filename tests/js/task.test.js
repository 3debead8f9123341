import assert from "node:assert/strict";
import { test } from "node:test";
import { keepChoice } from "../../app/page/task.js";

/** What Python sends for a network of some tasks. */
const makeValue = (rest = {}) => ({
  tasks: ["semantic", "boxes3d"].map((name) => ({ name, label: name })),
  task: "semantic",
  focal: "",
  asked: 2,
  camera: null,
  ...rest,
});

test("an answer to an earlier press leaves the switch alone", () => {
  const kept = keepChoice(makeValue(), makeValue({ task: "boxes3d", focal: "28" }), 3);
  assert.deepEqual(kept, makeValue({ task: "boxes3d", focal: "28" }));
});

test("an answer to the newest press, or to none, sets the switch", () => {
  for (const asked of [3, null]) {
    const value = keepChoice(makeValue({ asked }), makeValue({ task: "boxes3d" }), 3);
    assert.deepEqual(value, makeValue({ asked }));
  }
  assert.deepEqual(keepChoice(makeValue(), null, 3), makeValue());
});

test("another network sets the switch however late it comes", () => {
  const value = keepChoice(makeValue(), makeValue({ task: "instance" }), 3);
  assert.deepEqual(value, makeValue());
});
