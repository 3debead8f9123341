// Class maps and drawings as layers over the photo. A map is { uri, width, height, numbers, values
// }, values a Uint8Array of class indices, row by row; numbers are those of segments where a map
// has segments. `chosen` is the index of the one class to see alone, or null.
import { make } from "../../page/common.js";
import { DIFFERENCE_COLOUR } from "../../page/looks.js";

/** @import { ClassMap, Kind, Marks, Name, OutputsValue, Segment, Side } from "./types.d.ts" */

const FADED = [22, 22, 22]; // a grey that what is not meant sinks into, so that the rest stands out
const FADING = 0.6;
export const UNKNOWN = 255; // in a map: nobody knows, or nothing is there
const DIFFERENCE = [{ words: "the class differs", colour: DIFFERENCE_COLOUR }];
const SEGMENT_DIFFERENCE = [
  ...DIFFERENCE,
  { words: "only the segment differs", colour: [86, 180, 233] },
];
const ERRORS = [
  { words: "only dense wrong", colour: [240, 160, 0] },
  { words: "only sparse wrong", colour: [86, 180, 233] },
  { words: "both wrong", colour: [204, 121, 167] },
];

/** @param {string} uri */
async function decodePicture(uri) {
  const image = new Image();
  image.src = uri;
  await image.decode();
  return image;
}

/**
 * The drawings of both sides, { dense, sparse }.
 * @param {Record<Side, string>} uris
 */
export async function decodePair(uris) {
  const [dense, sparse] = await Promise.all([uris.dense, uris.sparse].map(decodePicture));
  return { dense, sparse };
}

/**
 * A grey PNG as a map.
 * @param {string} uri
 */
export async function decodeMap(uri) {
  const image = await decodePicture(uri);
  const { width, height } = image;
  const context = make("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, width, height).data;
  const numbers = new Uint8Array(width * height);
  for (let i = 0; i < numbers.length; i++) numbers[i] = pixels[4 * i];
  return { uri, width, height, numbers, values: numbers };
}

/**
 * A map of segments with the classes of these, [{ class, match, iou }], as its values.
 * @param {ClassMap} map
 * @param {Segment[]} segments
 */
export function nameSegments(map, segments) {
  return { ...map, values: map.numbers.map((number) => segments[number]?.class ?? UNKNOWN) };
}

/**
 * Index of the pixel at a place of the picture, fractions 0 <= u, v < 1.
 * @param {ClassMap} map
 * @param {number} u
 * @param {number} v
 */
export function findPixel({ width, height }, u, v) {
  return Math.floor(v * height) * width + Math.floor(u * width);
}

/**
 * The values of a map at another size, each from the nearest pixel.
 * @param {ClassMap} map
 * @param {{ width: number, height: number }} size
 */
export function scaleMap(map, { width, height }) {
  const columns = Array.from({ length: width }, (_, x) =>
    Math.floor(((x + 0.5) * map.width) / width),
  );
  const values = new Uint8Array(width * height);
  for (let y = 0, i = 0; y < height; y++) {
    const start = Math.floor(((y + 0.5) * map.height) / height) * map.width;
    for (let x = 0; x < width; x++, i++) values[i] = map.values[start + columns[x]];
  }
  return values;
}

/**
 * [red, green, blue] as a pixel of a Uint32Array over ImageData.
 * @param {number[]} options
 */
const pack = ([red, green, blue]) => (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;

/**
 * A canvas of a map's size whose pixel i has the packed colour paint(i), 0 for none.
 * @param {{ width: number, height: number }} options
 * @param {(index: number) => number} paint
 */
function makeLayer({ width, height }, paint) {
  const canvas = make("canvas", { width, height });
  const image = new ImageData(width, height);
  const colours = new Uint32Array(image.data.buffer);
  for (let i = 0; i < colours.length; i++) colours[i] = paint(i);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/**
 * The map in the colours of the classes, [{ colour: "#rrggbb" }].
 * @param {ClassMap} map
 * @param {OutputsValue["classes"]} classes
 * @param {number | null} chosen
 */
export function makeClassLayer(map, classes, chosen) {
  const colours = new Uint32Array(256);
  classes.forEach(({ colour }, index) => {
    const channels = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
    if (chosen === null || chosen === index) colours[index] = pack(channels);
  });
  return makeLayer(map, (i) => colours[map.values[i]]);
}

/**
 * A drawing without what lies under a cover; all of it without one.
 * @param {HTMLImageElement} drawing
 * @param {HTMLCanvasElement | null} cover
 */
export function cutOut(drawing, cover) {
  const { width, height } = drawing;
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d");
  context.drawImage(drawing, 0, 0);
  if (cover) drawLayer(context, cover, [0, width], 1, "destination-out");
  return canvas;
}

/**
 * Covers the pixels of the other classes.
 * @param {ClassMap} map
 * @param {number | null} chosen
 */
export function makeCover(map, chosen) {
  const colour = pack(FADED);
  return makeLayer(map, (i) => (map.values[i] === chosen ? 0 : colour));
}

/**
 * Whether two classes differ, and one of them is the chosen class if there is one.
 * @param {number} one
 * @param {number} other
 * @param {number | null} chosen
 */
function differ(one, other, chosen) {
  return one !== other && (chosen === null || one === chosen || other === chosen);
}

/**
 * Marks pixel i in the colour of its kind: kindOf(i) is an index into kinds, -1 for no mark, null
 * where nothing is known. Gives { kinds, layer, shares }: the share of each kind in the known
 * pixels.
 * @param {ClassMap} map
 * @param {Kind[]} kinds
 * @param {(index: number) => number | null} kindOf
 */
function makeMarks(map, kinds, kindOf) {
  const counts = kinds.map(() => 0);
  const colours = kinds.map(({ colour }) => pack(colour));
  let known = 0;
  const layer = makeLayer(map, (i) => {
    const kind = kindOf(i);
    if (kind === null) return 0;
    known++;
    if (kind < 0) return 0;
    counts[kind]++;
    return colours[kind];
  });
  return { kinds, layer, shares: counts.map((count) => count / known) };
}

/**
 * @param {ClassMap} dense
 * @param {ClassMap} sparse
 * @param {number | null} chosen
 */
export function markDifference(dense, sparse, chosen) {
  return makeMarks(dense, DIFFERENCE, (i) =>
    differ(dense.values[i], sparse.values[i], chosen) ? 0 : -1,
  );
}

/**
 * The same for segments: `segments` are those of the dense map. Where the class is the same, the
 * segments must match.
 * @param {ClassMap} dense
 * @param {ClassMap} sparse
 * @param {Segment[]} segments
 * @param {number | null} chosen
 */
export function markSegments(dense, sparse, segments, chosen) {
  return makeMarks(dense, SEGMENT_DIFFERENCE, (i) => {
    const [one, other] = [dense.values[i], sparse.values[i]];
    if (one !== other) return differ(one, other, chosen) ? 0 : -1;
    if (one === UNKNOWN || (chosen !== null && one !== chosen)) return -1;
    return segments[dense.numbers[i]].match === sparse.numbers[i] ? -1 : 1;
  });
}

/**
 * Compared at the resolution of the truth, as the accuracy is.
 * @param {ClassMap} dense
 * @param {ClassMap} sparse
 * @param {ClassMap} truth
 * @param {number | null} chosen
 */
export function markErrors(dense, sparse, truth, chosen) {
  const [first, second] = [scaleMap(dense, truth), scaleMap(sparse, truth)];
  return makeMarks(truth, ERRORS, (i) => {
    const right = truth.values[i];
    return right === UNKNOWN
      ? null
      : Number(differ(first[i], right, chosen)) + 2 * Number(differ(second[i], right, chosen)) - 1;
  });
}

/**
 * The photo at the canvas's size.
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLImageElement} image
 */
export function drawPhoto(context, image) {
  const { width, height } = context.canvas;
  context.imageSmoothingEnabled = true;
  context.drawImage(image, 0, 0, width, height);
}

/**
 * A layer between two columns of the canvas, each pixel of the map crisp, or smoothly scaled.
 * @param {CanvasRenderingContext2D} context
 * @param {CanvasImageSource} layer
 * @param {number[]} options
 * @param {number} opacity
 * @param {GlobalCompositeOperation} [mix]
 * @param {boolean} [smooth]
 */
export function drawLayer(
  context,
  layer,
  [left, right],
  opacity,
  mix = "source-over",
  smooth = false,
) {
  const { width, height } = context.canvas;
  context.save();
  context.imageSmoothingEnabled = smooth;
  context.globalAlpha = opacity;
  context.globalCompositeOperation = mix;
  context.beginPath();
  context.rect(left, 0, right - left, height);
  context.clip();
  context.drawImage(layer, 0, 0, width, height);
  context.restore();
}

// CSS pixels, as large on every screen; top is for the tags
const NAME = { size: 12.5, edge: 3, gap: 2, top: 34 };

/**
 * Names, [{ text, u, v }], around those of their places that lie between two columns of the canvas;
 * where two names meet, the first stays.
 * @param {CanvasRenderingContext2D} context
 * @param {Name[]} names
 * @param {number[]} options
 */
export function writeNames(context, names, [left, right]) {
  const { width, height } = context.canvas;
  const [size, edge, gap, top] = [NAME.size, NAME.edge, NAME.gap, NAME.top].map(
    (side) => side * devicePixelRatio,
  );
  /**
   * @param {number} value
   * @param {number} low
   * @param {number} high
   */
  const clip = (value, low, high) => Math.max(low, Math.min(high, value));
  /** @type {{ x: number, y: number, across: number }[]} */
  const boxes = [];
  context.save();
  Object.assign(context, {
    font: `600 ${size}px system-ui, sans-serif`,
    textAlign: "center",
    textBaseline: "middle",
    lineJoin: "round",
    lineWidth: edge,
    strokeStyle: "rgb(0 0 0 / 0.8)",
    fillStyle: "#fff",
  });
  for (const { text, u, v } of names) {
    const [across, along] = [context.measureText(text).width / 2 + edge, size / 2 + edge];
    if (u * width < left || u * width >= right || right - left < 2 * across) continue;
    const [x, y] = [
      clip(u * width, left + across, right - across),
      clip(v * height, top + along, height - along),
    ];
    /** @param {{ x: number, y: number, across: number }} box */
    const meets = (box) =>
      Math.abs(box.x - x) < box.across + across + gap && Math.abs(box.y - y) < 2 * along;
    if (boxes.some(meets)) continue;
    boxes.push({ x, y, across });
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }
  context.restore();
}

/**
 * Makes what lies under a cover grey and dark.
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLCanvasElement} cover
 * @param {number[]} columns
 */
export function fade(context, cover, columns) {
  drawLayer(context, cover, columns, 1, "saturation");
  drawLayer(context, cover, columns, FADING);
}
