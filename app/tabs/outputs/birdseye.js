// 3D boxes seen from above: footprints, with metres to the right and ahead of the camera.
import { make } from "../../page/common.js";
import { listenToKeys } from "./frame.js";

/** @import { Box, BoxRef, Plan, PlanBox } from "./types.d.ts" */

const MARGINS = { left: 44, right: 10, top: 8, bottom: 40 };
const LEAST_CELL = 40; // CSS pixels between two lines of the grid
const LEAST_SIDE = 7; // CSS pixels: a footprint that would be smaller is drawn as large as this
const NEAR = 10; // CSS pixels: as near as this the pointer means a box
const REACHES = [10, 20, 30, 40, 50, 60, 80, 100, 150, 200]; // metres ahead
const SHARE_SHOWN = 0.9; // of the boxes
const MOST_UNASKED = 80; // metres ahead; footprints are small if it is more
const EMPTY = 40; // metres ahead where there is no box
const STEPS = [1, 2, 5, 10, 20, 50, 100];

/**
 * The least round number of metres that shows nine boxes out of ten, but no more than 80.
 * @param {Pick<Box, "footprint">[]} boxes
 */
export function chooseReach(boxes) {
  const ends = boxes
    .map(({ footprint }) => Math.max(...footprint.map(([, ahead]) => ahead)))
    .sort((one, other) => one - other);
  const far = ends[Math.ceil(SHARE_SHOWN * ends.length) - 1] ?? EMPTY;
  return REACHES.find((reach) => reach >= Math.min(far, MOST_UNASKED));
}

/**
 * Where everything lies in a view of so many CSS pixels, and the lines of its grid, metres.
 * @param {number} width
 * @param {number} height
 * @param {number} reach metres ahead
 */
export function layOut(width, height, reach) {
  const plot = {
    x: MARGINS.left,
    y: MARGINS.top,
    width: Math.max(1, width - MARGINS.left - MARGINS.right),
    height: Math.max(1, height - MARGINS.top - MARGINS.bottom),
  };
  const scale = plot.height / reach; // CSS pixels a metre
  const aside = plot.width / 2 / scale; // metres
  const step = STEPS.find((metres) => metres * scale >= LEAST_CELL) ?? STEPS.at(-1);
  const numAside = Math.floor(aside / step);
  return {
    plot,
    scale,
    aside,
    aheads: Array.from({ length: Math.floor(reach / step) + 1 }, (_, index) => index * step),
    asides: Array.from({ length: 2 * numAside + 1 }, (_, index) => (index - numAside) * step),
    /**
     * CSS pixels in the plot of a place, metres.
     * @param {[number, number]} place
     * @returns {[number, number]}
     */
    find: ([right, ahead]) => [plot.width / 2 + right * scale, plot.height - ahead * scale],
  };
}

/**
 * A footprint that is large enough to see.
 * @param {Pick<Box, "footprint" | "place">} box
 * @param {number} scale CSS pixels a metre
 */
export function widen({ footprint, place }, scale) {
  const [one, two, three] = footprint;
  /** @param {number[]} from @param {number[]} to */
  const halve = (from, to) => {
    const side = [to[0] - from[0], to[1] - from[1]];
    const length = Math.hypot(...side) * scale || 1;
    const factor = Math.max(1, LEAST_SIDE / length);
    return side.map((part) => (part / 2) * factor);
  };
  const [along, across] = [halve(three, two), halve(two, one)];
  return [
    [1, 1],
    [1, -1],
    [-1, -1],
    [-1, 1],
  ].map(([ahead, aside]) =>
    [0, 1].map((axis) => place[axis] + ahead * along[axis] + aside * across[axis]),
  );
}

/**
 * Number of the box whose middle is nearest to a place, metres; -1 where none is near.
 * @param {Pick<Box, "place" | "size">[]} boxes
 * @param {number[]} place
 * @param {number} scale CSS pixels a metre
 */
export function findNearest(boxes, [right, ahead], scale) {
  let [found, least] = [-1, Infinity];
  boxes.forEach(({ place, size: [length, , width] }, index) => {
    const distance = Math.hypot(place[0] - right, place[1] - ahead);
    if (distance < least && distance <= Math.max(NEAR / scale, length / 2, width / 2))
      [found, least] = [index, distance];
  });
  return found;
}

/**
 * @param {object} calls
 * @param {string} calls.keysId of what says what keys do
 * @param {(box: BoxRef | null, isPinned: boolean) => void} calls.onPoint a box is pointed at, or
 *   none; pinned where no mouse pointer shows it
 * @param {() => void} calls.onLeave the mouse has left
 * @param {(direction: [number, number], isFine: boolean) => boolean} calls.onStep
 * @param {() => void} calls.onEscape
 * @param {() => void} calls.onResize
 */
export function makeBirdsEye({ keysId, onPoint, onLeave, onStep, onEscape, onResize }) {
  const looks = { class: "sv-out-birdseye", role: "img", tabindex: 0 };
  const svg = make("svg", { ...looks, "aria-describedby": keysId });
  const [less, more] = [
    ["+", "Show fewer metres"],
    ["−", "Show more metres"],
  ].map(([sign, title]) => make("button", { type: "button", title, "aria-label": title }, sign));
  const buttons = make("div", { class: "sv-out-reach" }, less, more);
  const box = make("div", { class: "sv-out-plan" }, svg, buttons);
  /** @type {Plan} */
  let plan = null; // the last one that came
  /** @type {number} */
  let reach = null; // metres ahead, if the user chose them
  /** @type {PlanBox[]} */
  let boxes = [];
  /** @type {Element[]} */
  let marks = []; // one for each box
  /** @type {ReturnType<typeof layOut>} */
  let layout = null;
  let signature = ""; // of what is drawn; while it stays, only what is lit changes

  /** @param {PointerEvent} event */
  function point(event) {
    if (!layout) return;
    const { left, top } = svg.getBoundingClientRect();
    const { plot, scale } = layout;
    const right = (event.clientX - left - plot.x - plot.width / 2) / scale;
    const ahead = (plot.height - (event.clientY - top - plot.y)) / scale;
    const found =
      boxes[
        findNearest(
          boxes.map((shown) => shown.box),
          [right, ahead],
          scale,
        )
      ];
    const isPinned = event.pointerType === "touch";
    onPoint(found ? { side: found.side, index: found.index } : null, isPinned);
  }

  for (const [button, step] of /** @type {const} */ ([
    [less, -1],
    [more, 1],
  ])) {
    button.addEventListener("click", () => {
      reach = REACHES[REACHES.indexOf(getReach()) + step];
      draw(plan);
    });
  }
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  svg.addEventListener("pointerleave", onLeave);
  listenToKeys(svg, onStep, onEscape);
  new ResizeObserver(onResize).observe(box);

  const getReach = () => reach ?? chooseReach(plan.all);

  /** @param {Plan} newest */
  function draw(newest) {
    plan = newest;
    const { clientWidth: width, clientHeight: height } = box;
    if (!width || !height) return;
    boxes = plan.boxes;
    less.disabled = getReach() === REACHES[0];
    more.disabled = getReach() === REACHES.at(-1);
    const now = JSON.stringify([width, height, plan.sights, getReach(), boxes.map(nameBox)]);
    if (now !== signature) {
      signature = now;
      layout = layOut(width, height, getReach());
      marks = boxes.map((shown) => makeMark(shown, layout));
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      svg.replaceChildren(...makeGround(layout, plan.sights), makePlot(layout, marks));
      const outside = boxes.filter((shown) => !isInside(shown.box, layout)).length;
      if (outside) svg.append(makeNote(layout, `${outside} outside of this view`));
    }
    svg.setAttribute("aria-label", plan.words);
    svg.classList.toggle(
      "sv-out-dim",
      boxes.some(({ isLit }) => isLit),
    );
    marks.forEach((mark, index) => mark.classList.toggle("sv-out-lit", boxes[index].isLit));
  }

  return { box, draw };
}

/** @param {PlanBox} shown */
const nameBox = ({ side, box: { footprint, place }, words }) => [side, footprint, place, words];

/**
 * @param {Box} box
 * @param {ReturnType<typeof layOut>} layout
 */
function isInside({ place }, { plot, find }) {
  const [x, y] = find(place);
  return x >= 0 && x <= plot.width && y >= 0 && y <= plot.height;
}

/**
 * What the camera sees, the grid, and its metres.
 * @param {ReturnType<typeof layOut>} layout
 * @param {[number, number]} sights metres to the left and right that the camera sees a metre ahead
 */
function makeGround({ plot, aheads, asides, find, aside, scale }, sights) {
  const { x, y, width, height } = plot;
  const far = height / scale;
  /** @param {[number, number][]} places */
  const join = (places) => places.map((place) => find(place).join()).join(" ");
  /** @param {string} words @param {Record<string, string | number>} at */
  const write = (words, at) => make("text", at, words);
  const edges = sights.map((sight) => /** @type {[number, number]} */ ([sight * far, far]));
  const lines = [
    ...aheads.map((metres) => [find([-aside, metres]), find([aside, metres])]),
    ...asides.map((metres) => [find([metres, 0]), find([metres, far])]),
  ];
  return [
    make(
      "svg",
      { class: "sv-out-ground", x, y, width, height },
      make("rect", { width, height }),
      make("polyline", { points: join([edges[0], [0, 0], edges[1]]) }),
      ...lines.map(([[x1, y1], [x2, y2]]) => make("line", { x1, y1, x2, y2 })),
      make("polyline", { class: "sv-out-sight", points: join([edges[0], [0, 0], edges[1]]) }),
    ),
    ...aheads.map((metres) =>
      write(String(metres), { x: x - 6, y: y + find([0, metres])[1] + 4, "text-anchor": "end" }),
    ),
    ...asides.map((metres) =>
      write(String(metres).replace("-", "−"), {
        x: x + find([metres, 0])[0],
        y: y + height + 15,
        "text-anchor": "middle",
      }),
    ),
    write("metres to the left (−) and right", {
      class: "sv-axis",
      x: x + width / 2,
      y: y + height + 33,
      "text-anchor": "middle",
    }),
    write("metres ahead", {
      class: "sv-axis",
      transform: `translate(12 ${y + height / 2}) rotate(-90)`,
      "text-anchor": "middle",
    }),
  ];
}

/**
 * @param {ReturnType<typeof layOut>} layout
 * @param {Element[]} marks the nearest first, the last on top
 */
function makePlot({ plot: { x, y, width, height } }, marks) {
  return make("svg", { x, y, width, height }, ...marks);
}

/**
 * A footprint with its front, and a line from its middle out of it.
 * @param {PlanBox} shown
 * @param {ReturnType<typeof layOut>} layout
 */
function makeMark({ side, box, words }, { scale, find }) {
  const corners = widen(box, scale).map((corner) => find(/** @type {[number, number]} */ (corner)));
  const [one, two] = corners;
  const middle = find(box.place);
  const front = [0, 1].map((axis) => (one[axis] + two[axis]) / 2);
  const tip = [0, 1].map((axis) => front[axis] + (front[axis] - middle[axis]) * 0.6);
  return make(
    "g",
    { class: `sv-out-mark sv-out-${side}` },
    make("title", {}, words),
    make("path", { d: `M${corners.join("L")}Z` }),
    make("polyline", { class: "sv-out-front", points: [one, two].join(" ") }),
    make("line", { x1: middle[0], y1: middle[1], x2: tip[0], y2: tip[1] }),
  );
}

/**
 * @param {ReturnType<typeof layOut>} layout
 * @param {string} words
 */
function makeNote({ plot: { x, y } }, words) {
  const at = { class: "sv-out-note", x: x + 6, y: y + 15 };
  return make("text", at, words);
}
