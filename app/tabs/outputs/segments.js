// Instances and panoptic segments: drawings with a segment in a colour each.
import { percent } from "../../page/common.js";
import { cutOut, drawLayer, fade, makeCover, writeNames } from "./draw.js";
import { UNKNOWN, decodePictures, findPixel, nameSegments, stepPlace } from "./maps.js";
import { CLASS_DIFFERS, differ, makeMarks, showMarks } from "./marks.js";
import {
  SIDES,
  bold,
  keep,
  listTrueColumns,
  nameChosen,
  nameSide,
  pairUp,
  swatch,
  writeIou,
} from "./words.js";

/** @import { Accuracy, Layer, MapName, Mode, OutputsValue, Segment, Shown, Side, TaskView } from "./types.d.ts" */

const DIFFERENCE = [CLASS_DIFFERS, { words: "only the segment differs", colour: [86, 180, 233] }];

/** @type {Mode[]} */
const TRUTH_MODES = ["truth"];
/** @type {MapName[]} */
const ALL = ["dense", "sparse", "truth"];

/** @type {TaskView} */
export const SEGMENTS = {
  listModes: ({ truth }) => ["compare", "difference", ...(truth ? TRUTH_MODES : [])],
  picture: "Photo with every segment in a colour.",
  things: ["class", "Classes"],
  note:
    "Matched: segments of one class that overlap by an IoU of 0.5 or more. " +
    "PQ: the IoUs of a class's matches over matches and half of all other segments. Choose a class to see it alone.",
  keys: "Arrow keys read the classes at a place, with Shift in steps of a pixel.",

  listColumns: (data) => [
    ...pairUp(data, "found by", String, false),
    { key: "matched", head: "matched", write: String },
    { key: "quality", head: "PQ", write: writeIou, hasBar: true },
    ...(data.truth ? listTrueColumns(data) : []),
  ],

  describeAgreement(data) {
    const { agreement, matched, matched_iou: iou, counts } = data;
    const [dense, sparse] = [nameSide(data, "dense"), nameSide(data, "sparse")];
    return [
      `Agreement with ${dense}: `,
      bold(`panoptic quality (PQ) ${percent(agreement, 1)}`),
      ` of ${sparse} against ${dense}, mean of the classes. ${matched} of ${counts.dense} ${dense} segments matched`,
      matched ? `, mean IoU ${iou.toFixed(2)}` : "",
      `; ${sparse} has ${counts.sparse}.`,
    ];
  },

  describeTruth(data) {
    const { accuracy, counts } = data;
    if (!accuracy) return null;
    if (!counts.truth) return ["Truth: there is nothing to find."];
    const [dense, sparse] = [nameSide(data, "dense"), nameSide(data, "sparse")];
    return [
      "Truth: ",
      bold(
        `of ${counts.truth} things ${dense} finds ${accuracy.dense.found}, ${sparse} ${accuracy.sparse.found}`,
      ),
      ` by an IoU of 0.5 or more; mean IoU of those: ${dense} ${writeMean(accuracy.dense)}, `,
      `${sparse} ${writeMean(accuracy.sparse)}.`,
    ];
  },

  async decode(data, getMap) {
    const sides = listSides(data);
    const [maps, drawings] = await Promise.all([
      Promise.all(sides.map((side) => getMap(data[side]))),
      Promise.all(data.drawings.map(decodePictures)),
    ]);
    const named = sides.map((side, index) => [
      side,
      nameSegments(maps[index], data.segments[side]),
    ]);
    return { drawings, ...Object.fromEntries(named) };
  },

  show(shown, { mode, chosen }) {
    const name = nameChosen(shown.data, chosen);
    if (mode === "difference") {
      return showMarks(markSegments(shown, chosen), shown.dense, "of the pixels", name);
    }
    const [left, right] = SIDES[mode];
    const caption = [
      name === null ? "Segments: " : `Only ${name}: `,
      bold(nameSide(shown.data, left)),
      " left of the handle, ",
      bold(nameSide(shown.data, right)),
      left === "truth"
        ? ` right. What ${nameSide(shown.data, "dense")} finds too has its colour.`
        : " right. What both have is in the same colour.",
    ];
    return { caption, layers: [left, right].map((side) => makeSide(shown, side, chosen)) };
  },

  step: (shown, probe, direction, isFine) => stepPlace(shown.dense, probe, direction, isFine),

  read(shown, probe) {
    if (!probe) return ["Point at the picture to read the classes there."];
    return listSides(shown.data).map((side) => {
      const pixel = findPixel(shown[side], probe.u, probe.v);
      const segment = shown.data.segments[side][shown[side].numbers[pixel]];
      const words = `${nameSide(shown.data, side)} `;
      if (!segment) return keep(words, swatch("none"), bold("no segment"));
      const { name, colour } = shown.data.classes[segment.class];
      const about = side === "truth" ? describeFound(segment, shown.data) : describeMatch(segment);
      return keep(words, swatch(colour), bold(name), about);
    });
  },
};

/** @param {OutputsValue} data */
const listSides = ({ truth }) => ALL.filter((side) => truth || side !== "truth");

/** @param {Accuracy} accuracy of one side */
const writeMean = ({ miou }) => (miou === null ? "–" : writeIou(miou));

/** @param {Segment} segment of the dense or the sparse side */
export const describeMatch = ({ match, iou }) =>
  match === null ? ", no match" : `, matched, IoU ${writeIou(iou)}`;

/**
 * @param {Segment} segment a true one
 * @param {Pick<OutputsValue, "sides">} [data]
 */
export function describeFound(segment, data = {}) {
  const finders = /** @type {Side[]} */ (["dense", "sparse"])
    .filter((side) => segment[side] !== null)
    .map((side) => `${nameSide(data, side)} (IoU ${writeIou(segment[side])})`);
  return finders.length ? `, found by ${finders.join(" and ")}` : ", found by neither";
}

/**
 * @param {Shown} shown
 * @param {MapName} side
 * @param {number | null} chosen
 * @returns {Layer}
 */
function makeSide({ data, drawings, ...maps }, side, chosen) {
  const cover = chosen === null ? null : makeCover(maps[side], chosen);
  const picture = cutOut(drawings[0][side], cover);
  const names = data.names[side]
    .filter((name) => chosen === null || name.class === chosen)
    .map(({ class: index, u, v }) => ({ text: data.classes[index].name, u, v }));
  return (context, columns) => {
    if (cover) fade(context, cover, columns);
    drawLayer(context, picture, columns, 1, "source-over", true);
    writeNames(context, names, columns);
  };
}

/**
 * Where the class is the same, the segments must match.
 * @param {Shown} shown
 * @param {number | null} chosen
 */
function markSegments({ data, dense, sparse }, chosen) {
  return makeMarks(dense, DIFFERENCE, (i) => {
    const [one, other] = [dense.values[i], sparse.values[i]];
    if (one !== other) return differ(one, other, chosen) ? 0 : -1;
    if (one === UNKNOWN || (chosen !== null && one !== chosen)) return -1;
    return data.segments.dense[dense.numbers[i]].match === sparse.numbers[i] ? -1 : 1;
  });
}
