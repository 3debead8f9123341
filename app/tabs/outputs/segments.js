// Instances and panoptic segments: drawings with a segment in a colour each.
import { percent } from "../../page/common.js";
import { cutOut, drawLayer, fade, makeCover, writeNames } from "./draw.js";
import { UNKNOWN, decodePictures, findPixel, nameSegments, stepPlace } from "./maps.js";
import { CLASS_DIFFERS, differ, makeMarks, showMarks } from "./marks.js";
import { SIDES, bold, keep, nameChosen, pairUp, swatch, writeIou } from "./words.js";

/** @import { Layer, MapName, Segment, Shown, TaskView } from "./types.d.ts" */

const DIFFERENCE = [CLASS_DIFFERS, { words: "only the segment differs", colour: [86, 180, 233] }];

/** @type {TaskView} */
export const SEGMENTS = {
  modes: ["compare", "difference"],
  picture: "Photo with every segment in a colour.",
  things: ["class", "Classes"],
  note:
    "Matched: segments of one class that overlap by an IoU of 0.5 or more. " +
    "PQ: the IoUs of a class's matches over matches and half of all other segments. Choose a class to see it alone.",
  hint: "Point at the picture to read the classes there.",
  keys: "Arrow keys read the classes at a place, with Shift in steps of a pixel.",

  listColumns: () => [
    ...pairUp("found by", String, false),
    { key: "matched", head: "matched", write: String },
    { key: "quality", head: "PQ", write: writeIou, hasBar: true },
  ],

  describeAgreement: ({ agreement, matched, matched_iou: iou, counts }) => [
    "Agreement with dense: ",
    bold(`panoptic quality (PQ) ${percent(agreement, 1)}`),
    ` of sparse against dense, mean of the classes. ${matched} of ${counts.dense} dense segments matched`,
    matched ? `, mean IoU ${iou.toFixed(2)}` : "",
    `; sparse has ${counts.sparse}.`,
  ],

  async decode(data, getMap) {
    const [maps, [drawing]] = await Promise.all([
      Promise.all([data.dense, data.sparse].map(getMap)),
      Promise.all(data.drawings.map(decodePictures)),
    ]);
    return {
      drawings: [drawing],
      dense: nameSegments(maps[0], data.segments.dense),
      sparse: nameSegments(maps[1], data.segments.sparse),
    };
  },

  show(shown, mode, chosen) {
    const name = nameChosen(shown.data, chosen);
    if (mode === "difference") {
      return showMarks(markSegments(shown, chosen), shown.dense, "of the pixels", name);
    }
    const [left, right] = SIDES[mode];
    const caption = [
      name === null ? "Segments: " : `Only ${name}: `,
      bold(left),
      " left of the handle, ",
      bold(right),
      " right. What both have is in the same colour.",
    ];
    return { caption, layers: [left, right].map((side) => makeSide(shown, side, chosen)) };
  },

  step: (shown, probe, direction, isFine) => stepPlace(shown.dense, probe, direction, isFine),

  read: (shown, { u, v }) =>
    /** @type {MapName[]} */ (["dense", "sparse"]).map((side) => {
      const segment = shown.data.segments[side][shown[side].numbers[findPixel(shown[side], u, v)]];
      if (!segment) return keep(`${side} `, swatch("none"), bold("no segment"));
      const { name, colour } = shown.data.classes[segment.class];
      return keep(`${side} `, swatch(colour), bold(name), describeMatch(segment));
    }),
};

/** @param {Segment} segment */
export const describeMatch = ({ match, iou }) =>
  match === null ? ", no match" : `, matched, IoU ${iou.toFixed(2)}`;

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
