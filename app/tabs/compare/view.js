// What is pinned, A, against what is shown, B: which windows only one of them keeps, and what both
// answer, from the JSON of app/tabs/compare/view.py.
import { addAxes } from "../../page/cells.js";
import { make, onValue, percent } from "../../page/common.js";
import { makeLayers } from "../../page/paint.js";
import { getPhoto, onPhoto } from "../../page/photo.js";
import { makeOutputs } from "../outputs/view.js";
import { makeStrip, startCanvas } from "../windows/strip.js";
import { layOver, paintOverlay } from "./overlay.js";

/** @import { Layers, View } from "../../page/types.d.ts" */
/** @import { Shown } from "../windows/types.d.ts" */
/** @import { CompareValue, Counts, Pair } from "./types.d.ts" */

/** @type {Record<keyof Counts, string>} */
const LOOKS = {
  both: "kept by both",
  only_a: "only by A",
  only_b: "only by B",
  neither: "by neither",
};

/** @param {Counts} counts */
export const findDiffering = ({ both, only_a: onlyA, only_b: onlyB, neither }) =>
  (onlyA + onlyB) / (both + onlyA + onlyB + neither);

/**
 * A count of windows, or a share of the picture, in words.
 * @param {Pick<Pair, "counts" | "windows">} pair
 * @param {keyof Counts} name
 */
export const sayCount = ({ counts, windows }, name) =>
  windows ? String(counts[name]) : percent(counts[name]);

/** @param {View} view */
export function mount({ element, trigger, props, watch }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".sv-compare");
  /** @type {CompareValue} */
  let newest = null; // what Python sent last
  /** @type {{ key: string, pairs: Pair[], layers: Layers } | null} */
  let shown = null;
  let current = 0; // block
  let listed = ""; // blocks in the strip
  let frame = 0;

  /* ---- The parts, made once ---- */

  const name = make("b");
  const about = make("span");
  const canvas = make("canvas", { role: "img" });
  const stage = make("div", { class: "sv-ab-stage" }, canvas);
  const counts = Object.entries(LOOKS).map(([kind, words]) => {
    const number = make("b");
    const key = make("span", { class: "sv-ab-key" }, make("i", { class: `sv-ab-${kind}` }), number);
    key.append(` ${words}`);
    return { kind: /** @type {keyof Counts} */ (kind), number, key };
  });
  const legend = make("p", { class: "sv-ab-legend" }, ...counts.map(({ key }) => key));
  const note = make("p", { class: "sv-note" });
  const strip = makeStrip(choose);
  const masks = make(
    "section",
    { class: "sv-ab-masks", "aria-label": "Windows that A and B keep" },
    make("h4", {}, "Windows that A and B keep"),
    make("p", { class: "sv-ab-head", "aria-live": "polite" }, name, about),
    stage,
    legend,
    strip.box,
    note,
  );
  const outputsRoot = make("div", { class: "sv-outputs" });
  const pictures = ["A", "B"].map((side) => {
    const picture = make("img", { alt: `What ${side} answers, over the photo` });
    const caption = make(
      "figcaption",
      {},
      make("i", { class: `sv-pin-${side.toLowerCase()}` }, side),
    );
    return { picture, box: make("figure", {}, picture, caption) };
  });
  const apart = make("div", { class: "sv-ab-apart" }, ...pictures.map(({ box }) => box));
  const outputsNote = make(
    "p",
    { class: "sv-note" },
    "A and B answer different questions, so their outputs cannot be laid over each other.",
  );
  const answers = make(
    "section",
    { "aria-label": "What A and B answer" },
    make("h4", {}, "What A and B answer"),
    outputsNote,
    outputsRoot,
    apart,
  );
  root.append(masks, answers);
  root.hidden = true;
  const outputs = makeOutputs(outputsRoot);

  /* ---- What is shown ---- */

  // Puts what Python sent last on screen, once the photo it belongs to is there.
  function settle() {
    const photo = getPhoto();
    if (!newest?.blocks) {
      root.hidden = true;
      shown = null;
      return;
    }
    if (photo?.key !== newest.key) return;
    const pairs = newest.blocks.map((pair) => {
      const [a, b] = [addAxes(pair.a), addAxes(pair.b)];
      return { ...pair, a, b, overlay: layOver(a, b) };
    });
    const layers = shown?.key === newest.key ? shown.layers : makeLayers(photo.image);
    shown = { key: newest.key, pairs, layers };
    current = Math.min(current, pairs.length - 1);
    root.hidden = false;
    root.style.setProperty("--ratio", String(photo.width / photo.height));
    const names = pairs.map((pair) => pair.name).join();
    if (names !== listed) strip.build(describeStrip());
    listed = names;
    for (const [index, side] of /** @type {const} */ (["a", "b"]).entries()) {
      if (newest.apart) pictures[index].picture.src = newest.apart[side];
    }
    apart.hidden = !newest.apart;
    outputsNote.hidden = !newest.apart;
    update();
  }

  /** The blocks as the filmstrip takes them. */
  const describeStrip = () =>
    /** @type {Shown} */ (
      /** @type {unknown} */ ({ key: shown.key, blocks: shown.pairs, waiting: false })
    );

  /** @param {number} index */
  function choose(index) {
    current = Math.min(shown.pairs.length - 1, Math.max(0, index));
    update();
  }

  // Every word for the block; pictures follow with the next frame.
  function update() {
    const pair = shown.pairs[current];
    const unit = pair.windows ? "of its windows" : "of the picture";
    name.textContent = pair.name;
    about.textContent = `: ${percent(findDiffering(pair.counts))} ${unit} kept by one of the two alone`;
    for (const { kind, number } of counts) number.textContent = sayCount(pair, kind);
    canvas.setAttribute(
      "aria-label",
      `${name.textContent}${about.textContent}. ${legend.textContent}`,
    );
    const places = pair.windows
      ? []
      : ["A and B have other windows here, so places of the picture are compared, not windows."];
    note.textContent = [...places, ...newest.notes].join(" ");
    strip.update(describeStrip(), { block: current, pin: null });
    strip.box.querySelectorAll("button").forEach((button, index) => {
      const differing = percent(findDiffering(shown.pairs[index].counts));
      button.querySelector("em").textContent = differing;
      button.setAttribute("aria-label", `${shown.pairs[index].name}: ${differing} differ`);
    });
    requestDraw();
  }

  function requestDraw() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  }

  function draw() {
    if (!shown || !stage.clientWidth) return; // in a tab that is not open
    paint(canvas, shown.layers, shown.pairs[current]);
    strip.box.querySelectorAll("canvas").forEach((thumb, index) => {
      paint(thumb, shown.layers.small, shown.pairs[index], true);
    });
  }

  /**
   * @param {HTMLCanvasElement} node
   * @param {Pick<Layers, "photo" | "pruned">} layers
   * @param {Pair} pair
   * @param {boolean} [isSmall]
   */
  function paint(node, layers, { overlay }, isSmall) {
    const [context, ratio] = startCanvas(node);
    const area = { x: 0, y: 0, width: node.width, height: node.height };
    paintOverlay(context, area, ratio, layers, overlay, isSmall);
  }

  new ResizeObserver(requestDraw).observe(stage);
  onPhoto(settle);
  onValue({ props, watch }, (/** @type {CompareValue} */ value) => {
    newest = value;
    if (value?.settle) trigger("settle");
    outputs.take(value?.outputs ?? null);
    settle();
  });
}
