// The filmstrip: a small picture of every block, from left to right as the network runs them.
import { make, percent } from "../../page/common.js";
import { paintMask } from "../../page/paint.js";
import { formatNumber } from "./words.js";

/** @import { Place } from "../../page/types.d.ts" */
/** @import { Shown, Thumb } from "./types.d.ts" */

/**
 * Clears a canvas, its pixels those of the screen; returns its context and how many make a CSS
 * pixel.
 * @param {HTMLCanvasElement} node
 * @returns {[CanvasRenderingContext2D, number]}
 */
export function startCanvas(node) {
  const ratio = window.devicePixelRatio;
  const context = node.getContext("2d");
  const [width, height] = [node.clientWidth, node.clientHeight].map((length) =>
    Math.round(length * ratio),
  );
  if (node.width === width && node.height === height) context.clearRect(0, 0, width, height);
  else [node.width, node.height] = [width, height];
  return [context, ratio];
}

/**
 * @param {Thumb} thumb
 * @param {Shown} shown
 * @param {number} index
 */
function drawThumb(thumb, shown, index) {
  const block = shown.blocks[index];
  const { clientWidth, clientHeight } = thumb.canvas;
  const drawn = [
    shown.key,
    clientWidth,
    clientHeight,
    window.devicePixelRatio,
    block.cols,
    block.keep,
  ].join();
  if (drawn === thumb.drawn) return;
  thumb.drawn = drawn;
  const [context] = startCanvas(thumb.canvas);
  paintMask(
    context,
    { x: 0, y: 0, width: thumb.canvas.width, height: thumb.canvas.height },
    shown.layers.small,
    block,
  );
}

/**
 * A strip that calls back with the number of the block that is chosen; it may lie outside.
 * @param {(block: number) => void} chooseBlock
 */
export function makeStrip(chooseBlock) {
  /** @type {Thumb[]} */
  let thumbs = [];
  let current = 0; // block
  const box = make("div", {
    class: "sv-win-strip",
    role: "group",
    "aria-label": "Blocks of the network",
  });

  /** @param {Shown} shown */
  function build(shown) {
    thumbs = shown.blocks.map((block, index) => {
      const [thumb, dot, share] = [make("canvas"), make("i", { class: "sv-win-dot" }), make("em")];
      const button = make(
        "button",
        { type: "button" },
        make("span", { class: "sv-win-thumb" }, thumb, dot),
        make("span", {}, formatNumber(block), share),
      );
      button.addEventListener("click", () => chooseBlock(index));
      return { button, canvas: thumb, dot, share, drawn: "" };
    });
    const stages = [...new Set(shown.blocks.map((block) => block.stage))];
    box.replaceChildren(
      ...stages.map((number) => {
        const buttons = thumbs
          .filter((_, index) => shown.blocks[index].stage === number)
          .map(({ button }) => button);
        const group = make("div", {
          role: "group",
          "aria-label": `Stage ${number}`,
          style: `--blocks: ${buttons.length}`,
        });
        group.append(
          make("b", {}, `Stage ${number}`),
          make("div", { class: "sv-win-thumbs" }, ...buttons),
        );
        return group;
      }),
    );
  }

  /**
   * @param {Shown} shown
   * @param {{ block: number, pin: Place }} state
   */
  function update(shown, state) {
    current = state.block;
    shown.blocks.forEach((block, index) => {
      const { button, dot, share } = thumbs[index];
      const kept = percent(block.kept / block.total);
      const isCurrent = index === current;
      share.textContent = shown.waiting ? "–" : kept;
      button.classList.toggle("sv-win-preview", block.state === "preview");
      button.setAttribute("aria-label", `${block.name}: ${kept} of its windows kept`);
      button.setAttribute("aria-pressed", String(isCurrent));
      button.tabIndex = isCurrent ? 0 : -1;
      dot.hidden = !state.pin;
      if (!state.pin) return;
      dot.style.left = `${100 * state.pin.x}%`;
      dot.style.top = `${100 * state.pin.y}%`;
    });
  }

  box.addEventListener("keydown", (event) => {
    const last = thumbs.length - 1;
    /** @type {Record<string, number>} */
    const steps = {
      ArrowLeft: -1,
      ArrowUp: -1,
      ArrowRight: 1,
      ArrowDown: 1,
      Home: -last,
      End: last,
    };
    if (!(event.key in steps)) return;
    event.preventDefault();
    chooseBlock(current + steps[event.key]);
    thumbs[current].button.focus();
  });

  return {
    box,
    build,
    update,
    draw: (/** @type {Shown} */ shown) =>
      thumbs.forEach((thumb, index) => drawThumb(thumb, shown, index)),
  };
}
