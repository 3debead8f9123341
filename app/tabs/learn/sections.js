// The diagram of a block and the sections under the steps.
import { drawChart } from "../../page/chart.js";
import { make, percent } from "../../page/common.js";
import { count, short } from "./geometry.js";

/** @import { Size } from "../../page/types.d.ts" */
/** @import { Adaptation, Layers, LearnValue, Rect, Shift, Stage } from "./types.d.ts" */

/**
 * @param {string} name
 * @param {...(Node | string)} children
 */
export const box = (name, ...children) => make("div", { class: `sv-learn-${name}` }, ...children);
/** @param {string} text */
const joinUnits = (text) => text.replaceAll(" %", "\u00a0%").replaceAll(" × ", "\u00a0×\u00a0");
/** @param {string[]} words */
export const paragraphs = (words) => words.map((text) => make("p", {}, joinUnits(text)));

/**
 * Marks a drawing made of boxes as one picture with these words.
 * @param {HTMLElement} node
 * @param {string} words
 */
function describe(node, words) {
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", words);
  return node;
}

/**
 * The block between the batch on its way in and out, with the arithmetic it needs.
 * @param {LearnValue} value
 */
export function makeFlow({ ranking, kept, macs, steps }) {
  const [batch, weights] = steps[4].shapes;
  /** @param {string[][]} nodes */
  const half = (...nodes) =>
    box(
      "half",
      ...nodes.map(([name, about, kind = ""]) =>
        make(
          "div",
          { class: `sv-learn-node ${kind}` },
          make("b", {}, name),
          make("small", {}, about),
        ),
      ),
    );
  const add = ["+", "input", "sv-learn-add"];
  const most = Math.max(macs.dense, macs.sparse);
  /**
   * @param {string} name
   * @param {number} gmacs
   * @param {string} kind
   */
  const makeGauge = (name, gmacs, kind) => ({
    name,
    value: `${short(gmacs)} GMACs`,
    bars: [{ kind, to: gmacs }],
  });
  const gauges = box("gauges");
  drawChart(gauges, {
    kind: "bars",
    most,
    rows: [
      makeGauge(`all ${count(ranking.length)} windows`, macs.dense, "track"),
      makeGauge(`these ${count(kept)}`, macs.sparse, "sparse"),
    ],
  });
  return [
    half(
      ["Norm", "each token alone"],
      ["Window attention", `weights ${weights.sizes}`, "sv-learn-wide"],
      add,
    ),
    half(["Norm", "each token alone"], ["MLP", `tokens ${batch.sizes}`, "sv-learn-wide"], add),
    gauges,
  ];
}

/**
 * What each stage costs and what each of its blocks keeps.
 * @param {Layers} layers
 */
export function makeLayers({ stages, fixed, dense }) {
  const most = Math.max(fixed, ...stages.map((stage) => Math.max(stage.dense, stage.sparse)));
  /** @param {Stage} stage */
  const makeBar = (stage) => {
    const bar = box("bar");
    const part = { bars: [{ kind: "sparse", to: stage.sparse }], track: stage.dense };
    drawChart(bar, { kind: "bars", most, rows: [part] });
    return bar;
  };
  /**
   * @param {Size} size
   * @param {number} block
   */
  const column = ([kept, total], block) =>
    make("i", {
      style: `--kept: ${(100 * kept) / total}%`,
      title: `block ${block + 1}: ${kept} of ${total} windows kept`,
    });
  /** @param {Size[]} kept */
  const columns = (kept) =>
    describe(
      box("kept", ...kept.map(column)),
      `Windows kept by block: ${kept.map(([some, all]) => `${some} of ${all}`).join(", ")}`,
    );
  /** @param {Layers["stages"][0]} stage */
  const row = (stage) =>
    box(
      "stage-row",
      make("b", {}, stage.name),
      make("span", {}, stage.about),
      makeBar(stage),
      make(
        "small",
        {},
        `${short(stage.sparse)} of ${short(stage.dense)} GMACs` +
          `${stage.sparse > stage.dense ? " (padding)" : ""} · ${percent(stage.dense / dense)} of the dense network`,
      ),
      ...(stage.kept.length ? [columns(stage.kept)] : []),
    );
  const about = "never pruned: embedding, merging, head";
  const rest = {
    name: "The rest",
    about,
    dense: fixed,
    sparse: fixed,
    kept: /** @type {Size[]} */ ([]),
  };
  const key =
    "Bars: arithmetic left (blue) of dense (outline). Columns: share of windows each block keeps.";
  return [...[...stages, rest].map(row), make("small", {}, key)];
}

/**
 * Random schedules as the adaptation draws them: a row for each pair, a column for each training
 * step.
 * @param {Adaptation} options
 */
export function makeDraws({ rows, draws }) {
  /** @param {number} sparsity */
  const cell = (sparsity) =>
    make("i", { style: `--s: ${sparsity}`, title: `${percent(sparsity)} skipped` });
  const lines = rows.map((name, row) =>
    box("draw", make("span", {}, name), ...draws.map((draw) => cell(draw[row]))),
  );
  const picture = describe(
    box("grid", ...lines),
    `Random schedules of ${draws.length} training steps, 0 % to 80 % skipped`,
  );
  return [
    picture,
    make("small", {}, "Each column is one training step."),
    make("small", { class: "sv-learn-scale" }, "0 %", make("i", {}), "80 % skipped"),
  ];
}

/**
 * The photo under a grid of windows that is `moved` from plain (0) to shifted (1).
 * @param {CanvasRenderingContext2D} ctx
 * @param {Shift} shift
 */
export function paintShift(ctx, { width, height, moved, grid, photo, pieces }) {
  const [unitX, unitY] = [width / grid.tokens[1], height / grid.tokens[0]];
  const [stepX, stepY] = [grid.window[1] * unitX, grid.window[0] * unitY];
  const [byX, byY] = [grid.shift[1] * unitX * moved, grid.shift[0] * unitY * moved];
  ctx.drawImage(photo, 0, 0, width, height);
  /**
   * @param {number} offsetX
   * @param {number} offsetY
   * @param {string} colour
   * @param {number} lineWidth
   * @param {number[]} dash
   */
  const lines = (offsetX, offsetY, colour, lineWidth, dash) => {
    Object.assign(ctx, { strokeStyle: colour, lineWidth });
    ctx.setLineDash(dash);
    ctx.beginPath();
    for (let x = offsetX; x < width; x += stepX) ctx.rect(x, -lineWidth, 0, height + 2 * lineWidth);
    for (let y = offsetY; y < height; y += stepY) ctx.rect(-lineWidth, y, width + 2 * lineWidth, 0);
    ctx.stroke();
  };
  // One window, and one that comes back on the other side.
  const split = pieces.reduce((best, next) => (next.length > best.length ? next : best));
  /**
   * @param {string} colour
   * @param {...Rect} rects
   */
  const fill = (colour, ...rects) => {
    ctx.fillStyle = colour;
    for (const rect of rects) ctx.fillRect(...rect);
  };
  const middle = [width / stepX, height / stepY].map((windows) =>
    Math.floor((Math.ceil(windows) - 1) / 2),
  );
  fill("rgb(86 180 233 / 0.55)", [byX + middle[0] * stepX, byY + middle[1] * stepY, stepX, stepY]);
  if (moved === 1) {
    fill(
      "rgb(240 160 75 / 0.6)",
      ...split.map(
        (p) => /** @type {Rect} */ ([p.x * unitX, p.y * unitY, p.w * unitX, p.h * unitY]),
      ),
    );
  }
  lines(0, 0, "rgb(255 255 255 / 0.55)", 1, [3, 4]);
  lines(byX, byY, "rgb(0 0 0 / 0.7)", 4, []);
  lines(byX, byY, "#ffffff", 2, []);
}

const LINKS = [
  [
    "SparseViT: Revisiting Activation Sparsity for Efficient High-Resolution Vision Transformer (CVPR 2023)",
    "https://arxiv.org/abs/2303.17605",
  ],
  [
    "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows (ICCV 2021)",
    "https://arxiv.org/abs/2103.14030",
  ],
];

export const makeLinks = () =>
  make(
    "ul",
    { class: "sv-learn-links" },
    ...LINKS.map(([name, href]) =>
      make("li", {}, make("a", { href, target: "_blank", rel: "noopener" }, name)),
    ),
  );
