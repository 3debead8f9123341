import assert from "node:assert/strict";
import { test } from "node:test";
import { addAxes } from "../../app/page/cells.js";
import { addWindows } from "../../app/tabs/windows/brush.js";
import { findMarks, lookAhead } from "../../app/tabs/windows/preview.js";
import { describeHands, describeWindow } from "../../app/tabs/windows/words.js";
import {
  describePlace,
  describeWorth,
  findDisagreements,
  listOutlined,
} from "../../app/tabs/windows/worth.js";
import { makeDocument } from "./document.js";

globalThis.document = makeDocument();

const split = (count, shift) =>
  Array.from({ length: count }, (_, index) => {
    const [from, to] = [(index + shift) / count, (index + 1 + shift) / count];
    return to <= 1
      ? [[from, to]]
      : [
          [from, 1],
          [0, to - 1],
        ];
  });

/** A block of 2 x 4 windows, the shifted ones by half of one; ranks 1, 2, ... row by row. */
const makeBlock = (stage, block, sparsity) => {
  const kept = Math.max(1, Math.floor(8 * (1 - sparsity) + 1e-9));
  const shifted = block % 2 === 0;
  return addAxes({
    ...{ stage, block, shifted, sparsity, rows: 2, cols: 4, total: 8, kept },
    ranks: [1, 2, 3, 4, 5, 6, 7, 8],
    keep: "1".repeat(kept) + "0".repeat(8 - kept),
    row_spans: split(2, shifted ? 0.5 : 0),
    col_spans: split(4, shifted ? 0.5 : 0),
  });
};
const makeBlocks = (stages) =>
  stages.flatMap((pairs, stage) =>
    pairs.flatMap((sparsity, pair) =>
      [1, 2].map((block) => makeBlock(stage + 1, 2 * pair + block, sparsity)),
    ),
  );
const makeWish = (stages, painted = [], linked = true) => ({ linked, stages, painted });
const mark = (more) => ({
  ...{ stage: 0, block: null, shifted: false, rows: 2, cols: 4, keep: [], skip: [] },
  ...more,
});
const look = (before, after) => lookAhead(makeBlocks(before.stages), before, after).blocks;
const states = (blocks) => blocks.map(({ state }) => state ?? "run").join(" ");

test("what is wished for is what ran: nothing is foreseen", () => {
  const wish = makeWish([[0.5], [0.5]]);
  assert.equal(states(look(wish, makeWish([[0.5], [0.5]]))), "run run run run");
});

test("the stage that moves is exact, those after it are a preview, those before stay", () => {
  const ran = makeWish([[0.5], [0.5, 0.5], [0.5]]);
  const blocks = look(ran, makeWish([[0.5], [0.25, 0.5], [0.5]]));
  assert.equal(states(blocks), "exact exact exact exact exact exact preview preview");
  assert.deepEqual(
    blocks.map(({ kept }) => kept),
    [4, 4, 6, 6, 4, 4, 4, 4],
  );
  assert.equal(blocks[2].keep, "11111100");
});

test("where nothing was pruned, the first block that will be is exact, since it shows its own scores", () => {
  const blocks = look(makeWish([[0, 0]]), makeWish([[0, 0.5]]));
  assert.equal(states(blocks), "exact exact exact preview");
  const later = look(makeWish([[0.5, 0.5]]), makeWish([[0, 0.5]]));
  assert.equal(states(later), "exact exact preview preview"); // ranked by another block
});

test("unlinked blocks are exact up to the first stage that moves", () => {
  const [ran, wish] = [makeWish([[0.5], [0.5]], [], false), makeWish([[0.5], [0.2]], [], false)];
  assert.equal(states(look(ran, wish)), "exact exact exact preview");
  assert.equal(states(look(makeWish([[0.5]]), makeWish([[0.5]], [], false))), "preview preview");
});

test("another network that is on its way changes nothing yet", () => {
  const ran = makeWish([[0.5]]);
  assert.equal(states(look(ran, makeWish([[0.5], [0.5]]))), "run run");
  assert.equal(states(lookAhead(makeBlocks([[0.5]]), ran, null).blocks), "run run");
});

test("painted windows stand above ranks, and above the number that is kept", () => {
  const [plain] = look(makeWish([[0.5]]), makeWish([[0.5]], [mark({ keep: [7], skip: [0] })]));
  assert.equal(plain.keep, "01110001");
  const [all] = look(makeWish([[0]]), makeWish([[0]], [mark({ skip: [3, 4] })]));
  assert.equal(all.keep, "11100111");
  const [more] = look(makeWish([[0.8]]), makeWish([[0.8]], [mark({ keep: [5, 6, 7] })]));
  assert.equal(more.keep, "00000111");
});

test("shifted windows keep what is touched and skip what is half covered", () => {
  const [plain, shifted] = makeBlocks([[0.5]]);
  const marks = (painted) => [...findMarks(shifted, [plain, shifted], [mark(painted)])].join();
  assert.equal(marks({ keep: [1] }), "1,1,0,0,1,1,0,0"); // as tests/test_ranking.py has it
  assert.equal(marks({ skip: [1, 2] }), "0,-1,0,0,0,-1,0,0");
  assert.equal(marks({ block: 0, keep: [1] }), "0,0,0,0,0,0,0,0"); // meant for the other block
});

test("of a window that the brush decides is said that a person chose so", () => {
  const wish = makeWish([[0.5]], [mark({ keep: [7], skip: [0] })]);
  const blocks = look(makeWish([[0.5]]), wish).map((block) => ({
    ...block,
    scores: Array(8).fill(1),
  }));
  const tell = (index, painted = wish.painted) =>
    describeWindow(blocks[0], index, { blocks, wish: { ...wish, painted } })
      .split(", ")
      .at(-1);
  assert.deepEqual(
    [7, 0, 1, 6].map((index) => tell(index)),
    ["kept by you", "skipped by you", "kept", "skipped"],
  );
  assert.equal(tell(7, []), "kept");
  assert.equal(tell(7, [mark({ skip: [7] })]), "kept"); // the one that a block keeps in any case
});

test("what the brush changed is told, or that it changed nothing that shows", () => {
  const shown = { wish: makeWish([[0.5]], [mark({ keep: [7] })]), blocks: makeBlocks([[0.5]]) };
  const tell = (agreement, without, change) =>
    describeHands(shown, { by_hand: { agreement, without, change } }).replaceAll("\u00a0", " ");
  assert.match(tell("95.27 %", "95.27 %", "0"), /95\.27 %, with your choice and without\.$/);
  assert.match(
    tell("40.1 dB", "41.2 dB", "−1.1 dB"),
    /without your choice 41\.2 dB \(−1\.1 dB\)\.$/,
  );
});

test("a stroke adds to what is painted and takes it from what said otherwise", () => {
  const [plain, shifted] = makeBlocks([[0.5]]);
  let painted = addWindows([], plain, [3, 1], "keep", false);
  assert.deepEqual(painted, [mark({ keep: [1, 3] })]);
  painted = addWindows(painted, plain, [3], "skip", false);
  assert.deepEqual(painted, [mark({ keep: [1], skip: [3] })]);
  painted = addWindows(painted, shifted, [0], "skip", false);
  assert.equal(painted.length, 2);
  painted = addWindows(painted, plain, [1], "skip", true); // this block alone, the latest
  assert.deepEqual(painted.at(-1), mark({ block: 0, skip: [1] }));
  painted = addWindows(painted, plain, [1, 3], "erase", false);
  assert.deepEqual(painted, [mark({ shifted: true, skip: [0] })]);
});

test("score and worth disagree where one would keep what the other skips", () => {
  const [block] = makeBlocks([[0.5]]); // keeps 0 to 3
  const worth = { ranks: [1, 5, 2, 8, 6, 3, 4, 7], shows: [0, 0, 0, 0, 0, 1, 0, 0] };
  const { missed, wasted } = findDisagreements(block, worth);
  assert.deepEqual(
    [missed, wasted].map((some) => some.map(({ window }) => window)),
    [
      [5, 6],
      [3, 1],
    ],
  );
  const value = { names: ["Road", "Car"] };
  const words = describeWorth(block, value, { ...worth, correlation: 0.25 });
  const text = words.map((part) => part.textContent ?? part).join("");
  assert.match(text, /decide alike for 5 of 10 windows \(5 by chance\)/);
  assert.match(text, /skips Car at the bottom, by worth rank 3 of 8/);
  assert.match(text, /0\.25/);
});

test("what words name is outlined first: what is worth most of all that is skipped", () => {
  const [block] = makeBlocks([[0.5]]); // keeps 0 to 3
  // Window 4 is worth most, though window 6 has the greater difference between its ranks.
  const worth = { ranks: [5, 6, 7, 8, 1, 4, 2, 3], shows: null };
  const ranked = { ...block, ranks: [1, 2, 3, 4, 5, 6, 8, 7] };
  assert.deepEqual(listOutlined(ranked, worth), [
    [4, 6, 7, 5],
    [3, 2, 1, 0],
  ]);
  const words = describeWorth(ranked, { names: [] }, { ...worth, correlation: null });
  assert.match(words.map((part) => part.textContent ?? part).join(""), /by worth rank 1 of 8/);
});

test("places have names", () => {
  const [block] = makeBlocks([[0]]);
  assert.equal(describePlace(block, 0), "at the upper left");
  assert.equal(describePlace(block, 7), "at the lower right");
  assert.equal(describePlace({ ...block, row_spans: [[[0.4, 0.6]]] }, 3), "on the right");
  assert.equal(describePlace({ ...block, row_spans: [[[0.4, 0.6]]] }, 1), "in the middle");
});
