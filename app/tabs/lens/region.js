// What became of one region, block by block: a sentence, a chart, the classes read off, a table.
import { chooseTicks } from "../../page/chart.js";
import { make, percent } from "../../page/common.js";

/** @import { LensValue, Region } from "./types.d.ts" */

// In units of the drawing.
const WIDTH = 480;
const LEFT = 58;
const RIGHT = 8;
const LINE = { top: 10, bottom: 108 };
const BARS = { top: 124, bottom: 168 };
const HEIGHT = 190;
const BAR_SHARE = 0.62; // of the room of a block
const MOST_NAMES = 16; // of blocks; of more, only the first of each stage

/**
 * @param {LensValue} data
 * @param {number} index of the region
 */
export function makeRegion(data, index) {
  const region = data.regions[index];
  const told = make(
    "div",
    {},
    make("h4", {}, `Region ${index + 1}: ${region.area} of the picture`),
    make("p", {}, region.words),
    ...(region.readings.length ? [makeReadings(data, region)] : []),
    makeTable(data, region),
  );
  const drawn = make(
    "div",
    {},
    makeChart(data, region),
    make(
      "p",
      { class: "sv-note" },
      "Line: how alike sparse and dense features are inside the region after each block, as their " +
        "mean cosine; 1 where they point the same way. Bars: the share of the region whose windows " +
        "the block skipped. Dotted: from here on its features drift. Block 2.1 is the first of " +
        "stage 2.",
    ),
  );
  return [told, drawn];
}

/**
 * @param {LensValue["classes"]} classes
 * @param {number} index
 */
export function nameClass(classes, index) {
  const swatch = make("i", { class: "sv-lens-swatch", "aria-hidden": "true" });
  swatch.style.background = classes[index].colour;
  return make("span", {}, swatch, classes[index].name);
}

/**
 * @param {LensValue} data
 * @param {Region} region
 */
function makeReadings({ classes, stages }, { readings }) {
  return make(
    "p",
    { class: "sv-lens-readings" },
    "Read off most of it after each stage, dense → sparse where they differ:",
    ...readings.map(([dense, sparse], stage) =>
      make(
        "span",
        {},
        make("b", {}, stages[stage].name, " "),
        nameClass(classes, dense),
        ...(dense === sparse ? [] : [" → ", nameClass(classes, sparse)]),
      ),
    ),
  );
}

/**
 * @param {LensValue} data
 * @param {Region} region
 */
function makeChart({ blocks }, { cosine, skipped, start }) {
  const ticks = chooseTicks([...cosine, 1], false).filter((at) => at <= 1);
  const [low, high] = [ticks[0], 1];
  const room = (WIDTH - LEFT - RIGHT) / blocks.length;
  /** @param {number} index */
  const placeX = (index) => LEFT + (index + 0.5) * room;
  /** @param {number} value */
  const placeY = (value) => LINE.bottom - ((value - low) / (high - low)) * (LINE.bottom - LINE.top);
  /**
   * @param {string | number} words
   * @param {object} at
   * @param {string} [anchor]
   */
  const write = (words, at, anchor = "middle") =>
    make("text", { ...at, "text-anchor": anchor }, words);
  /** @param {number} y */
  const rule = (y) => make("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y });
  const parts = [
    ...ticks.flatMap((at) => [
      rule(placeY(at)),
      write(Number(at.toPrecision(4)), { x: LEFT - 6, y: placeY(at) + 4 }, "end"),
    ]),
    rule(BARS.bottom),
    write("cosine", { class: "sv-axis", transform: turn(LINE) }),
    write("skipped", { class: "sv-axis", transform: turn(BARS) }),
  ];
  if (start !== null) {
    const x = LEFT + start * room;
    const line = make("line", { x1: x, x2: x, y1: LINE.top, y2: BARS.bottom });
    parts.push(make("g", { class: "sv-limit" }, line));
  }
  blocks.forEach(({ name, stage }, index) => {
    const isFirst = index === 0 || blocks[index - 1].stage !== stage;
    const height = skipped[index] * (BARS.bottom - BARS.top);
    const words =
      `Block ${name}: skipped ${percent(skipped[index])} of the region, ` +
      `cosine ${cosine[index].toFixed(3)}`;
    parts.push(
      make(
        "g",
        { class: "sv-lens-block" },
        make("title", {}, words),
        make("rect", {
          class: "sv-lens-room",
          x: LEFT + index * room,
          y: LINE.top,
          width: room,
          height: BARS.bottom - LINE.top,
        }),
        make("rect", {
          class: "sv-lens-skip",
          x: placeX(index) - (BAR_SHARE * room) / 2,
          y: BARS.bottom - height,
          width: BAR_SHARE * room,
          height,
        }),
        make("circle", { cx: placeX(index), cy: placeY(cosine[index]), r: 4 }),
      ),
    );
    if (isFirst || blocks.length <= MOST_NAMES)
      parts.push(write(name, { x: placeX(index), y: BARS.bottom + 16 }));
  });
  const points = cosine.map((value, index) => `${placeX(index)},${placeY(value)}`).join(" ");
  parts.push(make("polyline", { class: "sparse", points }));
  const told =
    "Cosine and skipped share of the region after each block; the table has the numbers.";
  return make(
    "svg",
    { class: "sv-chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": told },
    ...parts,
  );
}

/** @param {{ top: number, bottom: number }} area */
const turn = ({ top, bottom }) => `translate(14 ${(top + bottom) / 2}) rotate(-90)`;

/**
 * @param {LensValue} data
 * @param {Region} region
 */
function makeTable({ blocks }, { cosine, skipped }) {
  const heads = ["Block", "Skipped here", "Cosine here"];
  return make(
    "details",
    {},
    make("summary", {}, "Numbers of every block"),
    make(
      "table",
      { class: "sv-table" },
      make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
      make(
        "tbody",
        {},
        ...blocks.map(({ name }, index) =>
          make(
            "tr",
            {},
            make("th", { scope: "row" }, name),
            make("td", {}, percent(skipped[index])),
            make("td", {}, cosine[index].toFixed(3)),
          ),
        ),
      ),
    ),
  );
}
