import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseReach, findNearest, layOut, widen } from "../../app/tabs/outputs/birdseye.js";
import { BOXES, findMiddle, isLit, listSteps } from "../../app/tabs/outputs/boxes.js";
import {
  describeFront,
  describeLook,
  describePartner,
  describePlace,
} from "../../app/tabs/outputs/boxwords.js";
import { findBox, measureExtent } from "../../app/tabs/outputs/wireframe.js";
import { makeDocument } from "./document.js";

globalThis.document = makeDocument();

const makeFootprint = (right, ahead, [alongRight, alongAhead]) =>
  [
    [1, 1],
    [1, -1],
    [-1, -1],
    [-1, 1],
  ].map(([along, aside]) => [
    right + along * 2 * alongRight - aside * alongAhead,
    ahead + along * 2 * alongAhead + aside * alongRight,
  ]);

// 4 m long and 2 m wide, facing away if nothing else is said.
const makeBox = (right, ahead, more = {}) => ({
  class: 0,
  score: 0.8,
  place: [right, ahead],
  size: [4, 1.5, 2],
  footprint: makeFootprint(right, ahead, more.facing ?? [0, 1]),
  matches: {},
  ...more,
});

const DATA = {
  classes: [{ name: "Car" }, { name: "Pedestrian" }],
  min_score: 0.3,
  boxes: {
    dense: [makeBox(0, 10, { matches: { sparse: 1 } }), makeBox(0, 30, { class: 1 })],
    sparse: [makeBox(2, 5), makeBox(0, 10.4, { matches: { dense: 0 } })],
    truth: null,
  },
};
const COMPARE = { mode: "compare", chosen: null };
const words = (nodes) => nodes.map((node) => node.textContent ?? node).join("");

test("what shows of a box ends with the picture", () => {
  const extent = measureExtent({ ahead: [[-0.5, 0.2, 0.3, 0.4]], behind: [[0.1, 0.9, 0.2, 1.5]] });
  assert.deepEqual(extent, { u0: 0, v0: 0.2, u1: 0.3, v1: 1 });
  assert.equal(measureExtent({ ahead: [], behind: [] }), null);
});

test("the smallest box at a place is meant", () => {
  const large = { u0: 0, v0: 0, u1: 0.5, v1: 0.5 };
  const small = { u0: 0.1, v0: 0.1, u1: 0.2, v1: 0.2 };
  assert.equal(findBox([large, null, small], { u: 0.15, v: 0.15 }), 2);
  assert.equal(findBox([large, null, small], { u: 0.4, v: 0.15 }), 0);
  assert.equal(findBox([large, null, small], { u: 0.205, v: 0.1 }), 2); // as good as in it
  assert.equal(findBox([large, null, small], { u: 0.6, v: 0.15 }), -1);
});

test("a view from above shows nine boxes out of ten, but no more than 80 m", () => {
  const boxes = Array.from({ length: 10 }, (_, index) => makeBox(0, 2 * index + 1));
  assert.equal(chooseReach(boxes), 20); // the ninth ends at 19 m
  assert.equal(chooseReach([...boxes.slice(0, 9), makeBox(0, 300)]), 20);
  assert.equal(chooseReach([makeBox(0, 300)]), 80);
  assert.equal(chooseReach([]), 40);
});

test("metres are as long to the right as ahead, and round numbers have lines", () => {
  const { plot, scale, aside, aheads, asides, find } = layOut(254, 448, 40);
  assert.deepEqual([plot.width, plot.height, scale, aside], [200, 400, 10, 10]);
  assert.deepEqual(aheads, [0, 5, 10, 15, 20, 25, 30, 35, 40]);
  assert.deepEqual(asides, [-10, -5, 0, 5, 10]);
  assert.deepEqual(find([0, 0]), [100, 400]);
  assert.deepEqual(find([-10, 40]), [0, 0]);
});

test("a small footprint is drawn larger around its middle, a large one as it is", () => {
  const box = makeBox(3, 20);
  assert.deepEqual(widen(box, 10), box.footprint);
  // At a pixel a metre 4 m by 2 m become 7 by 7.
  assert.deepEqual(widen(box, 1), [
    [-0.5, 23.5],
    [6.5, 23.5],
    [6.5, 16.5],
    [-0.5, 16.5],
  ]);
  const point = { place: [1, 2], footprint: Array(4).fill([1, 2]) };
  assert.deepEqual(widen(point, 1), Array(4).fill([1, 2]));
});

test("from above the nearest middle is meant", () => {
  const boxes = [makeBox(0, 10), makeBox(0, 14)];
  assert.equal(findNearest(boxes, [0.5, 12.5], 10), 1);
  assert.equal(findNearest(boxes, [0.5, 11.9], 10), 0);
  assert.equal(findNearest(boxes, [2.5, 10], 10), -1);
  assert.equal(findNearest(boxes, [2.5, 10], 1), 0); // 2.5 pixels beside it
});

test("a place in words", () => {
  assert.equal(describePlace([1.24, 23.4]), "23.4 m ahead, 1.2 m to the right");
  assert.equal(describePlace([-3, 7]), "7.0 m ahead, 3.0 m to the left");
  assert.equal(describePlace([0.04, -2]), "2.0 m behind, straight on");
});

test("a front faces one of eight directions", () => {
  const face = (...facing) => describeFront(makeBox(0, 9, { facing }));
  const half = Math.SQRT1_2;
  assert.equal(face(0, 1), "facing away");
  assert.equal(face(0, -1), "facing towards the camera");
  assert.equal(face(1, 0), "facing to the right");
  assert.equal(face(-half, half), "facing away and to the left");
});

test("what another side has of a box", () => {
  const box = makeBox(0, 20);
  assert.equal(describePartner(box, "sparse", undefined), "sparse does not find it");
  assert.equal(describePartner(box, "truth", undefined), "truth has none there");
  assert.equal(
    describePartner(box, "sparse", makeBox(0.02, 20.3)),
    "sparse finds it 0.3 m farther",
  );
  assert.equal(
    describePartner(box, "truth", makeBox(-1, 19)),
    "in truth it is 1.0 m nearer and 1.0 m to the left",
  );
  assert.equal(describePartner(box, "dense", box), "dense finds it in the same place");
});

test("keys go through what is shown, the nearest first, a match once", () => {
  assert.deepEqual(listSteps(DATA, COMPARE), [
    { side: "sparse", index: 0 },
    { side: "dense", index: 0 },
    { side: "dense", index: 1 },
  ]);
  assert.deepEqual(listSteps(DATA, { ...COMPARE, chosen: 1 }), [{ side: "dense", index: 1 }]);
  const extents = { dense: [null, null], sparse: [null, null] };
  const step = (box, direction) =>
    BOXES.step({ data: DATA, extents }, box && { box }, direction, false, COMPARE).box;
  const [first, second, third] = listSteps(DATA, COMPARE);
  assert.deepEqual(step(null, [0, -1]), first);
  assert.deepEqual(step(first, [0, -1]), second); // up, which is farther
  assert.deepEqual(step({ side: "sparse", index: 1 }, [1, 0]), third); // it is the second's match
  assert.deepEqual(step(third, [1, 0]), third);
  assert.deepEqual(step(second, [-1, 0]), first);
});

test("the box that is pointed at is lit with its match, or a whole kind", () => {
  const lit = (side, index, state) =>
    isLit(DATA, { side, index, box: DATA.boxes[side][index] }, { hovered: null, ...state });
  const probe = { box: { side: "sparse", index: 1 } };
  assert.deepEqual(
    [0, 1].map((index) => lit("dense", index, { probe })),
    [true, false],
  );
  assert.deepEqual(
    [0, 1].map((index) => lit("sparse", index, { probe })),
    [false, true],
  );
  assert.deepEqual(
    [0, 1].map((index) => lit("dense", index, { hovered: 1 })),
    [false, true],
  );
  assert.equal(lit("dense", 0, { probe: null }), false);
});

test("beside the handle the box of that side is meant", () => {
  const extent = { u0: 0, v0: 0, u1: 1, v1: 1 };
  const shown = { data: DATA, extents: { dense: [extent, null], sparse: [null, extent] } };
  const find = (u, look) => BOXES.find(shown, { u, v: 0.5 }, look, { split: 0.5 });
  assert.deepEqual(find(0.4, COMPARE), { side: "dense", index: 0 });
  assert.deepEqual(find(0.6, COMPARE), { side: "sparse", index: 1 });
  assert.deepEqual(find(0.6, { mode: "together", chosen: null }), { side: "dense", index: 0 });
  assert.equal(find(0.4, { ...COMPARE, chosen: 1 }), null);
  assert.deepEqual(findMiddle(shown.extents, { side: "dense", index: 1 }), { u: 0.5, v: 0.5 });
});

test("the truth has its mode, its columns and its line only where there is one", () => {
  assert.deepEqual(BOXES.listModes(DATA), ["compare", "together"]);
  assert.equal(BOXES.listColumns(DATA).length, 4);
  assert.equal(BOXES.describeTruth(DATA), null);
  const truth = [makeBox(0, 10), makeBox(5, 10)];
  const rows = [{ true: 2, true_dense: 1, true_sparse: 0 }];
  const told = { ...DATA, boxes: { ...DATA.boxes, truth }, rows };
  assert.deepEqual(BOXES.listModes(told), ["compare", "together", "truth"]);
  assert.equal(BOXES.listColumns(told).length, 7);
  assert.match(
    words(BOXES.describeTruth(told)),
    /of 2 things dense finds 1, sparse 0 .* where none is: dense 1, sparse 2\./,
  );
});

test("no boxes are said to be none", () => {
  const none = { ...DATA, boxes: { dense: [], sparse: [], truth: [makeBox(0, 10)] } };
  const describe = (data, sides, mode) => words(describeLook(data, sides, { mode, chosen: null }));
  assert.equal(
    describe(none, ["dense", "sparse"], "compare"),
    "No boxes above the threshold: neither network finds one with a score of 0.3 or more.",
  );
  assert.match(describe(none, ["truth", "sparse"], "truth"), /truth has 1\.$/);
  assert.equal(
    words(BOXES.read({ data: { ...none, boxes: { dense: [], sparse: [] } } }, null, COMPARE)),
    "",
  );
  assert.match(
    describe(DATA, ["dense", "sparse"], "compare"),
    /^Boxes: dense left of the handle, sparse right\./,
  );
  assert.match(
    words(describeLook(DATA, ["dense", "sparse"], { mode: "together", chosen: 0 })),
    /^Only Car: dense, sparse\./,
  );
});
