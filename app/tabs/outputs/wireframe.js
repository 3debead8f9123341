// 3D boxes as lines over the photo. Places are fractions of the picture.
import { writeNames } from "./draw.js";

/** @import { Box, Extent, MapName, Place } from "./types.d.ts" */

// CSS pixels. A dark edge on both sides of a line lets it show on any photo.
const LINE = { ahead: 1.75, behind: 0.9, lit: 1.25, edge: 1.25 };
const FULL = 40; // CSS pixels: a box smaller than this has thinner lines
const THINNEST = 0.55;
const EDGE_COLOUR = "rgb(0 0 0 / 0.6)";
const FRONT_OPACITY = 0.4;
const DIM_OPACITY = 0.3; // of the others while some are lit
const NAMED = 24; // CSS pixels: the longer side of the least box with a name
const NEAR = 0.008; // of the picture: as near as this a place is in a box
/** @type {Record<MapName, { colour: string, dashes: number[] }>} */
const LOOKS = {
  dense: { colour: "#f7a94a", dashes: [] },
  sparse: { colour: "#6cc3f5", dashes: [5, 3.5] },
  truth: { colour: "#3fdca8", dashes: [1.5, 3] },
};

/**
 * What shows of a box in the picture; null if nothing does.
 * @param {Pick<Box, "ahead" | "behind">} box
 * @returns {Extent | null}
 */
export function measureExtent({ ahead, behind }) {
  const lines = [...ahead, ...behind];
  if (!lines.length) return null;
  /** @param {number} value */
  const clip = (value) => Math.min(1, Math.max(0, value));
  const us = lines.flatMap(([u0, , u1]) => [clip(u0), clip(u1)]);
  const vs = lines.flatMap(([, v0, , v1]) => [clip(v0), clip(v1)]);
  return { u0: Math.min(...us), v0: Math.min(...vs), u1: Math.max(...us), v1: Math.max(...vs) };
}

/**
 * Number of the box at a place, the smallest where several are; -1 for none.
 * @param {(Extent | null)[]} extents null for a box that cannot be meant
 * @param {Place} place
 */
export function findBox(extents, { u, v }) {
  let [found, least] = [-1, Infinity];
  extents.forEach((extent, index) => {
    if (!extent) return;
    const { u0, v0, u1, v1 } = extent;
    const size = (u1 - u0) * (v1 - v0);
    const isInside = u >= u0 - NEAR && u <= u1 + NEAR && v >= v0 - NEAR && v <= v1 + NEAR;
    if (isInside && size < least) [found, least] = [index, size];
  });
  return found;
}

/**
 * The boxes of a side between two columns of the canvas, the nearest on top.
 * @param {CanvasRenderingContext2D} context
 * @param {number[]} columns
 * @param {MapName} side
 * @param {{ box: Box, extent: Extent | null, isLit: boolean }[]} boxes the nearest first
 */
export function drawBoxes(context, [left, right], side, boxes) {
  const { width, height } = context.canvas;
  const { colour, dashes } = LOOKS[side];
  const isAnyLit = boxes.some(({ isLit }) => isLit);
  context.save();
  context.beginPath();
  context.rect(left, 0, right - left, height);
  context.clip();
  context.lineCap = context.lineJoin = "round";
  for (const { box, extent, isLit } of boxes.toReversed()) {
    context.globalAlpha = isAnyLit && !isLit ? DIM_OPACITY : 1;
    fillFront(context, box.front, colour);
    const size = extent
      ? Math.max((extent.u1 - extent.u0) * width, (extent.v1 - extent.v0) * height)
      : 0;
    const thin = Math.min(1, Math.max(THINNEST, size / FULL / devicePixelRatio));
    const wider = isLit ? LINE.lit : 0;
    for (const [lines, thickness] of /** @type {[number[][], number][]} */ ([
      [box.behind, LINE.behind],
      [box.ahead, LINE.ahead],
    ])) {
      context.beginPath();
      for (const [u0, v0, u1, v1] of lines) {
        context.moveTo(u0 * width, v0 * height);
        context.lineTo(u1 * width, v1 * height);
      }
      stroke(context, thin * (thickness + 2 * LINE.edge) + wider, EDGE_COLOUR, []);
      stroke(context, thin * thickness + wider, colour, dashes);
    }
  }
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} thickness CSS pixels
 * @param {string} colour
 * @param {number[]} dashes CSS pixels
 */
function stroke(context, thickness, colour, dashes) {
  context.lineWidth = thickness * devicePixelRatio;
  context.strokeStyle = colour;
  context.setLineDash(dashes.map((length) => length * devicePixelRatio));
  context.stroke();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number[][]} corners
 * @param {string} colour
 */
function fillFront(context, corners, colour) {
  const { width, height } = context.canvas;
  const opacity = context.globalAlpha;
  context.beginPath();
  for (const [u, v] of corners) context.lineTo(u * width, v * height);
  context.globalAlpha = opacity * FRONT_OPACITY;
  context.fillStyle = colour;
  context.fill();
  context.globalAlpha = opacity;
}

/**
 * Kind and metres ahead above each box that looks large enough, the nearest first.
 * @param {CanvasRenderingContext2D} context
 * @param {number[]} columns
 * @param {{ text: string, extent: Extent | null }[]} boxes
 */
export function nameBoxes(context, columns, boxes) {
  const [width, height] = [context.canvas.width, context.canvas.height].map(
    (side) => side / devicePixelRatio,
  );
  const names = boxes
    .filter(({ extent }) => {
      if (!extent) return false;
      const { u0, v0, u1, v1 } = extent;
      return Math.max((u1 - u0) * width, (v1 - v0) * height) >= NAMED;
    })
    .map(({ text, extent: { u0, u1, v0 } }) => ({ text, u: (u0 + u1) / 2, v: v0 - 10 / height }));
  writeNames(context, names, columns);
}
