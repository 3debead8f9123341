// Numbers and geometry of the view "learn".
// A "piece" is a rectangle of tokens that belongs to one window: { x, y, w, h } on the token grid,
// { u, v } in the window. A shifted window that wraps around owns several.
import { pickChannels } from "../../page/colours.js";
import { make } from "../../page/common.js";
import { PRUNED_COLOUR, PRUNED_LIGHT, PRUNED_TINT } from "../../page/looks.js";
import { readPixels, recolour } from "../../page/paint.js";

/** @import { Box, Layout, Photos, Piece, Runs } from "./types.d.ts" */

const GAP = 14; // CSS pixels between photo and what is under it
const TALLEST = 330; // CSS pixels of the photo

/**
 * @param {number} value
 * @param {number} [low]
 * @param {number} [high]
 */
export const clamp = (value, low = 0, high = 1) => Math.min(high, Math.max(low, value));
/** @param {number} t */
export const ease = (t) => t * t * (3 - 2 * t);
/**
 * @param {number} from
 * @param {number} to
 * @param {number} t
 */
export const mix = (from, to, t) => from + (to - from) * t;
/**
 * @param {number} t
 * @param {number} from
 * @param {number} to
 */
export const part = (t, from, to) => ease(clamp((t - from) / (to - from))); // of an animation
/** @param {number} value */
export const short = (value) => (value === 0 ? "0" : Number(value.toPrecision(3)).toString());
/** @param {number} number */
export const count = (number) => number.toLocaleString("en");

/**
 * The pieces of every window, row-major, from the runs [first token, first slot, length] of rows
 * and columns.
 * @param {Runs[]} rows
 * @param {Runs[]} cols
 */
export function listPieces(rows, cols) {
  /**
   * @param {Runs} down
   * @param {Runs} across
   */
  const cut = (down, across) =>
    down.flatMap(([y, v, h]) => across.map(([x, u, w]) => ({ x, y, w, h, u, v })));
  return rows.flatMap((down) => cols.map((across) => cut(down, across)));
}

/**
 * The window row (or column) of every token row (or column).
 * @param {Runs[]} runs
 */
export function listOwners(runs) {
  /** @type {number[]} */
  const owners = [];
  runs.forEach((pieces, owner) => {
    for (const [first, , length] of pieces)
      for (let i = 0; i < length; i++) owners[first + i] = owner;
  });
  return owners;
}

/**
 * @param {number} width
 * @param {number} height
 * @returns {[HTMLCanvasElement, CanvasRenderingContext2D]}
 */
function makeCanvas(width, height) {
  const canvas = make("canvas", { width, height });
  return [canvas, canvas.getContext("2d")];
}

/**
 * A grey PNG of app/tabs/learn/view.py in colours, one pixel a token.
 * @param {string} uri
 */
export async function paintMap(uri) {
  const image = new Image();
  image.src = uri;
  await image.decode();
  const [canvas, ctx] = makeCanvas(image.naturalWidth, image.naturalHeight);
  ctx.drawImage(image, 0, 0);
  const pixels = ctx.getImageData(0, 0, canvas.width, canvas.height);
  const colours = Array.from({ length: 256 }, (_, level) => pickChannels(level / 255));
  for (let i = 0; i < pixels.data.length; i += 4) pixels.data.set(colours[pixels.data[i]], i);
  ctx.putImageData(pixels, 0, 0);
  return canvas;
}

/**
 * The photo as it is, and as it looks where windows are skipped.
 * @param {HTMLImageElement} image
 */
export function makePhotos(image) {
  const [bright, ctx] = makeCanvas(image.naturalWidth, image.naturalHeight);
  ctx.drawImage(image, 0, 0);
  const pixels = readPixels(image, bright.width, bright.height);
  return { bright, dim: recolour(pixels, PRUNED_LIGHT, PRUNED_COLOUR, PRUNED_TINT) };
}

/**
 * Where the photo and what is under it lie on a canvas `width` CSS pixels wide: the same for every
 * step.
 * @param {number} width
 * @param {number} ratio
 * @returns {Layout}
 */
export function layOut(width, ratio) {
  const w = Math.min(width, TALLEST * ratio);
  const h = w / ratio;
  const photo = { x: (width - w) / 2, y: 0, w, h };
  const below = { y: h + GAP, h: 165 };
  const lower = w < 400 ? { x: 0, w: width, ...below } : { x: photo.x, w, ...below };
  return { width, height: Math.ceil(h + GAP + below.h), photo, lower };
}

/**
 * The largest tiles of which `number` fit into a box, at most `largest` CSS pixels wide.
 * @param {Box} box
 * @param {number} number
 * @param {number} tall
 * @param {number} [largest]
 */
export function layTiles(box, number, tall, largest = 54) {
  let size = largest;
  const fits = () => Math.floor(box.w / size) * Math.floor(box.h / (size * tall)) >= number;
  while (size > 1 && !fits()) size -= 0.25;
  return { ...box, size, cols: Math.floor(box.w / size) };
}
