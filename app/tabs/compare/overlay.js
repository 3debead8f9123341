// Two blocks' windows over one picture: what both keep, only A, only B, or neither. Blocks whose
// windows lie elsewhere are compared place by place.
import { drawLayer } from "../../page/paint.js";

/** @import { Area, Block, Cell, Layers } from "../../page/types.d.ts" */
/** @import { Overlay } from "./types.d.ts" */

export const BOTH = 0;
export const ONLY_A = 1;
export const ONLY_B = 2;
export const NEITHER = 3;

const TINTS = { [ONLY_A]: "rgb(240 140 0 / 0.62)", [ONLY_B]: "rgb(40 150 235 / 0.62)" };
const STRIPES = { [ONLY_A]: -1, [ONLY_B]: 1 }; // the way they lean, as colours are not for everybody
const STRIPE_GAP = 9; // CSS pixels
const STRIPE_COLOUR = "rgb(0 0 0 / 0.55)";
const LINE_COLOUR = "rgb(255 255 255 / 0.75)";

/**
 * An axis as finely as the cells of both blocks divide it.
 * @param {Cell[]} a
 * @param {Cell[]} b
 */
export function mergeAxes(a, b) {
  const edges = [...new Set([...a, ...b].map(({ from }) => from))].sort((one, two) => one - two);
  let [i, j] = [0, 0];
  return edges.map((from, number) => {
    while (i + 1 < a.length && a[i + 1].from <= from) i++;
    while (j + 1 < b.length && b[j + 1].from <= from) j++;
    return { from, to: edges[number + 1] ?? 1, a: a[i].owner, b: b[j].owner };
  });
}

/**
 * What is kept where, row by row.
 * @param {Block} a
 * @param {Block} b
 * @returns {Overlay}
 */
export function layOver(a, b) {
  const [xs, ys] = [mergeAxes(a.xs, b.xs), mergeAxes(a.ys, b.ys)];
  const kinds = new Uint8Array(xs.length * ys.length);
  ys.forEach((row, y) =>
    xs.forEach((column, x) => {
      const isPrunedByA = a.keep[row.a * a.cols + column.a] === "0";
      const isPrunedByB = b.keep[row.b * b.cols + column.b] === "0";
      kinds[y * xs.length + x] = isPrunedByA
        ? isPrunedByB
          ? NEITHER
          : ONLY_B
        : isPrunedByB
          ? ONLY_A
          : BOTH;
    }),
  );
  return { xs, ys, kinds };
}

/**
 * The cells of a kind, and the lines around them, as paths in an area.
 * @param {Overlay} overlay
 * @param {Area} area
 */
function trace({ xs, ys, kinds }, area) {
  const [x, y] = [
    [...xs.map(({ from }) => from), 1].map((edge) => Math.round(area.x + edge * area.width)),
    [...ys.map(({ from }) => from), 1].map((edge) => Math.round(area.y + edge * area.height)),
  ];
  const cells = [new Path2D(), new Path2D(), new Path2D(), new Path2D()];
  const lines = new Path2D();
  for (let i = 0; i < ys.length; i++) {
    for (let j = 0; j < xs.length; j++) {
      const kind = kinds[i * xs.length + j];
      cells[kind].rect(x[j], y[i], x[j + 1] - x[j], y[i + 1] - y[i]);
      if (j && kinds[i * xs.length + j - 1] !== kind) {
        lines.moveTo(x[j], y[i]);
        lines.lineTo(x[j], y[i + 1]);
      }
      if (i && kinds[(i - 1) * xs.length + j] !== kind) {
        lines.moveTo(x[j], y[i]);
        lines.lineTo(x[j + 1], y[i]);
      }
    }
  }
  return { cells, lines };
}

/**
 * Draws an overlay on an area of a canvas, in device pixels.
 * @param {CanvasRenderingContext2D} context
 * @param {Area} area
 * @param {number} ratio device pixels of a CSS pixel
 * @param {Pick<Layers, "photo" | "pruned">} layers
 * @param {Overlay} overlay
 * @param {boolean} [isSmall] a picture in the filmstrip: no stripes, no lines
 */
export function paintOverlay(context, area, ratio, layers, overlay, isSmall = false) {
  const { cells, lines } = trace(overlay, area);
  drawLayer(context, layers.photo, area);
  context.save();
  context.clip(cells[NEITHER]);
  drawLayer(context, layers.pruned, area);
  context.restore();
  for (const kind of /** @type {const} */ ([ONLY_A, ONLY_B])) {
    context.fillStyle = TINTS[kind];
    context.fill(cells[kind]);
    if (isSmall) continue;
    context.save();
    context.clip(cells[kind]);
    drawStripes(context, area, ratio, STRIPES[kind]);
    context.restore();
  }
  if (isSmall) return;
  context.lineWidth = Math.max(1, Math.round(ratio));
  context.strokeStyle = LINE_COLOUR;
  context.stroke(lines);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Area} area
 * @param {number} ratio
 * @param {number} way 1 falls to the right, -1 rises
 */
function drawStripes(context, { x, y, width, height }, ratio, way) {
  context.beginPath();
  for (let at = -height; at < width + height; at += STRIPE_GAP * ratio) {
    context.moveTo(x + at, y);
    context.lineTo(x + at + way * height, y + height);
  }
  context.lineWidth = 1.25 * ratio;
  context.strokeStyle = STRIPE_COLOUR;
  context.stroke();
}
