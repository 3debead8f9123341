// Classes of pixels, in the colours of the classes over the photo.
import { percent } from "../../page/common.js";
import { drawLayer, fade, makeClassLayer, makeCover } from "./draw.js";
import { UNKNOWN, findPixel, scaleMap, stepPlace } from "./maps.js";
import { CLASS_DIFFERS, differ, makeMarks, showMarks } from "./marks.js";
import { SIDES, bold, keep, nameChosen, pairUp, share, swatch, writeIou } from "./words.js";

/** @import { ClassMap, Layer, MapName, Mode, Shown, TaskView } from "./types.d.ts" */

const ERRORS = [
  { words: "only dense wrong", colour: [240, 160, 0] },
  { words: "only sparse wrong", colour: [86, 180, 233] },
  { words: "both wrong", colour: [204, 121, 167] },
];

/** @type {Mode[]} */
const TRUTH_MODES = ["truth", "errors"];

/** @type {TaskView} */
export const SEMANTIC = {
  listModes: ({ truth }) => ["compare", "difference", ...(truth ? TRUTH_MODES : [])],
  picture: "Photo coloured by class.",
  things: ["class", "Classes"],
  note: "IoU: pixels that both give the class, over those that either gives it. Choose a class to see it alone.",
  keys: "Arrow keys read the classes at a place, with Shift in steps of a pixel.",
  hasOpacity: true,

  listColumns: ({ truth }) => [
    ...pairUp("share of picture", share, false),
    { key: "iou", head: "IoU, sparse with dense", write: writeIou, hasBar: true },
    ...(truth ? pairUp("IoU with truth", writeIou, true, ["true_dense", "true_sparse"]) : []),
  ],

  describeAgreement: ({ agreement, mean_iou: meanIou }) => [
    "Agreement with dense: ",
    bold(`${percent(agreement, 1)} of the pixels`),
    `, mean IoU ${meanIou.toFixed(2)}. What pruning changed, be it right or wrong.`,
  ],

  describeTruth: ({ accuracy }) =>
    accuracy && [
      "Truth: ",
      bold(
        `mean IoU dense ${accuracy.dense.miou.toFixed(2)}, sparse ${accuracy.sparse.miou.toFixed(2)}`,
      ),
      ", pixels right: ",
      keep(`dense ${percent(accuracy.dense.pixel_accuracy, 1)}`),
      ", ",
      keep(`sparse ${percent(accuracy.sparse.pixel_accuracy, 1)}`),
      ". ",
      "How right each is, by this picture's labels.",
    ],

  async decode({ dense, sparse, truth }, getMap) {
    const maps = await Promise.all([dense, sparse, truth].map(getMap));
    return { dense: maps[0], sparse: maps[1], truth: maps[2] };
  },

  show(shown, { mode, chosen }) {
    const name = nameChosen(shown.data, chosen);
    if (mode === "difference") {
      const marks = markDifference(shown.dense, shown.sparse, chosen);
      return showMarks(marks, shown.dense, "of the pixels", name);
    }
    if (mode === "errors") {
      const marks = markErrors(shown.dense, shown.sparse, shown.truth, chosen);
      return showMarks(marks, shown.dense, "of the labelled pixels", name);
    }
    const [left, right] = SIDES[mode];
    const caption = [
      name === null ? "Class colours: " : `Only ${name}: `,
      bold(left),
      " left of the handle, ",
      bold(right),
      left === "truth" ? " right; no colour: unknown." : " right.",
    ];
    return { caption, layers: [left, right].map((side) => makeSide(shown, side, chosen)) };
  },

  step: (shown, probe, direction, isFine) => stepPlace(shown.dense, probe, direction, isFine),

  read(shown, probe) {
    if (!probe) return ["Point at the picture to read the classes there."];
    return /** @type {MapName[]} */ (["dense", "sparse", "truth"])
      .filter((side) => shown[side])
      .map((side) => {
        const pixel = findPixel(shown[side], probe.u, probe.v);
        const known = shown.data.classes[shown[side].values[pixel]];
        return keep(`${side} `, swatch(known?.colour ?? "none"), bold(known?.name ?? "unknown"));
      });
  },
};

/**
 * @param {Shown} shown
 * @param {MapName} side
 * @param {number | null} chosen
 * @returns {Layer}
 */
function makeSide(shown, side, chosen) {
  const cover = chosen === null ? null : makeCover(shown[side], chosen);
  const colours = makeClassLayer(shown[side], shown.data.classes, chosen);
  return (context, columns, { opacity }) => {
    if (cover) fade(context, cover, columns);
    drawLayer(context, colours, columns, opacity);
  };
}

/**
 * @param {ClassMap} dense
 * @param {ClassMap} sparse
 * @param {number | null} chosen
 */
function markDifference(dense, sparse, chosen) {
  return makeMarks(dense, [CLASS_DIFFERS], (i) =>
    differ(dense.values[i], sparse.values[i], chosen) ? 0 : -1,
  );
}

/**
 * Compared at the resolution of the truth, as the accuracy is.
 * @param {ClassMap} dense
 * @param {ClassMap} sparse
 * @param {ClassMap} truth
 * @param {number | null} chosen
 */
function markErrors(dense, sparse, truth, chosen) {
  const [first, second] = [scaleMap(dense, truth), scaleMap(sparse, truth)];
  return makeMarks(truth, ERRORS, (i) => {
    const right = truth.values[i];
    return right === UNKNOWN
      ? null
      : Number(differ(first[i], right, chosen)) + 2 * Number(differ(second[i], right, chosen)) - 1;
  });
}
