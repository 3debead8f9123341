import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_ZOOM, makeZoom } from "../../app/tabs/windows/zoom.js";

/** A zoom on a stage of 400 x 200 CSS pixels with a picture twice as wide as high; its levels. */
function start() {
  const stage = { clientWidth: 400, clientHeight: 200, style: {}, addEventListener() {} };
  const levels = [];
  const onZoom = (level) => levels.push(level);
  const zoom = makeZoom(stage, { onZoom, isPainting: () => false });
  zoom.reset({ width: 2, height: 1 });
  return { zoom, levels };
}

test("at first the whole picture fits", () => {
  const { zoom, levels } = start();
  assert.deepEqual(zoom.getArea(), { x: 0, y: 0, width: 400, height: 200 });
  assert.deepEqual(levels, [1]);
});

test("a picture of another shape stands in the middle", () => {
  const { zoom } = start();
  zoom.reset({ width: 1, height: 1 });
  assert.deepEqual(zoom.getArea(), { x: 100, y: 0, width: 200, height: 200 });
});

test("what is at the point stays there", () => {
  const { zoom } = start();
  zoom.zoomTo(4, { x: 100, y: 50 });
  const { x, y, width, height } = zoom.getArea();
  assert.deepEqual([width, height], [1600, 800]);
  assert.deepEqual([(100 - x) / width, (50 - y) / height], [0.25, 0.25]);
});

test("no gap opens at the border", () => {
  const { zoom } = start();
  zoom.zoomTo(2, { x: 200, y: 100 }, { x: 0, y: 0 }); // the corner into the middle
  assert.deepEqual(zoom.getArea(), { x: 0, y: 0, width: 800, height: 400 });
});

test("the level stays between one and the most", () => {
  const { zoom, levels } = start();
  zoom.scale(1000);
  zoom.scale(0.0001);
  assert.deepEqual(levels, [1, MAX_ZOOM, 1]);
});

test("a place outside comes into view, one inside moves nothing", () => {
  const { zoom, levels } = start();
  zoom.zoomTo(4, { x: 0, y: 0 });
  zoom.reveal({ x: 0.1, y: 0.1 });
  assert.equal(levels.length, 2);
  zoom.reveal({ x: 0.9, y: 0.9 });
  const { x, width } = zoom.getArea();
  assert.ok(x + 0.9 * width >= 0 && x + 0.9 * width <= 400);
});
