// Every curve and every bar of the page, as SVG, from plain data. app/page/chart.py makes it in Python.

import { make } from "./common.js";

/**
 * One point; x and y are in the units of the axes.
 *
 * @typedef {object} Mark
 * @property {number} x
 * @property {number} y
 * @property {string} kind its colour and shape, see SHAPES
 * @property {string} words what it is, for the tooltip and for screen readers
 * @property {number | null} [index] what pressing it selects; none for one that cannot be pressed
 * @property {string} [label] written beside it
 * @property {boolean} [is_current] ringed
 * @property {boolean} [is_doubtful] hollow, as its x is not worth quoting
 */
/**
 * @typedef {object} Tick
 * @property {number} at in the units of the axis
 * @property {string} label
 * @property {string} [anchor] of the label: "start", "middle" or "end"
 */
/**
 * Without ticks, round numbers hold all values; without ends, the axis ends at its ticks.
 *
 * @typedef {object} Axis
 * @property {string} [title] with the unit
 * @property {boolean} [from_zero]
 * @property {Tick[]} [ticks]
 * @property {[number, number]} [ends]
 */
/**
 * @typedef {object} Points
 * @property {"points"} kind
 * @property {string} words what the chart shows, in one sentence
 * @property {Axis} x
 * @property {Axis} y
 * @property {Mark[]} marks
 * @property {{ kind: string, points: [number, number][] }[]} [lines]
 * @property {{ x: number, label: string } | null} [limit] what x should not exceed
 * @property {[number, number]} [size] width and height in units of the drawing
 */
/**
 * Lengths are in the unit of `most`, which fills the whole width.
 *
 * @typedef {object} Row
 * @property {string} [name] before the bars
 * @property {string} [value] after them
 * @property {string} [about] small, after the value
 * @property {{ kind: string, to: number }[]} bars one below the other
 * @property {[number, number] | null} [range] drawn over the only bar
 * @property {number | null} [at] where a mark stands over the last bar
 * @property {number | null} [track] the whole that the bars are a part of
 */
/**
 * @typedef {object} Bars
 * @property {"bars"} kind
 * @property {string} [words] what they show; without it the text beside them does
 * @property {number} most
 * @property {Row[]} rows
 */

const SIZE = /** @type {[number, number]} */ ([560, 300]);
const MARGINS = { left: 70, right: 16, top: 14, bottom: 52 };
const BARE_MARGINS = { left: 62, right: 8, top: 8, bottom: 18 }; // without titles
const NUM_TICKS = 5;
const RING_RADIUS = 11;
const LABEL_GAP = 10;
const BAR_GAP = 0.25; // between two bars of a row, as a share of one

// A square or a circle, half as wide as this; a silent kind has too many to be read out one by one.
/** @type {Record<string, { square?: number, radius?: number, isSilent?: boolean }>} */
const SHAPES = {
  dense: { square: 5 },
  frame: { square: 2.5, isSilent: true },
  sparse: { radius: 5.5 },
  found: { radius: 4.5 },
  shipped: { radius: 4.5 },
  tried: { radius: 3, isSilent: true },
};

let numHatches = 0; // an id must be one of a kind

/**
 * Draws a chart into an element, in the place of what is there.
 *
 * @param {Element} element
 * @param {Points | Bars} spec
 */
export function drawChart(element, spec) {
  element.replaceChildren(spec.kind === "points" ? makePoints(spec) : makeBars(spec));
}

/** Draws every chart of a part of the page: what has its data in data-chart, as JSON. */
export function drawCharts(/** @type {Element} */ root) {
  for (const host of /** @type {NodeListOf<HTMLElement>} */ (
    root.querySelectorAll("[data-chart]")
  )) {
    drawChart(host, JSON.parse(host.dataset.chart));
  }
}

// ---- Points: what lies where ----

/**
 * Round numbers, evenly spaced, that hold all values.
 *
 * @param {number[]} values
 * @param {boolean} fromZero
 */
export function chooseTicks(values, fromZero) {
  const high = Math.max(...values);
  const low = fromZero ? 0 : Math.min(...values);
  const spread = Math.max(high - low, Math.abs(high) * 0.02, 1e-6);
  const rough = spread / NUM_TICKS;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 2.5, 5, 10].find((factor) => unit * factor >= rough);
  const first = Math.floor(low / step);
  const last = Math.max(Math.ceil(high / step), first + 1);
  return Array.from({ length: last - first + 1 }, (_, index) =>
    Number((step * (first + index)).toFixed(10)),
  );
}

/**
 * @param {Axis} axis
 * @param {number[]} values
 * @returns {{ ticks: Tick[], ends: [number, number] }}
 */
function settle(axis, values) {
  const ticks =
    axis.ticks ??
    chooseTicks(values, axis.from_zero).map((at) => ({
      at,
      label: String(Number(at.toPrecision(6))),
    }));
  return { ticks, ends: axis.ends ?? [ticks[0].at, ticks[ticks.length - 1].at] };
}

/**
 * @param {number} at
 * @param {[number, number]} ends
 */
const findShare = (at, [low, high]) => (at - low) / (high - low);

const round = (/** @type {number} */ value) => Math.round(value * 10) / 10;

/**
 * Where everything of a chart of points lies, in units of the drawing.
 *
 * @param {Points} spec
 */
export function layOut({ x, y, marks, lines = [], limit = null, size = SIZE }) {
  const [width, height] = size;
  const margins = x.title ? MARGINS : BARE_MARGINS;
  const area = {
    left: margins.left,
    right: width - margins.right,
    top: margins.top,
    bottom: height - margins.bottom,
  };
  const points = [
    ...marks.map((mark) => [mark.x, mark.y]),
    ...lines.flatMap((line) => line.points),
  ];
  const across = settle(x, [...points.map(([at]) => at), ...(limit ? [limit.x] : [])]);
  const up = settle(
    y,
    points.map(([, at]) => at),
  );
  const placeX = (/** @type {number} */ at) =>
    round(area.left + findShare(at, across.ends) * (area.right - area.left));
  const placeY = (/** @type {number} */ at) =>
    round(area.bottom - findShare(at, up.ends) * (area.bottom - area.top));
  return {
    width,
    height,
    area,
    xTicks: across.ticks.map((tick) => ({ ...tick, x: placeX(tick.at) })),
    yTicks: up.ticks.map((tick) => ({ ...tick, y: placeY(tick.at) })),
    limit: limit && { ...limit, x: placeX(limit.x) },
    lines: lines.map((line) => ({
      kind: line.kind,
      points: line.points.map(([atX, atY]) => [placeX(atX), placeY(atY)]),
    })),
    marks: marks.map((mark) => ({ ...mark, x: placeX(mark.x), y: placeY(mark.y) })),
  };
}

// ---- Points: how it looks ----

/** @param {Points} spec */
function makePoints(spec) {
  const { width, height, area, xTicks, yTicks, limit, lines, marks } = layOut(spec);
  const { left, right, top, bottom } = area;
  const write = (/** @type {string} */ words, /** @type {object} */ at, anchor = "middle") =>
    make("text", { ...at, "text-anchor": anchor }, words);
  const parts = [
    ...xTicks.flatMap(({ x, label, anchor }) => [
      make("line", { x1: x, x2: x, y1: top, y2: bottom }),
      write(label, { x, y: bottom + (spec.x.title ? 18 : 14) }, anchor),
    ]),
    ...yTicks.flatMap(({ y, label }) => [
      make("line", { x1: left, x2: right, y1: y, y2: y }),
      write(label, { x: left - 6, y: y + 4 }, "end"),
    ]),
  ];
  if (spec.x.title) {
    const at = { class: "sv-axis", x: (left + right) / 2, y: height - 6 };
    parts.push(write(spec.x.title, at));
  }
  if (spec.y.title) {
    const turned = `translate(15 ${(top + bottom) / 2}) rotate(-90)`;
    parts.push(write(spec.y.title, { class: "sv-axis", transform: turned }));
  }
  if (limit) {
    const line = make("line", { x1: limit.x, x2: limit.x, y1: top, y2: bottom });
    const label = write(limit.label, { x: limit.x - 6, y: bottom - 8 }, "end");
    parts.push(make("g", { class: "sv-limit" }, line, ...(limit.label ? [label] : [])));
  }
  for (const { kind, points } of lines) {
    if (points.length > 1) parts.push(make("polyline", { class: kind, points: points.join(" ") }));
  }
  parts.push(...marks.map((mark) => makeMark(mark, width)));
  const isRead = marks.some(({ kind }) => !SHAPES[kind].isSilent);
  return make(
    "svg",
    {
      class: "sv-chart",
      viewBox: `0 0 ${width} ${height}`,
      role: isRead ? "group" : "img",
      "aria-label": spec.words,
    },
    make("title", {}, spec.words),
    ...parts,
  );
}

/**
 * @param {Mark} mark
 * @param {number} width
 */
function makeMark(mark, width) {
  const { x, y, kind, words, index = null, label } = mark;
  const { square, radius, isSilent } = SHAPES[kind];
  /** @type {Element[]} */
  const parts = [make("title", {}, words)];
  if (mark.is_current) {
    parts.push(make("circle", { class: "sv-ring", cx: x, cy: y, r: RING_RADIUS }));
  }
  parts.push(
    square
      ? make("rect", {
          class: "sv-shape",
          x: x - square,
          y: y - square,
          width: 2 * square,
          height: 2 * square,
        })
      : make("circle", { class: "sv-shape", cx: x, cy: y, r: radius }),
  );
  if (label) {
    const isLeft = x > width * 0.75; // else it would leave the drawing
    const at = { x: isLeft ? x - LABEL_GAP : x + LABEL_GAP, y: y + 4 };
    parts.push(make("text", { ...at, "text-anchor": isLeft ? "end" : "start" }, label));
  }
  const names = `sv-mark ${kind}${mark.is_doubtful ? " doubtful" : ""}`;
  if (isSilent) return make("g", { class: names, "aria-hidden": "true" }, ...parts);
  const role =
    index === null ? { role: "img" } : { role: "button", tabindex: 0, "data-index": index };
  return make("g", { class: names, ...role, "aria-label": words }, ...parts);
}

// ---- Bars ----

/** @param {Bars} spec */
function makeBars({ words, most, rows }) {
  const role = words ? { role: "img", "aria-label": words } : {};
  return make(
    "div",
    { class: "sv-bars", ...role },
    ...rows.map((row) => makeRow(row, most, Boolean(words))),
  );
}

/**
 * @param {Row} row
 * @param {number} most
 * @param {boolean} isTold in words for the whole chart
 */
function makeRow(row, most, isTold) {
  const { name, value, about } = row;
  const bars = makeBarsOf(row, most);
  if (!isTold) bars.setAttribute("aria-hidden", "true");
  if (name === undefined) return bars;
  return make(
    "div",
    { class: "sv-bar-row" },
    make("span", {}, name),
    bars,
    make("b", {}, value),
    ...(about ? [make("small", {}, about)] : []),
  );
}

/**
 * The bars alone; percentages let them stretch while lines and corners stay as they are.
 *
 * @param {Row} row
 * @param {number} most
 */
function makeBarsOf({ bars, range = null, at = null, track = null }, most) {
  const share = (/** @type {number} */ length) => say(length / most);
  const height = 1 / (bars.length + BAR_GAP * (bars.length - 1));
  const parts = bars.flatMap(({ kind, to }, number) => {
    const place = { y: say(number * height * (1 + BAR_GAP)), height: say(height), rx: 3 };
    const draw = (/** @type {string} */ name, /** @type {number} */ length) =>
      make("rect", { class: name, ...place, width: share(length) });
    const bar = draw(kind, to);
    return [
      ...(track === null ? [] : [draw("track", track)]),
      ...(kind === "ideal" ? hatch(bar) : [bar]),
    ];
  });
  if (range) {
    const [low, high] = range.map(share);
    const ends = [low, high].map((x) => make("line", { x1: x, x2: x, y1: "30%", y2: "70%" }));
    const middle = make("line", { x1: low, x2: high, y1: "50%", y2: "50%" });
    parts.push(make("g", { class: "range" }, middle, ...ends));
  }
  if (at !== null) {
    const over = height * BAR_GAP; // on both sides of the bar
    const [y1, y2] = [say(1 - height - over), say(1 + over)];
    parts.push(make("line", { class: "mark", x1: share(at), x2: share(at), y1, y2 }));
  }
  return make("svg", { class: "sv-bar" }, ...parts);
}

const say = (/** @type {number} */ share) => `${Number((100 * share).toFixed(2))}%`;

// A bar with stripes, and the pattern they come from.
function hatch(/** @type {Element} */ bar) {
  const id = `sv-hatch-${(numHatches += 1)}`;
  bar.setAttribute("fill", `url(#${id})`);
  const looks = { id, width: 8, height: 8, patternTransform: "rotate(-45)" };
  const stripe = make("rect", { width: 5, height: 8 });
  return [make("pattern", { ...looks, patternUnits: "userSpaceOnUse" }, stripe), bar];
}
