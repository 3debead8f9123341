// The brush: windows that a person keeps or skips by hand. What is painted lies with the sliders,
// since the network runs with both.
import { make } from "../../page/common.js";
import { makeSwitch } from "../../page/switch.js";
import { isOwn, namePainted } from "./preview.js";

/** @import { Painted } from "../../page/types.d.ts" */
/** @import { Brush, BrushUse, WindowsBlock } from "./types.d.ts" */

/** @type {Record<BrushUse, string>} */
const USES = { keep: "Keep", skip: "Skip", erase: "Erase" };
const SCOPES = { stage: "all blocks of the stage", block: "this block alone" };

/**
 * What is painted in all, with some windows of a block more.
 * @param {Painted[]} painted
 * @param {WindowsBlock} block
 * @param {Iterable<number>} windows
 * @param {BrushUse} use
 * @param {boolean} isForBlock this block alone, and not all of the stage
 * @returns {Painted[]}
 */
export function addWindows(painted, block, windows, use, isForBlock) {
  const own = isForBlock ? block.block - 1 : null;
  const some = new Set(windows);
  const rest = (/** @type {number[]} */ numbers) => numbers.filter((window) => !some.has(window));
  /** @type {Painted} */
  let mine = {
    ...{ stage: block.stage - 1, block: own, shifted: block.shifted },
    ...{ rows: block.rows, cols: block.cols, keep: [], skip: [] },
  };
  const others = painted.flatMap((entry) => {
    if (!isOwn(entry, block)) return [entry];
    const left = { ...entry, keep: rest(entry.keep), skip: rest(entry.skip) };
    if (entry.block === own) mine = left;
    // What was meant for the whole stage stays for the others where one block is painted.
    else return use === "erase" || !isForBlock ? [left] : [entry];
    return [];
  });
  const by = (/** @type {number} */ a, /** @type {number} */ b) => a - b;
  if (use !== "erase") mine = { ...mine, [use]: [...mine[use], ...some].sort(by) };
  return [...others, mine].filter(({ keep, skip }) => keep.length + skip.length);
}

/**
 * The row of buttons, and what they say now. Calls back with what is painted in all.
 * @param {{ get(): Painted[], set(painted: Painted[]): void, onSwitch(): void }} calls
 * @returns {Brush}
 */
export function makeBrush({ get, set, onSwitch }) {
  /** @type {Painted[][]} */
  let past = []; // what was painted before each stroke
  /** @type {Painted[]} */
  let mine = null; // what was painted by the last stroke; another's is nothing to undo
  /** @type {BrushUse} */
  let use = "keep";
  let isForBlock = false;
  const scope = make("select", { "aria-label": "Which blocks the brush paints" });
  for (const [value, words] of Object.entries(SCOPES))
    scope.append(make("option", { value }, `in ${words}`));
  scope.addEventListener("change", () => (isForBlock = scope.value === "block"));
  const undo = makeButton("Undo", "Ctrl+Z", goBack);
  const clear = makeButton("Clear", "Let the scores decide again", () => change([]));
  const words = make("span", { class: "sv-win-brush-words", role: "status" });
  const box = make(
    "div",
    { class: "sv-win-brush", role: "group", "aria-label": "Brush" },
    makeSwitch("What the brush does", USES, use, (wanted) => (use = wanted)),
    scope,
    undo,
    clear,
    words,
  );
  box.hidden = true;

  /** @param {Painted[]} painted */
  function change(painted) {
    past.push(get());
    mine = painted;
    set(painted);
  }

  function goBack() {
    if (!past.length) return;
    mine = past.pop();
    set(mine);
  }

  return {
    box,
    isOn: () => !box.hidden,
    toggle() {
      box.hidden = !box.hidden;
      onSwitch();
    },
    undo: goBack,
    /**
     * @param {WindowsBlock} block
     * @param {Iterable<number>} windows
     * @param {boolean} isSameStroke
     */
    paint(block, windows, isSameStroke) {
      const painted = addWindows(get(), block, windows, use, isForBlock);
      if (namePainted(painted) === namePainted(get())) return;
      if (isSameStroke && mine) {
        mine = painted;
        set(painted);
      } else change(painted);
    },
    /** @param {string} text */
    update(text) {
      const painted = get();
      if (namePainted(painted) !== namePainted(mine ?? [])) [past, mine] = [[], null];
      undo.disabled = !past.length;
      clear.disabled = !painted.length;
      words.textContent = text;
    },
  };
}

/**
 * @param {string} label
 * @param {string} title
 * @param {() => void} action
 */
function makeButton(label, title, action) {
  const button = make("button", { type: "button", title }, label);
  button.addEventListener("click", action);
  return button;
}
