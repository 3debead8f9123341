// 3D boxes: lines over the photo, and beside it the same boxes from above.
import { percent } from "../../page/common.js";
import { describeBox, describeLook, drawSample } from "./boxwords.js";
import { SIDES, bold, keep, listTrueColumns, nameSide, pairUp } from "./words.js";
import { drawBoxes, findBox, measureExtent, nameBoxes } from "./wireframe.js";

/** @import { Box, BoxRef, Look, MapName, Mode, OutputsValue, Shown, State, TaskView } from "./types.d.ts" */

/** @type {MapName[]} the last on top */
const ALL = ["dense", "sparse", "truth"];
/** @type {Mode[]} */
const TRUTH_MODES = ["truth"];

/** @type {TaskView} */
export const BOXES = {
  picture: "Photo with 3D boxes.",
  things: ["kind", "Kinds"],
  note: "Matched: boxes of one kind whose centres are 2 m apart or less over the ground. Choose a kind to see it alone.",
  keys: "Arrow keys go from box to box: up and right to the next farther one, down and left to the next nearer one.",

  listModes: ({ boxes }) => ["compare", "together", ...(boxes.truth ? TRUTH_MODES : [])],

  listColumns: (data) => [
    ...pairUp(data, "found by", String, false),
    { key: "matched", head: "matched", write: String },
    { key: "error", head: "mean error, m", write: (error) => error.toFixed(2) },
    ...(data.boxes.truth ? listTrueColumns(data) : []),
  ],

  describeAgreement(data) {
    const { agreement, boxes, matched, centre_error: error } = data;
    const dense = nameSide(data, "dense");
    const words = [`Agreement with ${dense}: `, bold(percent(agreement, 1))];
    if (!boxes.dense.length && !boxes.sparse.length) return [...words, ", as neither finds a box."];
    return [
      ...words,
      `, twice the matches over the boxes of both. ${matched} of ${boxes.dense.length} ${dense} boxes matched`,
      matched ? `, their centres ${error.toFixed(2)} m apart on average` : "",
      `; ${nameSide(data, "sparse")} has ${boxes.sparse.length}.`,
    ];
  },

  describeTruth(data) {
    const { boxes, rows } = data;
    if (!boxes.truth) return null;
    if (!boxes.truth.length) return ["Truth: there is nothing to find."];
    const [found, foundBySparse] = /** @type {const} */ (["true_dense", "true_sparse"]).map((key) =>
      rows.reduce((sum, row) => sum + row[key], 0),
    );
    const [dense, sparse] = [nameSide(data, "dense"), nameSide(data, "sparse")];
    return [
      "Truth: ",
      bold(`of ${boxes.truth.length} things ${dense} finds ${found}, ${sparse} ${foundBySparse}`),
      " by a centre 2 m away or less; boxes where none is: ",
      keep(`${dense} ${boxes.dense.length - found}`),
      ", ",
      keep(`${sparse} ${boxes.sparse.length - foundBySparse}`),
      ".",
    ];
  },

  async decode({ boxes }) {
    const [dense, sparse, truth] = [boxes.dense, boxes.sparse, boxes.truth ?? []].map((side) =>
      side.map(measureExtent),
    );
    return { extents: { dense, sparse, truth } };
  },

  show({ data, extents }, look) {
    const sides = listSides(data, look.mode);
    const layers = sides.map((side) => {
      const isNamed = look.mode in SIDES || side === "dense";
      /** @type {(context: CanvasRenderingContext2D, columns: number[], state: State) => void} */
      const draw = (context, columns, state) => {
        const boxes = listShown(data, side, look).map((shown) => ({
          box: shown.box,
          isLit: isLit(data, shown, state),
          extent: extents[side][shown.index],
          text: `${data.classes[shown.box.class].name} ${shown.box.place[1].toFixed(0)} m`,
        }));
        drawBoxes(context, columns, side, boxes);
        if (isNamed) nameBoxes(context, columns, boxes);
      };
      return draw;
    });
    return { caption: describeLook(data, sides, look), layers };
  },

  drawPlan(plan, { data }, look, state) {
    const sides = listSides(data, look.mode);
    const boxes = sides.flatMap((side) =>
      listShown(data, side, look).map((shown) => {
        const name = data.classes[shown.box.class].name;
        const words = `${nameSide(data, side)}: ${name} ${describeBox(data, shown).join(", ")}`;
        return { ...shown, words, isLit: isLit(data, shown, state) };
      }),
    );
    const counts = sides.map(
      (side) => `${boxes.filter((box) => box.side === side).length} ${nameSide(data, side)}`,
    );
    plan.draw({
      sights: data.sights,
      all: ALL.flatMap((side) => data.boxes[side] ?? []),
      boxes,
      words: `The same boxes from above: ${counts.join(", ")}.`,
    });
  },

  find({ data, extents }, place, look, { split }) {
    const sides = SIDES[look.mode];
    const refs = sides
      ? listShown(data, sides[place.u < split ? 0 : 1], look)
      : listSteps(data, look); // of a match one is enough
    const found = findBox(
      refs.map(({ side, index }) => extents[side][index]),
      place,
    );
    return found < 0 ? null : { side: refs[found].side, index: refs[found].index };
  },

  step({ data, extents }, probe, [right, down], _, look) {
    const refs = listSteps(data, look);
    if (!refs.length) return null;
    const at = refs.findIndex(
      ({ side, index }) => probe?.box && findPartner(data, probe.box, side) === index,
    );
    const next = at < 0 ? 0 : Math.min(refs.length - 1, Math.max(0, at + right - down));
    return { ...findMiddle(extents, refs[next]), box: refs[next] };
  },

  read({ data }, probe, look) {
    const ref = probe?.box;
    if (!ref) {
      const isAny = listSides(data, look.mode).some((side) => data.boxes[side].length);
      return isAny ? ["Point at a box, in the photo or from above, to read where it is."] : [];
    }
    const [place, ...others] = describeBox(data, ref);
    const kind = data.classes[data.boxes[ref.side][ref.index].class].name;
    return [
      keep(drawSample(ref.side), `${nameSide(data, ref.side)} `, bold(kind), ` ${place}`),
      ...others.map((words) => keep(words)),
    ];
  },
};

/**
 * The sides that a mode shows, the last on top.
 * @param {Pick<OutputsValue, "boxes">} data
 * @param {Mode} mode
 */
const listSides = ({ boxes }, mode) => SIDES[mode] ?? ALL.filter((side) => boxes[side]);

/**
 * @param {OutputsValue} data
 * @param {MapName} side
 * @param {Look} look
 */
const listShown = ({ boxes }, side, { chosen }) =>
  boxes[side]
    .map((box, index) => ({ side, index, box }))
    .filter(({ box }) => chosen === null || box.class === chosen);

/**
 * Whether a box is what is pointed at, or matches it, or is of the kind that is.
 * @param {OutputsValue} data
 * @param {BoxRef & { box: Pick<Box, "class"> }} shown
 * @param {Pick<State, "probe" | "hovered">} state
 */
export function isLit(data, { side, index, box }, { probe, hovered }) {
  return probe?.box ? findPartner(data, probe.box, side) === index : box.class === hovered;
}

/**
 * Number of a box on a side: its own, or of what that side has of it; undefined for none.
 * @param {OutputsValue} data
 * @param {BoxRef} ref
 * @param {MapName} side
 */
function findPartner({ boxes }, ref, side) {
  return ref.side === side ? ref.index : boxes[ref.side][ref.index].matches[side];
}

/**
 * What keys go through: the nearest first, of a match the dense or else the sparse box alone.
 * @param {OutputsValue} data
 * @param {Look} look
 * @returns {BoxRef[]}
 */
export function listSteps(data, look) {
  const sides = listSides(data, look.mode).toSorted(
    (one, other) => ALL.indexOf(one) - ALL.indexOf(other),
  );
  return sides
    .flatMap((side, rank) =>
      listShown(data, side, look).filter(
        ({ box }) => !sides.slice(0, rank).some((earlier) => earlier in box.matches),
      ),
    )
    .sort((one, other) => Math.hypot(...one.box.place) - Math.hypot(...other.box.place))
    .map(({ side, index }) => ({ side, index }));
}

/**
 * Where a box is in the picture; the middle of all for one that does not show.
 * @param {Shown["extents"]} extents
 * @param {BoxRef} ref
 */
export function findMiddle(extents, { side, index }) {
  const { u0, v0, u1, v1 } = extents[side][index] ?? { u0: 0, v0: 0, u1: 1, v1: 1 };
  return { u: (u0 + u1) / 2, v: (v0 + v1) / 2 };
}
