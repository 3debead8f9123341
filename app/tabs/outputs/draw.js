// Layers over the photo, and names on it. `chosen` is the index of the one class to see alone, or
// null.
import { make } from "../../page/common.js";

/** @import { ClassMap, Name, OutputsValue } from "./types.d.ts" */

const FADED = [22, 22, 22]; // a grey that what is not meant sinks into, so that the rest stands out
const FADING = 0.6;

/**
 * [red, green, blue] as a pixel of a Uint32Array over ImageData.
 * @param {number[]} options
 */
export const pack = ([red, green, blue]) => (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;

/**
 * A canvas of a map's size whose pixel i has the packed colour paint(i), 0 for none.
 * @param {{ width: number, height: number }} options
 * @param {(index: number) => number} paint
 */
export function makeLayer({ width, height }, paint) {
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
