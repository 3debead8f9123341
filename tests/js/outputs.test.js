import assert from "node:assert/strict";
import { test } from "node:test";
import { UNKNOWN, findPixel, nameSegments, scaleMap } from "../../app/tabs/outputs/maps.js";
import { RESTORATION } from "../../app/tabs/outputs/restoration.js";
import { SEGMENTS, describeFound, describeMatch } from "../../app/tabs/outputs/segments.js";
import { SEMANTIC } from "../../app/tabs/outputs/semantic.js";
import { share } from "../../app/tabs/outputs/words.js";

const MAP = { width: 2, height: 2, values: Uint8Array.of(1, 2, 3, 4) };

test("a place is in the pixel that covers it", () => {
  assert.equal(findPixel(MAP, 0.99, 0), 1);
  assert.equal(findPixel(MAP, 0.49, 0.5), 2);
});

test("a map at another size takes the nearest pixels", () => {
  assert.deepEqual([...scaleMap(MAP, { width: 4, height: 2 })], [1, 1, 2, 2, 3, 3, 4, 4]);
  assert.deepEqual([...scaleMap(MAP, { width: 1, height: 1 })], [4]); // its middle is theirs
});

test("segments give their class; where there is none, nothing is known", () => {
  const map = { ...MAP, numbers: Uint8Array.of(0, 1, 1, UNKNOWN) };
  const named = nameSegments(map, [{ class: 7 }, { class: 9 }]);
  assert.deepEqual([...named.values], [7, 9, 9, UNKNOWN]);
});

test("a share too small to show is said to be small", () => {
  assert.deepEqual([0, 0.0001, 0.5].map(share), ["0.0 %", "< 0.1 %", "50.0 %"]);
});

test("the truth has columns only where there is one", () => {
  const keys = (truth) => SEMANTIC.listColumns({ truth }).map(({ key }) => key);
  assert.deepEqual(keys(null), ["dense", "sparse", "iou"]);
  assert.deepEqual(keys("data:"), ["dense", "sparse", "iou", "true_dense", "true_sparse"]);
});

test("a segment says whether it has a match", () => {
  assert.equal(describeMatch({ match: null }), ", no match");
  assert.equal(describeMatch({ match: 3, iou: 0.756 }), ", matched, IoU 0.76");
});

test("a true segment says who finds it", () => {
  assert.equal(describeFound({ dense: 0.8, sparse: null }), ", found by dense (IoU 0.80)");
  assert.equal(
    describeFound({ dense: 0.8, sparse: 0.5 }),
    ", found by dense (IoU 0.80) and sparse (IoU 0.50)",
  );
  assert.equal(describeFound({ dense: null, sparse: null }), ", found by neither");
});

test("segments are compared with the truth only where there is one", () => {
  assert.deepEqual(SEGMENTS.listModes({ truth: null }), ["compare", "difference"]);
  assert.equal(SEGMENTS.listColumns({ truth: null }).length, 4);
  assert.deepEqual(SEGMENTS.listModes({ truth: "data:" }), ["compare", "difference", "truth"]);
  assert.equal(SEGMENTS.listColumns({ truth: "data:" }).length, 7);
  assert.equal(SEGMENTS.describeTruth({ accuracy: null }), null);
});

const PICTURES = ["base", "dense", "sparse", "truth"].map((side) => ({ name: side, side }));
const LOOK = { mode: "compare", chosen: null };

test("errors are shown only where the original of a photo is known", () => {
  const modes = (classes) => RESTORATION.listModes({ classes });
  assert.deepEqual(modes(PICTURES), ["compare", "errors"]);
  assert.deepEqual(modes(PICTURES.slice(0, 3)), ["compare", "difference"]);
});

test("a restored photo is held against what needs no network, and B against A", () => {
  assert.deepEqual(RESTORATION.listPair({ sides: { base: "bicubic" } }), ["base", "sparse"]);
  assert.deepEqual(RESTORATION.listPair({ sides: { dense: "A" } }), ["dense", "sparse"]);
});

test("a picture alone and a difference have no handle", () => {
  const pair = ["base", "sparse"];
  assert.equal(RESTORATION.listSides({}, LOOK, pair), pair);
  assert.equal(RESTORATION.listSides({}, { ...LOOK, chosen: 1 }, pair), null);
  assert.equal(RESTORATION.listSides({}, { ...LOOK, mode: "difference" }, pair), null);
});
