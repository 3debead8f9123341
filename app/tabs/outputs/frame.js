// The picture of the tab "Outputs": a canvas, the handle between its two sides, and the place that
// is read. Places are fractions of the picture.
import { make } from "../../page/common.js";

/** @import { Place } from "./types.d.ts" */

let made = 0; // so that each says itself what keys do
const TAG_ROOM = 0.12; // of the picture; a side narrower than this has no tag
/** @type {Record<string, [number, number]>} */
const DIRECTIONS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/**
 * Keys that read an element's places.
 * @param {GlobalEventHandlers} element
 * @param {(direction: [number, number], isFine: boolean) => boolean} onStep an arrow key; gives
 *   whether it led anywhere
 * @param {() => void} onEscape
 */
export function listenToKeys(element, onStep, onEscape) {
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape") onEscape();
    const direction = DIRECTIONS[event.key];
    if (direction && onStep(direction, event.shiftKey)) event.preventDefault();
  });
}

/** @param {string} path */
export function makeIcon(path) {
  return make("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, make("path", { d: path }));
}

/**
 * A mouse reads the place under it and pulls the handle while pressed; a tap reads, a finger's drag
 * pulls.
 * @param {object} calls
 * @param {() => boolean} calls.hasHandle now
 * @param {(split: number) => void} calls.onSplit the handle is at this share of the width
 * @param {(place: Place, isPinned: boolean) => void} calls.onPlace a place is pointed at; pinned
 *   where no mouse pointer shows it
 * @param {() => void} calls.onLeave the mouse has left
 * @param {(direction: [number, number], isFine: boolean) => boolean} calls.onStep
 * @param {() => void} calls.onEscape
 * @param {() => void} calls.onResize
 */
export function makeFrame({ hasHandle, onSplit, onPlace, onLeave, onStep, onEscape, onResize }) {
  const keysId = `sv-outputs-hint-${made++}`;
  const hint = make("p", { id: keysId, hidden: "" });
  const canvas = make("canvas", { role: "img", tabindex: 0, "aria-describedby": keysId });
  const context = canvas.getContext("2d");
  const range = make("input", { type: "range", min: 0, max: 100 });
  const handle = make("div", { class: "sv-out-handle" }, makeIcon("M9 6 3 12l6 6M15 6l6 6-6 6"));
  const tags = ["left", "right"].map((side) =>
    make("span", { class: `sv-out-tag sv-out-${side}` }),
  );
  const ring = make("span", { class: "sv-out-ring" });
  const square = make("span", { class: "sv-out-square", hidden: "" });
  const box = make(
    "div",
    { class: "sv-out-frame" },
    ...[canvas, range, handle, ...tags, ring, square, hint],
  );
  let dragging = false;

  /** @param {PointerEvent} event */
  function point(event) {
    const area = box.getBoundingClientRect();
    const u = (event.clientX - area.left) / area.width;
    const touch = event.pointerType === "touch";
    if (dragging && !(touch && event.type === "pointerdown")) onSplit(u);
    onPlace({ u, v: (event.clientY - area.top) / area.height }, touch);
  }

  box.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    dragging = hasHandle();
    box.setPointerCapture(event.pointerId);
    point(event);
  });
  box.addEventListener("pointermove", point);
  box.addEventListener("lostpointercapture", () => {
    dragging = false;
  });
  box.addEventListener("pointerleave", onLeave);
  range.addEventListener("input", () => onSplit(Number(range.value) / 100));
  listenToKeys(canvas, onStep, onEscape);
  new ResizeObserver(onResize).observe(canvas);

  return {
    box,
    keysId,

    // The canvas in the size it has on screen, to draw on; null while it has none.
    fit() {
      if (!canvas.clientWidth) return null;
      const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) =>
        Math.round(side * devicePixelRatio),
      );
      if (canvas.width !== width || canvas.height !== height)
        Object.assign(canvas, { width, height });
      return context;
    },

    /**
     * @param {string} words what the picture shows
     * @param {string} keys what keys do
     */
    describe(words, keys) {
      canvas.setAttribute("aria-label", words);
      hint.textContent = keys;
    },

    /**
     * @param {number} split
     * @param {string[]} names of both sides
     */
    showSplit(split, names) {
      range.value = String(100 * split);
      range.setAttribute(
        "aria-label",
        `Share of the picture that shows ${names[0]}, beside ${names[1]}`,
      );
      handle.style.left = `${100 * split}%`;
      tags.forEach((tag, index) => {
        tag.textContent = names[index];
        tag.hidden = (index === 0 ? split : 1 - split) < TAG_ROOM;
      });
    },

    /** @param {(Place & { width: number, height: number }) | null} area */
    showSquare(area) {
      square.hidden = !area;
      if (!area) return;
      const [left, top, width, height] = [area.u, area.v, area.width, area.height].map(
        (share) => `${100 * share}%`,
      );
      Object.assign(square.style, { left, top, width, height });
    },

    /** @param {Place | null} place */
    showRing(place) {
      ring.hidden = !place;
      if (!place) return;
      ring.style.left = `${100 * place.u}%`;
      ring.style.top = `${100 * place.v}%`;
    },
  };
}
