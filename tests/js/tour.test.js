import assert from "node:assert/strict";
import { test } from "node:test";
import { isPresented, isUsed, markAddress, readKey } from "../../app/page/present.js";
import { STOPS, moveStop, readFacts } from "../../app/page/stops.js";
import { hasSeen, noteSeen, placeCard } from "../../app/page/tour.js";

const PAGE = {
  "#sv-fed .sv-note":
    "Photo 1024 × 2048 → network 512 × 1024 = 128 × 256 tokens = 500 windows of 8 × 8",
  "#sv-kept": "588 of 1488 computed (40 %)",
  "#sv-macs": "5.99 of 13.28 GMACs (45 %)",
  "#sv-panel .sv-master [aria-valuetext]": "60 % in every layer",
  "#sv-agreement strong": "95.5 %",
  "#sv-agreement span": "agreement: pixels with the class of the dense output",
  "#sv-speedup strong": "1.62×",
};

/** All that the tour says of a page with these texts. */
function sayAll(page) {
  const facts = readFacts((selector) => page[selector] ?? "");
  return STOPS.map((stop) => stop.say(facts));
}

test("six stops go from the photo to the speed-up, and each says two sentences with its number", () => {
  const said = sayAll(PAGE);
  const numbers = ["1024 × 2048", "500 windows of 8 × 8", "60 %", "588 of 1488", "95.5 %", "1.62×"];
  assert.equal(said.length, 6);
  said.forEach((sentences, index) => {
    assert.equal(sentences.length, 2);
    assert.ok(sentences.join(" ").includes(numbers[index]), sentences.join(" "));
  });
  assert.deepEqual(
    STOPS.map(({ tab }) => tab ?? ""),
    ["", "", "", "windows", "outputs", ""],
  );
});

test("an agreement in decibel is said too", () => {
  const said = sayAll({ ...PAGE, "#sv-agreement strong": "52.31 dB" }).flat();
  assert.ok(said.join(" ").includes("52.31 dB"));
});

test("a page that knows nothing yet, or whose machine is busy, is given no number", () => {
  for (const speed of ["", "starting…", "≈ 1.6×", "measuring…", "machine busy", "–"]) {
    const said = sayAll({ "#sv-speedup strong": speed, "#sv-agreement strong": "–" }).flat();
    assert.ok(
      said.every((words) => !/undefined|\d/.test(words)),
      said.join(" "),
    );
  }
  assert.match(sayAll({ "#sv-speedup strong": "machine busy" })[5][0], /busy/);
});

test("back stops at the first stop and next ends after the last", () => {
  assert.equal(moveStop(0, -1), 0);
  assert.equal(moveStop(0, 1), 1);
  assert.equal(moveStop(STOPS.length - 1, 1), null);
});

test("the tour is remembered, and nobody is asked where nothing can be", () => {
  const kept = new Map();
  const store = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
  };
  assert.equal(
    hasSeen(() => store),
    false,
  );
  noteSeen(() => store);
  assert.equal(
    hasSeen(() => store),
    true,
  );
  const refuse = () => {
    throw new Error("SecurityError");
  };
  assert.equal(hasSeen(refuse), true);
  noteSeen(refuse);
});

test("the card lies in the window and not over what it is about", () => {
  const view = { width: 1280, height: 800 };
  const card = { width: 340, height: 190 };
  const anchors = [
    { x: 20, y: 66, width: 376, height: 172 },
    { x: 412, y: 66, width: 848, height: 92 },
    { x: 412, y: 290, width: 848, height: 394 },
    { x: 0, y: 300, width: 1280, height: 100 },
    { x: 0, y: 600, width: 1280, height: 100 },
    { x: 412, y: -500, width: 848, height: 394 },
  ];
  for (const anchor of anchors) {
    const { x, y } = placeCard(anchor, card, view);
    assert.ok(x >= 0 && y >= 0 && x + card.width <= view.width && y + card.height <= view.height);
    const apart =
      x >= anchor.x + anchor.width ||
      x + card.width <= anchor.x ||
      y >= anchor.y + anchor.height ||
      y + card.height <= anchor.y;
    assert.ok(apart, JSON.stringify(anchor));
  }
  assert.deepEqual(placeCard(anchors[0], card, { width: 390, height: 844 }), { x: 25, y: 646 });
});

test("clickers and arrows move a presentation, except where they are used for something", () => {
  const press = (key, rest = {}, isField = false) => readKey({ key, ...rest }, isField);
  assert.equal(press("ArrowRight"), "next");
  assert.equal(press("PageDown"), "next");
  assert.equal(press("ArrowLeft"), "previous");
  assert.equal(press("PageUp"), "previous");
  assert.equal(press("Escape"), "leave");
  assert.equal(press("a"), null);
  assert.equal(press("ArrowRight", {}, true), null);
  for (const held of ["defaultPrevented", "ctrlKey", "metaKey", "altKey"])
    assert.equal(press("ArrowRight", { [held]: true }), null);
});

test("a clicker moves on from a slider, arrows move the slider", () => {
  const makeTarget = (isRange, isField) => ({ matches: () => isRange, closest: () => isField });
  assert.ok(isUsed("ArrowRight", makeTarget(true, true)));
  assert.ok(!isUsed("PageDown", makeTarget(true, true)));
  assert.ok(isUsed("PageDown", makeTarget(false, true)));
  assert.ok(!isUsed("ArrowRight", makeTarget(false, false)));
});

test("the address says that the page is presented and keeps all else", () => {
  const on = markAddress("http://x/demo?sparsity=0.6&photo=a", true);
  assert.equal(on, "http://x/demo?sparsity=0.6&photo=a&present=1");
  assert.ok(isPresented(on.slice(on.indexOf("?"))));
  assert.equal(markAddress(on, false), "http://x/demo?sparsity=0.6&photo=a");
  assert.ok(!isPresented("?photo=a"));
});
