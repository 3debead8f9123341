import assert from "node:assert/strict";
import { test } from "node:test";
import {
  layOut,
  layTiles,
  listOwners,
  listPieces,
  part,
  short,
} from "../../app/tabs/learn/geometry.js";

// Four tokens on a side in windows of two, shifted by one: the second wraps around.
const RUNS = [
  [[1, 0, 2]],
  [
    [3, 0, 1],
    [0, 1, 1],
  ],
];

test("a window that wraps around both ways has four pieces, which cover it once", () => {
  const pieces = listPieces(RUNS, RUNS);
  assert.deepEqual(pieces[0], [{ x: 1, y: 1, w: 2, h: 2, u: 0, v: 0 }]);
  assert.equal(pieces[3].length, 4);
  assert.deepEqual(pieces[3].map(({ u, v }) => [u, v]).sort(), [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ]);
});

test("every token belongs to the window whose run holds it", () => {
  assert.deepEqual(listOwners(RUNS), [1, 0, 0, 1]);
});

test("the photo keeps its shape and fits into the canvas", () => {
  for (const [width, ratio] of [
    [360, 2],
    [1200, 2],
    [800, 0.5],
  ]) {
    const { photo, lower, height } = layOut(width, ratio);
    assert.ok(Math.abs(photo.w / photo.h - ratio) < 1e-9);
    assert.ok(photo.x >= 0 && photo.x + photo.w <= width);
    assert.ok(lower.y >= photo.h && lower.y + lower.h <= height);
  }
});

test("tiles are as large as fits them all", () => {
  const box = { x: 0, y: 0, w: 100, h: 50 };
  const { size, cols } = layTiles(box, 8, 1);
  assert.equal(size, 25); // 4 across, 2 down
  assert.equal(cols, 4);
  assert.equal(layTiles(box, 1, 1, 30).size, 30);
});

test("an animation's part rests outside its time", () => {
  assert.equal(part(0.1, 0.25, 0.75), 0);
  assert.equal(part(0.5, 0.25, 0.75), 0.5);
  assert.equal(part(0.9, 0.25, 0.75), 1);
});

test("numbers are short", () => {
  assert.deepEqual([0, 1234.5, 0.012345].map(short), ["0", "1230", "0.0123"]);
});
