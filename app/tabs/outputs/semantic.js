// Classes of pixels, in the colours of the classes over the photo.
import { percent } from "../../page/common.js";
import { drawLayer, fade, makeClassLayer, makeCover } from "./draw.js";
import { UNKNOWN, findPixel, scaleMap, stepPlace } from "./maps.js";
import { CLASS_DIFFERS, differ, makeMarks, showMarks } from "./marks.js";
import {
  SIDES,
  bold,
  keep,
  nameChosen,
  nameSide,
  pairUp,
  share,
  swatch,
  writeIou,
} from "./words.js";

/** @import { ClassMap, Layer, MapName, Mode, Shown, TaskView } from "./types.d.ts" */

const COLOURS = [
  [240, 160, 0],
  [86, 180, 233],
  [204, 121, 167],
];

/** @type {Mode[]} */
const TRUTH_MODES = ["truth", "errors"];
/** @type {Mode[]} */
const OWN_MODES = ["own"];

/** @type {TaskView} */
export const SEMANTIC = {
  listModes: ({ truth, own }) => [
    "compare",
    "difference",
    ...(truth ? TRUTH_MODES : []),
    ...(own ? OWN_MODES : []),
  ],
  picture: "Photo coloured by class.",
  things: ["class", "Classes"],
  note: "IoU: pixels that both give the class, over those that either gives it. Choose a class to see it alone.",
  keys: "Arrow keys read the classes at a place, with Shift in steps of a pixel.",
  hasOpacity: true,

  listColumns: (data) => [
    ...pairUp(data, "share of picture", share, false),
    {
      key: "iou",
      head: `IoU, ${nameSide(data, "sparse")} with ${nameSide(data, "dense")}`,
      write: writeIou,
      hasBar: true,
    },
    ...(data.truth
      ? pairUp(data, "IoU with truth", writeIou, true, ["true_dense", "true_sparse"])
      : []),
  ],

  describeAgreement: (data) => [
    `Agreement with ${nameSide(data, "dense")}: `,
    bold(`${percent(data.agreement, 1)} of the pixels`),
    `, mean IoU ${data.mean_iou.toFixed(2)}. `,
    data.sides
      ? "Where they differ, either may be right."
      : "What pruning changed, be it right or wrong.",
  ],

  describeTruth(data) {
    const { accuracy } = data;
    if (!accuracy) return null;
    const [dense, sparse] = [nameSide(data, "dense"), nameSide(data, "sparse")];
    return [
      "Truth: ",
      bold(
        `mean IoU ${dense} ${accuracy.dense.miou.toFixed(2)}, ${sparse} ${accuracy.sparse.miou.toFixed(2)}`,
      ),
      ", pixels right: ",
      keep(`${dense} ${percent(accuracy.dense.pixel_accuracy, 1)}`),
      ", ",
      keep(`${sparse} ${percent(accuracy.sparse.pixel_accuracy, 1)}`),
      ". ",
      "How right each is, by this picture's labels.",
    ];
  },

  async decode({ dense, sparse, truth, own }, getMap) {
    const uris = [dense, sparse, truth, own?.dense, own?.sparse];
    const maps = await Promise.all(uris.map(getMap));
    return {
      dense: maps[0],
      sparse: maps[1],
      truth: maps[2],
      own: own && { dense: maps[3], sparse: maps[4] },
    };
  },

  show(shown, { mode, chosen }) {
    const name = nameChosen(shown.data, chosen);
    if (mode === "difference") {
      const marks = markDifference(shown.dense, shown.sparse, chosen);
      return showMarks(marks, shown.dense, "of the pixels", name);
    }
    if (mode === "errors") {
      const marks = markErrors(shown, chosen);
      return showMarks(marks, shown.dense, "of the labelled pixels", name);
    }
    if (mode === "own") {
      const marks = markChanges(shown, chosen);
      return showMarks(marks, shown.dense, "of the pixels, each held against its own dense", name);
    }
    const [left, right] = SIDES[mode];
    const caption = [
      name === null ? "Class colours: " : `Only ${name}: `,
      bold(nameSide(shown.data, left)),
      " left of the handle, ",
      bold(nameSide(shown.data, right)),
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
        const words = `${nameSide(shown.data, side)} `;
        return keep(words, swatch(known?.colour ?? "none"), bold(known?.name ?? "unknown"));
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
 * Kinds of marks for what only dense, only sparse, and both are.
 * @param {Shown} shown
 * @param {string} words
 */
const listKinds = ({ data }, words) =>
  [`only ${nameSide(data, "dense")}`, `only ${nameSide(data, "sparse")}`, "both"].map(
    (side, kind) => ({ words: `${side} ${words}`, colour: COLOURS[kind] }),
  );

/**
 * Compared at the resolution of the truth, as the accuracy is.
 * @param {Shown} shown
 * @param {number | null} chosen
 */
function markErrors(shown, chosen) {
  const { truth } = shown;
  const [first, second] = [scaleMap(shown.dense, truth), scaleMap(shown.sparse, truth)];
  return makeMarks(truth, listKinds(shown, "wrong"), (i) => {
    const right = truth.values[i];
    return right === UNKNOWN
      ? null
      : Number(differ(first[i], right, chosen)) + 2 * Number(differ(second[i], right, chosen)) - 1;
  });
}

/**
 * What pruning changed on either side.
 * @param {Shown} shown
 * @param {number | null} chosen
 */
function markChanges(shown, chosen) {
  const { dense, sparse, own } = shown;
  return makeMarks(
    dense,
    listKinds(shown, "differs"),
    (i) =>
      Number(differ(dense.values[i], own.dense.values[i], chosen)) +
      2 * Number(differ(sparse.values[i], own.sparse.values[i], chosen)) -
      1,
  );
}
