// What every part of the page that Python makes as HTML can do: draw its charts, and press what has
// a data-index. It may be drawn anew at any moment, while a button is held down or has the focus.

import { drawCharts } from "./chart.js";

/** @import { View } from "./types.d.ts" */

/** @param {EventTarget} target @returns {HTMLElement | null} */
const find = (target) => /** @type {HTMLElement} */ (target).closest?.("[data-index]") ?? null;

/** @param {View} view */
export function mount({ element, trigger, watch }) {
  /** @type {HTMLElement} */
  let held = null; // what the pointer went down on
  /** @type {string} */
  let focused = null; // the index that has the focus

  /** @param {HTMLElement} cell */
  function select(cell) {
    trigger("select", { index: Number(cell.dataset.index), value: null });
  }

  element.addEventListener("click", (event) => {
    const cell = find(event.target);
    if (cell) select(cell);
  });

  element.addEventListener("pointerdown", (event) => (held = find(event.target)));
  element.addEventListener("pointerup", (event) => {
    const cell = find(event.target);
    // No click follows where the element is a new one.
    if (held && cell && !held.isConnected && held.dataset.index === cell.dataset.index)
      select(cell);
    held = null;
  });

  // A point of a chart is no button of the browser's own.
  element.addEventListener("keydown", (event) => {
    /** @type {HTMLElement} */
    const cell = /** @type {Element} */ (event.target).closest("g[data-index]");
    if (!cell || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    select(cell);
  });

  element.addEventListener(
    "focusin",
    (event) => (focused = find(event.target)?.dataset.index ?? null),
  );
  element.addEventListener("focusout", ({ target }) => {
    // An element that is being removed tells so while it is still there.
    queueMicrotask(() => {
      if (/** @type {Element} */ (target).isConnected) focused = null;
    });
  });
  new MutationObserver(() => {
    if (focused === null || element.contains(document.activeElement)) return;
    /** @type {HTMLElement} */
    const cell = element.querySelector(`[data-index="${focused}"]`);
    focused = null;
    cell?.focus({ preventScroll: true });
  }).observe(element, { childList: true, subtree: true });

  const draw = () => drawCharts(element);
  watch("value", draw); // which has emptied the charts
  draw();
}
