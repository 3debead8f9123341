// 3D boxes in words.
import { make } from "../../page/common.js";
import { SIDES, bold, nameChosen, nameSide } from "./words.js";

/** @import { Box, BoxRef, Look, MapName, OutputsValue } from "./types.d.ts" */

const SAME = 0.05; // metres; less is no difference
const ASLANT = 0.38; // sine of an eighth of a half turn: from here on a front is turned aside

/**
 * What a picture shows.
 * @param {OutputsValue} data
 * @param {MapName[]} sides
 * @param {Look} look
 */
export function describeLook(data, sides, { mode, chosen }) {
  const { boxes, min_score: least } = data;
  if (!boxes.dense.length && !boxes.sparse.length) {
    const truth = sides.includes("truth") ? boxes.truth.length : 0;
    return [
      bold("No boxes above the threshold:"),
      ` neither network finds one with a score of ${least} or more.`,
      ...(truth ? [" ", makeKey(data, "truth"), ` has ${truth}.`] : []),
    ];
  }
  const keys = sides.map((side) => makeKey(data, side));
  const name = nameChosen(data, chosen);
  return [
    name === null ? "Boxes: " : `Only ${name}: `,
    ...(mode in SIDES
      ? [keys[0], " left of the handle, ", keys[1], " right"]
      : keys.flatMap((key, index) => (index ? [", ", key] : [key]))),
    ". The filled side of a box is its front.",
  ];
}

/**
 * The name of a side, after a piece of its line.
 * @param {OutputsValue} data
 * @param {MapName} side
 */
function makeKey(data, side) {
  return make("span", { class: "sv-out-key" }, drawSample(side), bold(nameSide(data, side)));
}

/**
 * A piece of a side's line.
 * @param {MapName} side
 */
export function drawSample(side) {
  const line = make("line", { x1: 1, x2: 23, y1: 5, y2: 5 });
  const looks = {
    class: `sv-out-sample sv-out-${side}`,
    width: 24,
    height: 10,
    "aria-hidden": "true",
  };
  return make("svg", looks, line);
}

/**
 * A box in words, piece by piece, without its kind: where it is, its size, its front, its score,
 * and what the other sides have of it.
 * @param {OutputsValue} data
 * @param {BoxRef} ref
 */
export function describeBox(data, { side, index }) {
  const { boxes } = data;
  const box = boxes[side][index];
  const [length, height, width] = box.size.map((metres) => metres.toFixed(1));
  return [
    describePlace(box.place),
    `${length} m long, ${width} wide, ${height} high`,
    describeFront(box),
    ...(box.score === null ? [] : [`score ${box.score.toFixed(2)}`]),
    .../** @type {MapName[]} */ (["dense", "sparse", "truth"])
      .filter((other) => other !== side && boxes[other])
      .map((other) =>
        describePartner(box, nameSide(data, other), boxes[other][box.matches[other]]),
      ),
  ];
}

/** @param {Box["place"]} place */
export function describePlace([right, ahead]) {
  const aside = Math.abs(right) < SAME ? "straight on" : describeAside(right);
  return `${Math.abs(ahead).toFixed(1)} m ${ahead < 0 ? "behind" : "ahead"}, ${aside}`;
}

/** @param {number} right */
const describeAside = (right) =>
  `${Math.abs(right).toFixed(1)} m to the ${right < 0 ? "left" : "right"}`;

/** @param {Pick<Box, "footprint">} box */
export function describeFront({ footprint: [, two, three] }) {
  const length = Math.hypot(two[0] - three[0], two[1] - three[1]) || 1;
  const [right, ahead] = [0, 1].map((axis) => (two[axis] - three[axis]) / length);
  const parts = [
    ...(Math.abs(ahead) < ASLANT ? [] : [ahead > 0 ? "away" : "towards the camera"]),
    ...(Math.abs(right) < ASLANT ? [] : [right > 0 ? "to the right" : "to the left"]),
  ];
  return `facing ${parts.join(" and ")}`;
}

/**
 * What another side has of a box.
 * @param {Pick<Box, "place">} box
 * @param {string} side what it is called
 * @param {Pick<Box, "place"> | undefined} partner
 */
export function describePartner(box, side, partner) {
  if (!partner) return side === "truth" ? "truth has none there" : `${side} does not find it`;
  const [right, ahead] = [0, 1].map((axis) => partner.place[axis] - box.place[axis]);
  const moves = [
    ...(Math.abs(ahead) < SAME
      ? []
      : [`${Math.abs(ahead).toFixed(1)} m ${ahead > 0 ? "farther" : "nearer"}`]),
    ...(Math.abs(right) < SAME ? [] : [describeAside(right)]),
  ];
  const where = moves.length ? moves.join(" and ") : "in the same place";
  return side === "truth" ? `in truth it is ${where}` : `${side} finds it ${where}`;
}
