// Class maps. A map is { uri, width, height, numbers, values }, values a Uint8Array of class
// indices, row by row; numbers are those of segments where a map has segments.
import { make } from "../../page/common.js";

/** @import { ClassMap, Place, Probe, Segment } from "./types.d.ts" */

export const UNKNOWN = 255; // in a map: nobody knows, or nothing is there
const KEY_STEP = 0.025; // of the picture, for the arrow keys

/** @param {string} uri */
async function decodePicture(uri) {
  const image = new Image();
  image.src = uri;
  await image.decode();
  return image;
}

/**
 * The drawings of all sides there are.
 * @template {string} S
 * @param {Partial<Record<S, string>>} uris
 * @returns {Promise<Partial<Record<S, HTMLImageElement>>>}
 */
export async function decodePictures(uris) {
  const pictures = await Promise.all(Object.values(uris).map(decodePicture));
  const named = Object.keys(uris).map((side, index) => [side, pictures[index]]);
  return /** @type {Partial<Record<S, HTMLImageElement>>} */ (Object.fromEntries(named));
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
 * The place that an arrow key leads to, in small steps or from pixel to pixel.
 * @param {{ width: number, height: number }} map
 * @param {Probe | null} probe
 * @param {[number, number]} options right and down, each -1, 0 or 1
 * @param {boolean} isFine
 * @returns {Place}
 */
export function stepPlace({ width, height }, probe, [right, down], isFine) {
  const { u, v } = probe ?? { u: 0.5, v: 0.5 };
  const [across, along] = isFine ? [1 / width, 1 / height] : [KEY_STEP, KEY_STEP];
  return { u: u + right * across, v: v + down * along };
}
