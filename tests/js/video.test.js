import assert from "node:assert/strict";
import { test } from "node:test";
import { describeMeasuring, describeStats, summarize } from "../../app/tabs/video/draw.js";

const STATS = {
  frames: 24,
  compared: 6,
  median_ms: { dense: 125, sparse: 80 },
  fps: { dense: 8, sparse: 12.5 },
  speedup: 1.5625,
  windows: { kept: 30, total: 120 },
  mean_agreement: "98.8 %",
  doubt: null,
  model: "net",
  input_size: [256, 512],
  device: "CPU",
  dtype: "float32",
};

test("before the first frame every number is a dash", () => {
  const values = Object.values(describeStats(null, null)).map(([value]) => value);
  assert.deepEqual(new Set(values), new Set(["–"]));
  assert.equal(summarize(null), "nothing was measured.");
});

test("the numbers are those measured", () => {
  const words = describeStats(STATS, 3.456);
  assert.deepEqual(words.sparse, ["12.5", "frames/s (80.0 ms a frame)"]);
  assert.equal(words.speedup[0], "1.56×");
  assert.deepEqual(words.windows, ["25 %", "30 of 120, all blocks"]);
  assert.equal(words.page[0], "3.5");
});

test("a machine in doubt shows no speed-up", () => {
  const stats = { ...STATS, doubt: "other programs took 40 %" };
  assert.deepEqual(describeStats(stats, null).speedup, ["–", "this machine is busy"]);
  assert.ok(describeMeasuring(stats).startsWith("Other programs took 40 %. "));
  assert.ok(!summarize(stats).includes("×"));
});
