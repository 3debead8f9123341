import assert from "node:assert/strict";
import { test } from "node:test";
import { countDifferences, findRegion } from "../../app/tabs/lens/maps.js";

const MAP = {
  width: 4,
  height: 2,
  values: Uint8Array.of(0, 0, 0, 1, 2, 0, 0, 0),
};

test("a press means the nearest region within reach", () => {
  assert.equal(findRegion(MAP, 0.9, 0.1, 0), 1);
  assert.equal(findRegion(MAP, 0.6, 0.1, 0), 0);
  assert.equal(findRegion(MAP, 0.6, 0.1, 0.25), 1);
  assert.equal(findRegion(MAP, 0.3, 0.9, 0.5), 2); // one pixel away, not two
});

test("maps differ on a share of their places", () => {
  const other = { ...MAP, values: Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 5) };
  assert.equal(countDifferences(MAP, other), 0.25);
  assert.equal(countDifferences(MAP, MAP), 0);
});
