import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { chooseTicks, drawChart, layOut } from "../../app/page/chart.js";
import { makeDocument } from "./document.js";

const mark = (x, y, kind, words, more = {}) => ({ x, y, kind, words, ...more });

const POINTS = {
  kind: "points",
  words: "three <points>",
  x: { title: "latency, ms", from_zero: true },
  y: { title: "agreement, %" },
  marks: [
    mark(0, 50, "dense", "a", { label: "dense" }),
    mark(100, 100, "sparse", "b", { index: 0, is_current: true }),
    mark(50, 75, "sparse", "c", { index: -1, is_doubtful: true, label: "here" }),
  ],
};

beforeEach(() => {
  globalThis.document = makeDocument();
});

function draw(spec) {
  const host = globalThis.document.createElement("div");
  drawChart(host, spec);
  assert.equal(host.children.length, 1);
  return host.children[0];
}

test("ticks are round, even, and hold all values", () => {
  assert.deepEqual(chooseTicks([0, 100, 50], true), [0, 20, 40, 60, 80, 100]);
  assert.deepEqual(chooseTicks([50, 100], false), [50, 60, 70, 80, 90, 100]);
  assert.deepEqual(chooseTicks([0.83, 0.21], true), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(chooseTicks([96.2, 100], false), [96, 97, 98, 99, 100]);
  assert.deepEqual(chooseTicks([0], true), [0, 2e-7]);
  for (const values of [[3], [0.001, 0.0013], [98.99, 99.01], [7, 123456]]) {
    for (const fromZero of [true, false]) {
      const ticks = chooseTicks(values, fromZero);
      assert.ok(ticks.length >= 2 && ticks.length <= 8, `${values}: ${ticks}`);
      assert.ok(ticks[0] <= Math.min(...values) && ticks.at(-1) >= Math.max(...values));
      if (fromZero) assert.equal(ticks[0], 0);
    }
  }
});

test("points, lines and the limit lie where the axes say", () => {
  const lines = [
    {
      kind: "found",
      points: [
        [0, 50],
        [50, 75],
      ],
    },
  ];
  const { area, xTicks, yTicks, marks, ...rest } = layOut({
    ...POINTS,
    lines,
    limit: { x: 20, label: "budget" },
  });
  assert.deepEqual([marks[0].x, marks[0].y], [area.left, area.bottom]);
  assert.deepEqual([marks[1].x, marks[1].y], [area.right, area.top]);
  const middle = [(area.left + area.right) / 2, (area.top + area.bottom) / 2];
  assert.deepEqual([marks[2].x, marks[2].y], middle);
  assert.deepEqual(rest.lines[0].points, [[area.left, area.bottom], middle]);
  assert.equal(rest.limit.x, xTicks.find(({ label }) => label === "20").x);
  assert.deepEqual(
    yTicks.map(({ label }) => label),
    ["50", "60", "70", "80", "90", "100"],
  );
  // What is only a limit must be on the chart too.
  assert.equal(layOut({ ...POINTS, limit: { x: 180, label: "" } }).xTicks.at(-1).at, 200);
});

test("an axis takes the ticks and the ends it is given", () => {
  const ticks = [{ at: 0, label: "frame 1", anchor: "start" }];
  const { xTicks, area, marks } = layOut({
    ...POINTS,
    x: { ticks, ends: [-50, 150] },
    size: [200, 90],
  });
  assert.deepEqual(xTicks[0].x, marks[0].x);
  assert.equal(marks[0].x, Math.round(10 * (area.left + (area.right - area.left) / 4)) / 10);
  assert.ok(area.bottom < 90 && area.right < 200);
});

test("a point can be pressed, is named, and shows its state", () => {
  const svg = draw(POINTS);
  assert.equal(svg.attributes.role, "group");
  assert.equal(svg.attributes["aria-label"], "three <points>");
  const [dense, current, doubtful] = svg.findClass("sv-mark");
  assert.deepEqual(
    [dense, current, doubtful].map(({ attributes }) => attributes["data-index"]),
    [undefined, "0", "-1"],
  );
  assert.equal(dense.attributes.role, "img");
  assert.equal(current.attributes.role, "button");
  assert.equal(current.attributes.tabindex, "0");
  assert.equal(current.attributes["aria-label"], "b");
  assert.equal(current.findTag("title")[0].textContent, "b");
  assert.deepEqual(
    [dense, current, doubtful].map((group) => group.findClass("sv-ring").length),
    [0, 1, 0],
  );
  assert.equal(svg.findClass("doubtful").length, 1);
  assert.equal(dense.findTag("rect").length, 1);
  const [anchor] = doubtful.findTag("text");
  assert.deepEqual([anchor.textContent, anchor.attributes["text-anchor"]], ["here", "start"]);
  assert.deepEqual(
    svg.findClass("sv-axis").map((node) => node.textContent),
    ["latency, ms", "agreement, %"],
  );
});

test("a label at the right edge stands on the left", () => {
  const marks = [mark(1, 1, "dense", "a", { label: "dense" }), mark(0, 0, "tried", "b")];
  const svg = draw({ ...POINTS, marks });
  assert.equal(svg.findClass("dense")[0].findTag("text")[0].attributes["text-anchor"], "end");
});

test("what is too many to be read out one by one is silent", () => {
  const marks = [1, 2, 3].map((x) => mark(x, x, "tried", `${x}`));
  const svg = draw({ ...POINTS, marks });
  assert.equal(svg.attributes.role, "img");
  for (const group of svg.findClass("tried")) {
    assert.equal(group.attributes["aria-hidden"], "true");
    assert.equal(group.findTag("title").length, 1);
  }
});

test("a line joins two points at least, and the limit has its label", () => {
  const lines = [
    { kind: "found", points: [[0, 50]] },
    {
      kind: "dense",
      points: [
        [0, 50],
        [9, 60],
      ],
    },
  ];
  const svg = draw({ ...POINTS, lines, limit: { x: 20, label: "<budget>" } });
  assert.deepEqual(
    svg.findTag("polyline").map(({ attributes }) => attributes.class),
    ["dense"],
  );
  assert.equal(svg.findClass("sv-limit")[0].findTag("text")[0].textContent, "<budget>");
});

test("bars fill their share of the width, between their words", () => {
  const rows = [
    {
      name: "Dense",
      value: "80 ms",
      about: "p10 70, p90 90",
      bars: [{ kind: "dense", to: 80 }],
      range: [70, 90],
    },
    { name: "Ideal", value: "20 ms", bars: [{ kind: "ideal", to: 20 }] },
  ];
  const chart = draw({ kind: "bars", words: "both", most: 90, rows });
  assert.deepEqual([chart.attributes.role, chart.attributes["aria-label"]], ["img", "both"]);
  const [dense, ideal] = chart.findClass("sv-bar-row");
  assert.equal(dense.textContent, "Dense80 msp10 70, p90 90");
  assert.equal(dense.findClass("dense")[0].attributes.width, "88.89%");
  const ends = dense
    .findClass("range")[0]
    .findTag("line")
    .map(({ attributes }) => attributes.x2);
  assert.deepEqual(ends, ["100%", "77.78%", "100%"]);
  const pattern = ideal.findTag("pattern")[0].attributes.id;
  assert.equal(ideal.findClass("ideal")[0].attributes.fill, `url(#${pattern})`);
});

test("bars of a table's cell lie one below the other, and the cell's text says it all", () => {
  const bars = [
    { kind: "dense", to: 40 },
    { kind: "sparse", to: 10 },
  ];
  const chart = draw({
    kind: "bars",
    words: "",
    most: 40,
    rows: [{ bars, at: 30, track: 40 }],
  });
  assert.equal(chart.attributes.role, undefined);
  const [svg] = chart.children;
  assert.equal(svg.attributes["aria-hidden"], "true");
  const [dense, sparse] = ["dense", "sparse"].map((name) => svg.findClass(name)[0].attributes);
  assert.deepEqual([dense.width, sparse.width], ["100%", "25%"]);
  assert.deepEqual([dense.y, sparse.y], ["0%", "55.56%"]);
  assert.equal(dense.height, "44.44%");
  assert.equal(svg.findClass("track").length, 2);
  assert.equal(svg.findClass("mark")[0].attributes.x1, "75%");
});
