import assert from "node:assert/strict";
import { test } from "node:test";
import { VIRIDIS, pickChannels, pickViridis } from "../../app/page/colours.js";

test("the ends of the palette are matplotlib's", () => {
  assert.deepEqual(pickChannels(0), [68, 1, 84]);
  assert.deepEqual(pickChannels(1), [253, 231, 37]);
  assert.equal(pickViridis(0), "rgb(68 1 84)");
});

test("levels outside 0 to 1 take the nearest end", () => {
  assert.equal(pickViridis(-3), pickViridis(0));
  assert.equal(pickViridis(7), pickViridis(1));
});

test("between two colours lies their mean", () => {
  const middle = pickChannels(0.5 / (VIRIDIS.length - 1)); // of #440154 and #48186a
  assert.deepEqual(middle, [70, 13, 95]);
});

test("a higher level is brighter", () => {
  const lights = Array.from({ length: 101 }, (_, i) => {
    const [red, green, blue] = pickChannels(i / 100);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  });
  assert.deepEqual(
    lights,
    lights.toSorted((first, second) => first - second),
  );
});
