// The words and numbers of the tab "Outputs".
import { drawChart } from "../../page/chart.js";
import { make, percent } from "../../page/common.js";
import { markDifference, markSegments } from "./draw.js";

/** @import { Accuracy, Column, OutputsValue, Row, Segment, Side, TaskView } from "./types.d.ts" */

/** @type {Side[]} */
const SIDES = ["dense", "sparse"];

/** @param {number} value */
export const share = (value) => (value > 0 && value < 0.0005 ? "< 0.1 %" : percent(value, 1));
/** @param {string} text */
export const bold = (text) => make("b", {}, text);
/** @param {...(Node | string)} parts */
export const keep = (...parts) => make("span", { class: "sv-out-keep" }, ...parts); // on one line
/** @param {string} colour */
export const swatch = (colour) =>
  make("i", { class: "sv-out-swatch", style: `background: ${colour}` });

/** @param {number} value */
const writeIou = (value) => value.toFixed(2);
/**
 * @param {string} group
 * @param {(value: number) => string} write
 * @param {boolean} hasBar
 * @param {(keyof Row)[]} [keys]
 */
const pairUp = (group, write, hasBar, keys = ["dense", "sparse"]) =>
  keys.map((key, side) => ({ key, group, write, hasBar, head: ["dense", "sparse"][side] }));

/** @type {TaskView} */
const SEGMENTS = {
  modes: ["compare", "difference"],
  picture: "Photo with every segment in a colour.",
  things: ["class", "Classes"],
  nothing: "no segment",
  note:
    "Matched: segments of one class that overlap by an IoU of 0.5 or more. " +
    "PQ: the IoUs of a class's matches over matches and half of all other segments. Choose a class to see it alone.",
  listColumns: () => [
    ...pairUp("found by", String, false),
    { key: "matched", head: "matched", write: String },
    { key: "quality", head: "PQ", write: writeIou, hasBar: true },
  ],
  describe: ([left, right], name) => [
    name === null ? "Segments: " : `Only ${name}: `,
    bold(left),
    " left of the handle, ",
    bold(right),
    " right. What both have is in the same colour.",
  ],
  describeAgreement: ({ agreement, matched, matched_iou: iou, counts }) => [
    "Agreement with dense: ",
    bold(`panoptic quality (PQ) ${percent(agreement, 1)}`),
    ` of sparse against dense, mean of the classes. ${matched} of ${counts.dense} dense segments matched`,
    matched ? `, mean IoU ${iou.toFixed(2)}` : "",
    `; sparse has ${counts.sparse}.`,
  ],
  markDifference: ({ data, dense, sparse }, chosen) =>
    markSegments(dense, sparse, data.segments.dense, chosen),
};

// What the view says of each task; `data` is the JSON of app/tabs/outputs/view.py. A column of the
// table is { key, head, group, write, hasBar }: of the row's value, words above it, words above it
// and its neighbour, value to text, and whether a bar shows it too.
/** @type {Record<string, TaskView>} */
export const VIEWS = {
  semantic: {
    modes: ["compare", "difference", "truth", "errors"],
    picture: "Photo coloured by class.",
    things: ["class", "Classes"],
    nothing: "unknown",
    note: "IoU: pixels that both give the class, over those that either gives it. Choose a class to see it alone.",
    listColumns: ({ truth }) => [
      ...pairUp("share of picture", share, false),
      { key: "iou", head: "IoU, sparse with dense", write: writeIou, hasBar: true },
      ...(truth ? pairUp("IoU with truth", writeIou, true, ["true_dense", "true_sparse"]) : []),
    ],
    describe: ([left, right], name) => [
      name === null ? "Class colours: " : `Only ${name}: `,
      bold(left),
      " left of the handle, ",
      bold(right),
      left === "truth" ? " right; no colour: unknown." : " right.",
    ],
    describeAgreement: ({ agreement, mean_iou: meanIou }) => [
      "Agreement with dense: ",
      bold(`${percent(agreement, 1)} of the pixels`),
      `, mean IoU ${meanIou.toFixed(2)}. What pruning changed, be it right or wrong.`,
    ],
    markDifference: ({ dense, sparse }, chosen) => markDifference(dense, sparse, chosen),
  },
  instance: SEGMENTS,
  panoptic: SEGMENTS,
  features: {
    modes: ["compare"],
    picture: "Photo coloured by its features.",
    things: ["stage", "Stages"],
    tags: { dense: "dense: strength", sparse: "sparse: cosine" },
    note: "Cosine: 1 where the features of sparse and dense point the same way. Choose a stage to see it alone.",
    listColumns: () => [
      { key: "grid", head: "places", write: ([rows, cols]) => `${rows} × ${cols}` },
      { key: "channels", head: "channels", write: String },
      { key: "cosine", head: "mean cosine", write: (value) => value.toFixed(3), hasBar: true },
    ],
    describe: (_, name) => [
      name === null ? "All stages: " : `${name} alone: `,
      bold("strength"),
      " of the dense features left of the handle, dark blue weak, yellow strong; ",
      bold("cosine"),
      " of sparse with dense right, dark blue 0, yellow 1.",
    ],
    describeAgreement: ({ agreement }) => [
      "Agreement with dense: ",
      bold(percent(agreement, 1)),
      ", the cosine of the features, mean of the stages.",
    ],
  },
};

/** @param {Record<Side, Accuracy>} options */
export function describeAccuracy({ dense, sparse }) {
  return [
    "Truth: ",
    bold(`mean IoU dense ${dense.miou.toFixed(2)}, sparse ${sparse.miou.toFixed(2)}`),
    ", pixels right: ",
    keep(`dense ${percent(dense.pixel_accuracy, 1)}`),
    ", ",
    keep(`sparse ${percent(sparse.pixel_accuracy, 1)}`),
    ". ",
    "How right each is, by this picture's labels.",
  ];
}

/** @param {Segment} segment */
export const describeMatch = ({ match, iou }) =>
  match === null ? ", no match" : `, matched, IoU ${iou.toFixed(2)}`;

/**
 * Head of a table: what its rows are, then the columns, neighbours of one group under common words.
 * @param {string} thing
 * @param {Column[]} columns
 */
export function makeTableHead(thing, columns) {
  const isGrouped = columns.some(({ group }) => group);
  /**
   * @param {string} text
   * @param {Record<string, string | number>} [attributes]
   */
  const head = (text, attributes = {}) => make("th", { scope: "col", ...attributes }, text);
  const tall = isGrouped ? { rowspan: 2 } : {};
  const first = columns.flatMap(({ head: words, group }, index) => {
    if (!group) return [head(words, tall)];
    return columns[index - 1]?.group === group
      ? []
      : [head(group, { scope: "colgroup", colspan: 2 })];
  });
  const second = columns.filter(({ group }) => group).map(({ head: words }) => head(words));
  return make(
    "thead",
    {},
    make("tr", {}, head(thing, tall), ...first),
    ...(isGrouped ? [make("tr", {}, ...second)] : []),
  );
}

/**
 * The likeliest classes of a classifier into a list: for each, a bar of both networks.
 * @param {HTMLElement} list
 * @param {OutputsValue} value
 */
export function fillTop(list, { rows, agreement, same_top: sameTop }) {
  /** @param {Side} key */
  const first = (key) => bold(rows.reduce((best, row) => (row[key] > best[key] ? row : best)).name);
  /** @param {Row} row */
  const makePair = (row) => {
    const host = make("div");
    drawChart(host, {
      kind: "bars",
      most: 1,
      rows: SIDES.map((kind) => ({
        name: kind,
        value: share(row[kind]),
        bars: [{ kind, to: row[kind] }],
        track: 1,
      })),
    });
    return host;
  };
  const verdict = sameTop
    ? ["Both say ", first("dense"), ": the likeliest class is the same. "]
    : [
        "Dense says ",
        first("dense"),
        ", sparse says ",
        first("sparse"),
        ": the likeliest class changed. ",
      ];
  list.replaceChildren(
    make(
      "p",
      {},
      ...verdict,
      `Agreement with dense: ${percent(agreement, 1)}, the probability that both share.`,
    ),
    make("h4", {}, "Probability of the five likeliest classes of each network"),
    make("ul", {}, ...rows.map((row) => make("li", {}, make("span", {}, row.name), makePair(row)))),
  );
}
