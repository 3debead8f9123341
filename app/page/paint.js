// Paints a block's windows over the photo; see cells.js. Positions x and y are device pixels of the
// cells' edges.
import { make } from "./common.js";
import { pickViridis } from "./colours.js";
import {
  EDGE_OPACITY,
  FADED_WINDOW,
  HEAT_OPACITY,
  OUTLINE_LEVEL,
  PRUNED_COLOUR,
  PRUNED_LIGHT,
  PRUNED_TINT,
} from "./looks.js";

/** @import { Area, Block, Computed, Layers, ScoredBlock } from "./types.d.ts" */

const THUMB_SIDE = 320; // pixels of the longer side of the photo behind the thumbnails

/**
 * The photo as it is drawn: itself, as pruned, grey, and the first two small for the thumbnails.
 * @param {HTMLImageElement} image
 */
export function makeLayers(image) {
  const { naturalWidth: width, naturalHeight: height } = image;
  const large = readPixels(image, width, height);
  const scale = Math.min(1, THUMB_SIDE / Math.max(width, height));
  const small = readPixels(
    image,
    Math.max(1, Math.round(width * scale)),
    Math.max(1, Math.round(height * scale)),
  );
  /** @param {ImageData} pixels */
  const makePruned = (pixels) => recolour(pixels, PRUNED_LIGHT, PRUNED_COLOUR, PRUNED_TINT);
  /** @type {HTMLCanvasElement | null} */
  let grey = null;
  return {
    photo: image,
    pruned: makePruned(large),
    // What a page opens with does not need it.
    get grey() {
      return (grey ??= recolour(large, 1, 0, [0, 0, 0]));
    },
    small: { photo: recolour(small, 1, 1, [0, 0, 0]), pruned: makePruned(small) },
  };
}

/**
 * The pixels of a photo at a size.
 * @param {HTMLImageElement} image
 * @param {number} width
 * @param {number} height
 */
export function readPixels(image, width, height) {
  const context = Object.assign(make("canvas"), { width, height }).getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/**
 * A canvas of pixels with this much of their brightness and colour left, and a tint added.
 * @param {ImageData} pixels
 * @param {number} light
 * @param {number} colour
 * @param {number[]} tint
 */
export function recolour({ data, width, height }, light, colour, tint) {
  const pixels = new ImageData(width, height);
  for (let at = 0; at < data.length; at += 4) {
    const grey = (1 - colour) * (0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2]);
    for (let channel = 0; channel < 3; channel++) {
      pixels.data[at + channel] = light * (grey + colour * data[at + channel]) + tint[channel];
    }
    pixels.data[at + 3] = 255;
  }
  const canvas = Object.assign(make("canvas"), { width, height });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

/**
 * Device pixels of the edges of an axis's cells, where the picture starts at `start` and is
 * `length` long.
 * @param {{ from: number }[]} axis
 * @param {number} start
 * @param {number} length
 */
function placeEdges(axis, start, length) {
  return [...axis.map(({ from }) => from), 1].map((edge) => Math.round(start + edge * length));
}

/**
 * The area of the cells whose windows are wanted.
 * @param {Block} block
 * @param {number[]} x
 * @param {number[]} y
 * @param {(index: number) => boolean} wanted
 */
function traceCells({ ys, xs, cols }, x, y, wanted) {
  const path = new Path2D();
  ys.forEach((row, i) => {
    let start = -1;
    for (let j = 0; j <= xs.length; j++) {
      const inside = j < xs.length && wanted(row.owner * cols + xs[j].owner);
      if (inside && start < 0) start = j;
      if (inside || start < 0) continue;
      path.rect(x[start], y[i], x[j] - x[start], y[i + 1] - y[i]);
      start = -1;
    }
  });
  return path;
}

/**
 * The lines between neighbouring cells whose windows `differ`.
 * @param {Block} block
 * @param {number[]} x
 * @param {number[]} y
 * @param {(first: number, second: number) => boolean} differ
 */
function traceEdges({ ys, xs, cols }, x, y, differ) {
  const path = new Path2D();
  /**
   * @param {number} i
   * @param {number} j
   */
  const owner = (i, j) => ys[i].owner * cols + xs[j].owner;
  for (let i = 0; i < ys.length; i++) {
    for (let j = 0; j < xs.length; j++) {
      if (j && differ(owner(i, j - 1), owner(i, j))) {
        path.moveTo(x[j], y[i]);
        path.lineTo(x[j], y[i + 1]);
      }
      if (i && differ(owner(i - 1, j), owner(i, j))) {
        path.moveTo(x[j], y[i]);
        path.lineTo(x[j + 1], y[i]);
      }
    }
  }
  return path;
}

/**
 * Sharp lines of whole device pixels.
 * @param {CanvasRenderingContext2D} context
 * @param {Path2D} path
 * @param {number} width
 * @param {string} colour
 */
function strokeSharp(context, path, width, colour) {
  context.save();
  context.translate((width % 2) / 2, (width % 2) / 2);
  context.lineCap = "square";
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.stroke(path);
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {CanvasImageSource} layer
 * @param {Area} area
 */
export function drawLayer(context, layer, area) {
  context.imageSmoothingQuality = "high";
  context.drawImage(layer, area.x, area.y, area.width, area.height);
}

// The painters below draw on `area` { x, y, width, height } in device pixels, `ratio` of them to a
// CSS pixel.

/**
 * The photo, its pruned windows dark and bluish.
 * @param {CanvasRenderingContext2D} context
 * @param {Area} area
 * @param {Pick<Layers, "photo" | "pruned">} layers
 * @param {Block} block
 */
export function paintMask(context, area, layers, block) {
  const [x, y] = placeBlock(block, area);
  drawLayer(context, layers.photo, area);
  context.save();
  context.clip(traceCells(block, x, y, (index) => block.keep[index] === "0"));
  drawLayer(context, layers.pruned, area);
  context.restore();
}

/**
 * The scores of a block's windows as colours over the grey photo.
 * @param {CanvasRenderingContext2D} context
 * @param {Area} area
 * @param {Pick<Layers, "grey">} layers
 * @param {ScoredBlock} block
 */
export function paintScores(context, area, layers, block) {
  const [x, y] = placeBlock(block, area);
  const range = block.high - block.low;
  drawLayer(context, layers.grey, area);
  context.globalAlpha = HEAT_OPACITY;
  block.ys.forEach((row, i) =>
    block.xs.forEach((column, j) => {
      const score = block.scores[row.owner * block.cols + column.owner];
      context.fillStyle = pickViridis(range > 0 ? (score - block.low) / range : 0.5);
      context.fillRect(x[j], y[i], x[j + 1] - x[j], y[i + 1] - y[i]);
    }),
  );
  context.globalAlpha = 1;
}

/**
 * In how many of all blocks each place was computed, as colours over the grey photo.
 * @param {CanvasRenderingContext2D} context
 * @param {Area} area
 * @param {Pick<Layers, "grey">} layers
 * @param {Computed} computed
 * @param {number} total
 */
export function paintCompute(context, area, layers, computed, total) {
  const x = placeEdges(computed.xs, area.x, area.width);
  const y = placeEdges(computed.ys, area.y, area.height);
  const colours = Array.from({ length: total + 1 }, (_, count) => pickViridis(count / total));
  drawLayer(context, layers.grey, area);
  context.globalAlpha = HEAT_OPACITY;
  computed.counts.forEach((count, cell) => {
    const [i, j] = [Math.floor(cell / computed.xs.length), cell % computed.xs.length];
    context.fillStyle = colours[count];
    context.fillRect(x[j], y[i], x[j + 1] - x[j], y[i + 1] - y[i]);
  });
  context.globalAlpha = 1;
}

/**
 * @param {Block} block
 * @param {Area} area
 */
const placeBlock = (block, { x, y, width, height }) => [
  placeEdges(block.xs, x, width),
  placeEdges(block.ys, y, height),
];

/**
 * Fine edges of all windows, and a bright line between kept and pruned ones.
 * @param {CanvasRenderingContext2D} context
 * @param {Area} area
 * @param {number} ratio
 * @param {Block} block
 */
export function paintLines(context, area, ratio, block) {
  const [x, y] = placeBlock(block, area);
  // CSS pixels of a window
  const side = Math.min(area.width / block.cols, area.height / block.rows) / ratio;
  const opacity = EDGE_OPACITY * Math.min(1, side / FADED_WINDOW);
  const edges = traceEdges(block, x, y, (first, second) => first !== second);
  strokeSharp(context, edges, Math.max(1, Math.round(ratio)), `rgb(255 255 255 / ${opacity})`);
  if (block.kept === block.total) return;
  const outline = traceEdges(
    block,
    x,
    y,
    (first, second) => block.keep[first] !== block.keep[second],
  );
  strokeSharp(
    context,
    outline,
    Math.max(1, Math.round(ratio * (side < FADED_WINDOW ? 1 : 2))),
    `rgb(${OUTLINE_LEVEL} ${OUTLINE_LEVEL} ${OUTLINE_LEVEL})`,
  );
}

/**
 * The outline of one window, all its pieces, in a colour that a dark casing sets off.
 * @param {CanvasRenderingContext2D} context
 * @param {Area} area
 * @param {number} ratio
 * @param {Block} block
 * @param {number} index
 * @param {string} colour
 */
export function paintOutline(context, area, ratio, block, index, colour) {
  const [x, y] = placeBlock(block, area);
  const path = traceCells(block, x, y, (other) => other === index);
  context.lineJoin = "round";
  for (const { width, style } of [
    { width: 4.5, style: "rgb(0 0 0 / 0.75)" },
    { width: 2.5, style: colour },
  ]) {
    context.lineWidth = width * ratio;
    context.strokeStyle = style;
    context.stroke(path);
  }
}

/**
 * A tint over some windows, and a line around each group of them.
 * @param {CanvasRenderingContext2D} context
 * @param {Area} area
 * @param {Block} block
 * @param {Set<number>} windows
 * @param {string} colour
 */
export function paintTint(context, area, block, windows, colour) {
  const [x, y] = placeBlock(block, area);
  context.save();
  context.globalAlpha = 0.25;
  context.fillStyle = colour;
  context.fill(traceCells(block, x, y, (window) => windows.has(window)));
  context.restore();
  const around = traceEdges(
    block,
    x,
    y,
    (first, second) => windows.has(first) !== windows.has(second),
  );
  strokeSharp(context, around, 2, colour);
}

/**
 * A sign in the middle of every piece of some windows, where there is room for it.
 * @param {CanvasRenderingContext2D} context
 * @param {Area} area
 * @param {number} ratio
 * @param {Block} block
 * @param {Set<number>} windows
 * @param {string} sign
 * @param {string} colour
 */
export function paintSymbols(context, area, ratio, block, windows, sign, colour) {
  const [x, y] = placeBlock(block, area);
  const side = Math.min(area.width / block.cols, area.height / block.rows);
  if (side < 10 * ratio) return;
  const size = Math.min(18 * ratio, side / 2);
  context.save();
  context.font = `700 ${size}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = size / 5;
  context.strokeStyle = "rgb(0 0 0 / 0.75)";
  context.fillStyle = colour;
  block.ys.forEach((row, i) =>
    block.xs.forEach((column, j) => {
      if (!windows.has(row.owner * block.cols + column.owner)) return;
      if (Math.min(x[j + 1] - x[j], y[i + 1] - y[i]) < size) return;
      const [across, down] = [(x[j] + x[j + 1]) / 2, (y[i] + y[i + 1]) / 2];
      context.strokeText(sign, across, down);
      context.fillText(sign, across, down);
    }),
  );
  context.restore();
}
