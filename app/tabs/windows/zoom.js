// Zoom and pan of a picture on a stage.

/** @import { Area, Place } from "../../page/types.d.ts" */
/** @import { ZoomEvents } from "./types.d.ts" */

export const MAX_ZOOM = 16;
const PAINT_STEP = 3; // CSS pixels between two places that a stroke paints
const CLICK_SLACK = 5; // CSS pixels a pointer may travel during a click

/**
 * Places are { x, y }, fractions of the picture; points are { x, y }, CSS pixels of the stage.
 * Calls back: onZoom(level) when the picture lies elsewhere, onHover(place), onLeave(),
 * onClick(place), and onDoubleClick() after the second click of a pair, which has zoomed in. While
 * isPainting(), one pointer calls onPaint(places, isSameStroke) and moves nothing. Places may lie off
 * the picture.
 * @param {HTMLElement} stage
 * @param {ZoomEvents} events
 */
export function makeZoom(stage, events) {
  const { onZoom, onHover, onLeave, onClick, onDoubleClick, isPainting, onPaint } = events;
  /** @type {Map<number, Place>} */
  const pressed = new Map(); // pointer id -> point
  let size = { width: 1, height: 1 }; // of the picture, any unit
  let level = 1; // 1 fits the whole picture
  let centre = { x: 0.5, y: 0.5 }; // the place in the middle of the stage
  let travelled = 0; // CSS pixels since the press

  const middle = () => ({ x: stage.clientWidth / 2, y: stage.clientHeight / 2 });
  /**
   * @param {Place} first
   * @param {Place} second
   */
  const distance = (first, second) => Math.hypot(first.x - second.x, first.y - second.y);
  /**
   * @param {Place} first
   * @param {Place} second
   */
  const between = (first, second) => ({ x: (first.x + second.x) / 2, y: (first.y + second.y) / 2 });

  /**
   * Points close to each other from one to another, this one with them.
   * @param {Place} from
   * @param {Place} to
   */
  function listBetween(from, to) {
    const steps = Math.max(1, Math.ceil(distance(from, to) / PAINT_STEP));
    return Array.from({ length: steps }, (_, step) => ({
      x: from.x + ((step + 1) / steps) * (to.x - from.x),
      y: from.y + ((step + 1) / steps) * (to.y - from.y),
    }));
  }

  // Where the picture lies, { x, y, width, height } in CSS pixels; it leaves no gap it could fill.
  function getArea() {
    const scale =
      level * Math.min(stage.clientWidth / size.width, stage.clientHeight / size.height);
    /**
     * @param {number} length
     * @param {number} room
     * @param {number} place
     */
    const start = (length, room, place) =>
      length <= room
        ? (room - length) / 2
        : Math.min(0, Math.max(room - length, room / 2 - place * length));
    const [width, height] = [size.width * scale, size.height * scale];
    return {
      x: start(width, stage.clientWidth, centre.x),
      y: start(height, stage.clientHeight, centre.y),
      width,
      height,
    };
  }

  /**
   * The place at a point.
   * @param {Place} point
   */
  function locate(point) {
    const area = getArea();
    return { x: (point.x - area.x) / area.width, y: (point.y - area.y) / area.height };
  }

  /**
   * Zooms so that a place comes to lie at a point: the place that is there now, if none is given.
   * @param {number} wanted
   * @param {Place} [point]
   * @param {Place} [place]
   */
  function zoomTo(wanted, point = middle(), place = locate(point)) {
    level = Math.min(MAX_ZOOM, Math.max(1, wanted));
    const { width, height } = getArea();
    centre = {
      x: place.x + (middle().x - point.x) / width,
      y: place.y + (middle().y - point.y) / height,
    };
    centre = locate(middle());
    stage.style.touchAction = level > 1 || isPainting() ? "none" : "pan-x pan-y";
    onZoom(level);
  }

  /**
   * Moves a place into view, if it is not.
   * @param {Place} place
   */
  function reveal(place) {
    const area = getArea();
    const point = { x: area.x + place.x * area.width, y: area.y + place.y * area.height };
    const inside =
      point.x >= 0 && point.y >= 0 && point.x <= stage.clientWidth && point.y <= stage.clientHeight;
    if (!inside) zoomTo(level, middle(), place);
  }

  /**
   * Another picture, shown whole.
   * @param {{ width: number, height: number }} newSize
   */
  function reset(newSize) {
    size = newSize;
    level = 1;
    centre = { x: 0.5, y: 0.5 };
    stage.style.touchAction = "pan-x pan-y";
    onZoom(level);
  }

  /** @param {MouseEvent} event */
  function getPoint(event) {
    const box = stage.getBoundingClientRect();
    return {
      x: event.clientX - box.left - stage.clientLeft,
      y: event.clientY - box.top - stage.clientTop,
    };
  }

  stage.addEventListener("pointerdown", (event) => {
    pressed.set(event.pointerId, getPoint(event));
    travelled = pressed.size > 1 ? Infinity : 0;
    stage.setPointerCapture(event.pointerId);
    if (isPainting() && pressed.size === 1) onPaint([locate(getPoint(event))], false);
  });
  stage.addEventListener("pointermove", (event) => {
    const now = getPoint(event);
    const before = pressed.get(event.pointerId);
    if (!before) return onHover(locate(now));
    pressed.set(event.pointerId, now);
    travelled += distance(before, now);
    const other = [...pressed].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const stretch = distance(now, other) / Math.max(1, distance(before, other));
      zoomTo(level * stretch, between(now, other), locate(between(before, other)));
    } else if (isPainting()) {
      onHover(locate(now));
      onPaint(listBetween(before, now).map(locate), true);
    } else if (travelled > CLICK_SLACK) {
      onLeave();
      zoomTo(level, now, locate(before));
    }
  });
  for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) {
    stage.addEventListener(name, (event) => pressed.delete(event.pointerId));
  }
  stage.addEventListener("pointerleave", onLeave);
  // Two fingers are ours; the browser would scroll the page with them.
  stage.addEventListener(
    "touchmove",
    (event) => {
      if (event.touches.length > 1) event.preventDefault();
    },
    { passive: false },
  );
  // A pinch on a touchpad comes as a wheel with Ctrl.
  stage.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      zoomTo(level * Math.exp(-event.deltaY / 200), getPoint(event));
    },
    { passive: false },
  );
  stage.addEventListener("click", (event) => {
    if (travelled > CLICK_SLACK || isPainting()) return;
    const point = getPoint(event);
    if (event.detail < 2) return onClick(locate(point));
    zoomTo(level < MAX_ZOOM ? 2 * level : 1, point);
    onDoubleClick();
  });
  return {
    getArea,
    zoomTo,
    reveal,
    reset,
    scale: (/** @type {number} */ factor) => zoomTo(level * factor),
  };
}
