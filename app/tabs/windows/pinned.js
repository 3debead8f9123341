// One window: what is said beside the cursor, and of the pinned place below the filmstrip.
import { findCell, findWindow, isKept } from "../../page/cells.js";
import { make } from "../../page/common.js";
import { makeTable, strong } from "./words.js";

/** @import { Area, Block, Cell, Place } from "../../page/types.d.ts" */
/** @import { Shown } from "./types.d.ts" */

const GAP = 6; // CSS pixels between a window and what is said of it

/** @param {Place} place */
export const isOnPicture = ({ x, y }) => x >= 0 && x < 1 && y >= 0 && y < 1;

/**
 * In how many blocks a place is computed.
 * @param {Shown} shown
 * @param {Place} place
 */
export const countAt = ({ blocks }, place) =>
  blocks.filter((block) => isKept(block, findWindow(block, place))).length;

/**
 * The middle of the cell that lies so many cells to the right of a place and below it.
 * @param {Block} block
 * @param {Place} place
 * @param {[number, number]} steps
 */
export function stepFrom(block, place, [across, down]) {
  /**
   * @param {Cell[]} axis
   * @param {number} at
   * @param {number} by
   */
  const step = (axis, at, by) => {
    const cell = axis[Math.min(axis.length - 1, Math.max(0, findCell(axis, at) + by))];
    return (cell.from + cell.to) / 2;
  };
  return { x: step(block.xs, place.x, across), y: step(block.ys, place.y, down) };
}

/** @param {HTMLElement} stage */
export function makeTip(stage) {
  const node = make("div", { class: "sv-win-tip" });
  node.hidden = true;
  return {
    node,
    hide: () => (node.hidden = true),
    /**
     * Says something of the window at a place, above it or below.
     * @param {(Node | string)[]} words
     * @param {Block} block
     * @param {Place} place
     * @param {Area} area of the picture on the stage
     */
    show(words, block, place, area) {
      node.hidden = false;
      node.replaceChildren(...words);
      const row = block.ys[findCell(block.ys, place.y)];
      const column = block.xs[findCell(block.xs, place.x)];
      const [top, bottom] = [row.from, row.to].map((edge) => area.y + edge * area.height);
      const middle = area.x + ((column.from + column.to) / 2) * area.width;
      const above = top - node.offsetHeight - GAP;
      const left = Math.min(
        stage.clientWidth - node.offsetWidth - 4,
        Math.max(4, middle - node.offsetWidth / 2),
      );
      const below = Math.min(stage.clientHeight - node.offsetHeight - 4, bottom + GAP);
      node.style.transform = `translate(${Math.round(left)}px, ${Math.round(above >= 4 ? above : below)}px)`;
    },
  };
}

/** @param {() => void} letGo */
export function makePinned(letGo) {
  const hint = make(
    "p",
    { class: "sv-win-hint" },
    "Click a window to follow its place through all blocks.",
  );
  const panel = make("section", {
    class: "sv-win-panel",
    "aria-label": "The pinned window in every block",
  });
  return {
    nodes: [hint, panel],
    /**
     * @param {Shown} shown
     * @param {{ pin: Place, block: number }} state
     * @param {string} left what leaving the window out does; empty where nobody asks
     */
    update(shown, { pin, block }, left) {
      panel.hidden = !pin;
      hint.hidden = Boolean(pin);
      if (!pin) return;
      const release = make("button", { type: "button" }, "Let go");
      release.addEventListener("click", letGo);
      const share = strong(`${countAt(shown, pin)} of ${shown.blocks.length} blocks`);
      panel.replaceChildren(
        make("header", {}, make("p", {}, "The pinned place was computed in ", share, "."), release),
        ...(left ? [make("p", { class: "sv-win-left", "aria-live": "polite" }, left)] : []),
        makeTable(shown.blocks, pin, block),
        make(
          "p",
          { class: "sv-win-hint" },
          "The highest rank fills its bar; bars that pass the line were kept.",
        ),
      );
    },
  };
}
