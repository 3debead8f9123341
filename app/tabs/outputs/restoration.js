// Restored photos: two of the pictures with a handle between, how far they are off the original,
// and all of them enlarged side by side.
import { drawLayer, makeLayer, pack } from "./draw.js";
import { decodePictures, findPixel, stepPlace } from "./maps.js";
import { bold, keep, nameSide } from "./words.js";
import { make } from "../../page/common.js";

/** @import { Layer, Look, PictureName, OutputsValue, Place, Shown, Side, State, TaskView } from "./types.d.ts" */

const WHITE = 255;

/** @param {number} gain */
const writeGain = (gain) => `${gain < 0 ? "−" : "+"}${Math.abs(gain).toFixed(2)} dB`;

/** @param {OutputsValue} data */
export const hasTruth = ({ classes }) => classes.some(({ side }) => side === "truth");

/** @type {TaskView} */
export const RESTORATION = {
  listModes: (data) => (hasTruth(data) ? ["compare", "errors"] : ["compare", "difference"]),
  picture: "Two pictures with a handle between.",
  things: ["picture", "Pictures"],
  note: "",
  keys: "Arrow keys move the loupe, with Shift by a pixel; Escape puts it back.",

  listColumns: (data) =>
    hasTruth(data)
      ? [
          { key: "psnr", head: "PSNR, dB", write: (value) => value.toFixed(2) },
          { key: "ssim", head: "SSIM", write: (value) => value.toFixed(4) },
        ]
      : [{ key: "psnr", head: "PSNR against dense, dB", write: (value) => value.toFixed(2) }],

  describeNote: (data) =>
    hasTruth(data)
      ? "Against the original, in brightness. PSNR: 3 dB more is half the squared error, and 100 dB " +
        "stands for equal. SSIM: likeness of structure, 1 is equal. Choose a picture to see it alone."
      : "Nobody knows the larger original, so there is nothing to measure against but dense. " +
        "Choose a picture to see it alone.",

  describeAgreement: (data) => [
    `Agreement with ${nameSide(data, "dense")}: `,
    bold(data.said),
    ", the PSNR between the two pictures.",
  ],

  describeTruth: (data) =>
    data.gain && [
      `Closer to the original than ${nameSide(data, "base")}: `,
      keep(`${nameSide(data, "sparse")} `, bold(writeGain(data.gain.sparse))),
      keep(`${nameSide(data, "dense")} `, bold(writeGain(data.gain.dense))),
    ],

  async decode(data, getMap) {
    const sides = /** @type {PictureName[]} */ (Object.keys(data.errors));
    const [pictures, ...maps] = await Promise.all([
      decodePictures(data.pictures),
      ...sides.map((side) => getMap(data.errors[side])),
    ]);
    return {
      pictures,
      errors: Object.fromEntries(sides.map((side, index) => [side, maps[index]])),
    };
  },

  listPair: (data) => (data.sides?.dense ? ["dense", "sparse"] : ["base", "sparse"]),

  listSides: (data, { mode, chosen }, pair) =>
    mode === "difference" || chosen !== null ? null : pair,

  show(shown, look, pair) {
    const { data } = shown;
    const sides = look.chosen === null ? pair : [findSide(data, look.chosen)];
    if (look.mode === "compare") {
      const caption =
        sides.length > 1 ? nameBoth(data, sides) : [bold(nameSide(data, sides[0])), " alone."];
      return { caption, layers: sides.map((side) => drawPicture(shown, side)) };
    }
    const caption =
      look.mode === "difference"
        ? [`How far ${nameSide(data, "sparse")} is off ${nameSide(data, "dense")}: `]
        : ["How far off the original: ", ...nameBoth(data, sides), " "];
    const shownSides = look.mode === "difference" ? [/** @type {PictureName} */ ("sparse")] : sides;
    return {
      caption: [...caption, makeRamp(data.levels)],
      layers: shownSides.map((side) => drawError(shown, side)),
    };
  },

  step(shown, probe, direction, isFine) {
    const [height, width] = shown.data.size;
    const place = probe ?? { ...findSpot(shown.data), pinned: true };
    return stepPlace({ width, height }, place, direction, isFine);
  },

  read(shown, probe) {
    const { data, errors } = shown;
    const { u, v } = probe ?? findSpot(data);
    const [height, width] = data.size;
    const place = `Loupe at ${Math.floor(u * width)}, ${Math.floor(v * height)}: off `;
    const against = hasTruth(data) ? "the original" : nameSide(data, "dense");
    return [
      `${place}${against} by `,
      ...Object.entries(errors).map(([side, map]) =>
        keep(
          `${nameSide(data, /** @type {PictureName} */ (side))} `,
          bold(String(map.values[findPixel(map, u, v)])),
        ),
      ),
      "grey levels",
    ];
  },

  listEnlarged: ({ data, pictures }) =>
    data.classes.map(({ side }) => ({ name: nameSide(data, side), image: pictures[side] })),

  findSpot,
};

/**
 * The place that the loupe begins at.
 * @param {OutputsValue} data
 * @returns {Place}
 */
function findSpot({ spot: [u, v] }) {
  return { u, v };
}

/**
 * @param {OutputsValue} data
 * @param {number} index of a class
 */
const findSide = ({ classes }, index) => classes[index].side;

/**
 * @param {OutputsValue} data
 * @param {PictureName[]} sides
 */
const nameBoth = (data, sides) =>
  sides.length > 1
    ? [
        bold(nameSide(data, sides[0])),
        " left of the handle, ",
        bold(nameSide(data, sides[1])),
        " right.",
      ]
    : [bold(nameSide(data, sides[0])), "."];

/**
 * @param {Shown} shown
 * @param {PictureName} side
 * @returns {Layer}
 */
function drawPicture({ pictures }, side) {
  return (context, columns) => drawLayer(context, pictures[side], columns, 1, "source-over", true);
}

/**
 * Grey, black where a picture is right; the original is right everywhere.
 * @param {Shown} shown
 * @param {PictureName} side
 * @returns {Layer}
 */
function drawError({ data, errors }, side) {
  const map = errors[side];
  const [height, width] = data.size;
  const layer = makeLayer({ width, height }, (i) => {
    const level = map ? Math.min(WHITE, Math.round((WHITE * map.values[i]) / data.levels)) : 0;
    return pack([level, level, level]);
  });
  return (context, columns) => drawLayer(context, layer, columns, 1, "source-over", true);
}

/** @param {number} levels where the scale ends */
function makeRamp(levels) {
  return keep(
    "0 ",
    make("i", { class: "sv-out-ramp" }),
    ` ${levels} grey levels${levels < WHITE ? " and more" : ""}`,
  );
}
