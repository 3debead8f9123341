// The windows every block kept, drawn over the photo from the JSON of app/tabs/windows/view.py.
import { addAxes, countComputed, findCell, findWindow, isKept } from "../../page/cells.js";
import { make, onValue, percent } from "../../page/common.js";
import {
  makeLayers,
  paintCompute,
  paintLines,
  paintMask,
  paintOutline,
  paintScores,
} from "../../page/paint.js";
import { getPhoto, onPhoto } from "../../page/photo.js";
import { makeSwitch } from "../../page/switch.js";
import {
  describeView,
  describeWindow,
  formatNumber,
  makeLegend,
  makeTable,
  strong,
} from "./words.js";
import { makeStrip, startCanvas } from "./strip.js";
import { MAX_ZOOM, makeZoom } from "./zoom.js";

/** @import { Area, Cell, Place, View } from "../../page/types.d.ts" */
/** @import { Picture, Shown, WindowsBlock, WindowsValue } from "./types.d.ts" */

/** @type {Record<Picture, string>} */
const VIEWS = { pruned: "Pruned windows", scores: "Scores", compute: "Compute map" };
const WAITING =
  "The network looks at this photo for the first time; what it skips appears here by itself.";
const ZOOM_STEP = 1.5;
const CENTRE = { x: 0.5, y: 0.5 };
const CURSOR_COLOUR = "#ffffff";
const PIN_COLOUR = "#f0a04b";
/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @param {string} label
 * @param {string} path
 * @param {() => void} action
 */
function makeTool(label, path, action) {
  const icon = make(
    "svg",
    { viewBox: "0 0 16 16", "aria-hidden": "true" },
    make("path", { d: path }),
  );
  const button = make(
    "button",
    { type: "button", class: "sv-win-tool", "aria-label": label, title: label },
    icon,
  );
  button.addEventListener("click", action);
  return button;
}

/** @param {Place} place */
const isOnPicture = ({ x, y }) => x >= 0 && x < 1 && y >= 0 && y < 1;

/**
 * @param {Area} area
 * @param {number} ratio
 */
const scaleArea = ({ x, y, width, height }, ratio) => ({
  x: x * ratio,
  y: y * ratio,
  width: width * ratio,
  height: height * ratio,
});

/** @param {View} view */
export function mount({ element, props, watch }) {
  // What the user chose. The pinned place and that of the cursor are { x, y }, fractions of the
  // picture.
  /** @type {{ block: number, view: Picture, pin: Place, cursor: Place }} */
  const state = { block: 0, view: "pruned", pin: null, cursor: null };
  /** @type {WindowsValue} */
  let latest = null; // what Python sent last
  /** @type {Shown} */
  let shown = null; // what is drawn: { key, linked, blocks, waiting, computed, photo, layers }
  /** @type {Place} */
  let pinBefore = null; // what a click replaced, should it become a double click
  let frame = 0;

  const currentBlock = () => shown.blocks[state.block];

  /* ---- The page's elements ---- */

  /** @type {HTMLElement} */
  const root = element.querySelector(".sv-windows");
  const blockName = make("b");
  const blockKept = make("span");
  const previous = makeTool("Previous block", "M10 3 5 8l5 5", () => chooseBlock(state.block - 1));
  const next = makeTool("Next block", "m6 3 5 5-5 5", () => chooseBlock(state.block + 1));
  const zoomOut = makeTool("Zoom out", "M3 8h10", () => zoom.scale(1 / ZOOM_STEP));
  const zoomIn = makeTool("Zoom in", "M3 8h10M8 3v10", () => zoom.scale(ZOOM_STEP));
  const zoomFit = makeTool("Fit the whole picture", "M2 4h12v8H2zM5 8h6", () => zoom.zoomTo(1));
  const whole = makeTool("Full screen", "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4", () =>
    document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen(),
  );
  whole.hidden = !root.requestFullscreen;
  const canvas = make("canvas", { role: "img" });
  const marks = make("canvas", { "aria-hidden": "true" });
  const tip = make("div", { class: "sv-win-tip" });
  const stage = make(
    "div",
    {
      class: "sv-win-stage",
      tabindex: "0",
      role: "application",
      "aria-label":
        "Windows over the photo. Arrow keys move between windows, Enter pins one, Escape lets it go, " +
        "plus and minus zoom, 0 fits the picture.",
    },
    canvas,
    marks,
    tip,
  );
  const caption = make("p", { class: "sv-win-caption" });
  const legend = make("div", { class: "sv-win-legend" });
  const strip = makeStrip(chooseBlock);
  const hint = make(
    "p",
    { class: "sv-win-hint" },
    "Click a window to follow its place through all blocks.",
  );
  const panel = make("section", {
    class: "sv-win-panel",
    "aria-label": "The pinned window in every block",
  });
  const spoken = make("p", { class: "sv-win-spoken", "aria-live": "polite" });
  root.hidden = true;
  root.append(
    make(
      "div",
      { class: "sv-win-bar" },
      makeSwitch("What the picture shows", VIEWS, state.view, (view) => {
        state.view = view;
        update();
      }),
      make(
        "div",
        { class: "sv-win-nav" },
        previous,
        make("div", { class: "sv-win-name", "aria-live": "polite" }, blockName, blockKept),
        next,
      ),
      make(
        "div",
        { class: "sv-win-tools", role: "group", "aria-label": "Zoom" },
        zoomOut,
        zoomIn,
        zoomFit,
        whole,
      ),
    ),
    stage,
    make("div", { class: "sv-win-below" }, caption, legend),
    strip.box,
    hint,
    panel,
    spoken,
  );

  const zoom = makeZoom(stage, {
    /** @param {number} level */
    onZoom(level) {
      stage.classList.toggle("sv-win-zoomed", level > 1);
      zoomOut.disabled = zoomFit.disabled = level === 1;
      zoomIn.disabled = level === MAX_ZOOM;
      updateTip();
      requestDraw();
    },
    onHover: setCursor,
    onLeave: () => setCursor(null),
    /** @param {Place} place */
    onClick(place) {
      pinBefore = state.pin;
      togglePin(place);
    },
    onDoubleClick: () => pinPlace(pinBefore),
  });

  /* ---- What is shown ---- */

  // Takes over what Python sent last, once the photo it belongs to is there.
  function settle() {
    const photo = getPhoto();
    if (!latest || photo?.key !== latest.key) return;
    const before = shown;
    const { key, linked, waiting } = latest;
    const blocks = latest.blocks.map(addAxes);
    const layers = before?.key === key ? before.layers : makeLayers(photo.image);
    shown = { key, linked, blocks, waiting, computed: countComputed(blocks), layers };
    root.inert = Boolean(waiting);
    state.block = Math.min(state.block, blocks.length - 1);
    /** @param {Shown | null} some */
    const names = (some) => some?.blocks.map(({ name }) => name).join();
    if (names(before) !== names(shown)) strip.build(shown);
    if (before?.key !== key) {
      Object.assign(state, { pin: null, cursor: null });
      root.hidden = false;
      root.style.setProperty("--ratio", String(photo.width / photo.height));
      zoom.reset(photo);
    }
    update();
  }

  /** @param {number} index */
  function chooseBlock(index) {
    state.block = Math.min(shown.blocks.length - 1, Math.max(0, index));
    update();
  }

  /** @param {Place | null} place */
  function pinPlace(place) {
    state.pin = place;
    update();
  }

  // Every word and mark for the state; pictures follow with the next frame.
  function update() {
    const block = currentBlock();
    blockName.textContent = `Stage ${block.stage} · block ${block.block}`;
    const kept = `${block.shifted ? "shifted · " : ""}${block.kept} of ${block.total} kept`;
    blockKept.replaceChildren(
      ...(shown.waiting
        ? ["starting…"]
        : [kept, make("i", {}, ` (${percent(block.kept / block.total)})`)]),
    );
    previous.disabled = state.block === 0;
    next.disabled = state.block === shown.blocks.length - 1;
    caption.replaceChildren(
      ...(shown.waiting ? [WAITING] : describeView(state.view, block, shown)),
    );
    canvas.setAttribute(
      "aria-label",
      `${VIEWS[state.view]}. ${block.name}. ${caption.textContent}`,
    );
    legend.replaceChildren(...makeLegend(state.view, block, shown.blocks.length));
    strip.update(shown, state);
    updatePanel();
    updateTip();
    requestDraw();
  }

  /* ---- One window ---- */

  /** @param {Place} place */
  function countAt(place) {
    return shown.blocks.filter((block) => isKept(block, findWindow(block, place))).length;
  }

  /**
   * The cursor window: under the mouse, or moved by the arrow keys.
   * @param {Place | null} place
   */
  function setCursor(place) {
    state.cursor = place && isOnPicture(place) ? place : null;
    updateTip();
    drawMarks();
  }

  function updateTip() {
    tip.hidden = !state.cursor;
    if (!state.cursor) return;
    const block = currentBlock();
    const words = describeWindow(block, findWindow(block, state.cursor));
    const computed = `computed in ${countAt(state.cursor)} of ${shown.blocks.length} blocks`;
    tip.replaceChildren(
      ...(state.view === "compute" ? [strong(computed)] : []),
      `${formatNumber(block)}: ${words}`,
    );
    const area = zoom.getArea();
    const row = block.ys[findCell(block.ys, state.cursor.y)];
    const column = block.xs[findCell(block.xs, state.cursor.x)];
    const [top, bottom] = [row.from, row.to].map((edge) => area.y + edge * area.height);
    const middle = area.x + ((column.from + column.to) / 2) * area.width;
    const above = top - tip.offsetHeight - 6;
    const left = Math.min(
      stage.clientWidth - tip.offsetWidth - 4,
      Math.max(4, middle - tip.offsetWidth / 2),
    );
    const below = Math.min(stage.clientHeight - tip.offsetHeight - 4, bottom + 6);
    tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(above >= 4 ? above : below)}px)`;
  }

  function updatePanel() {
    panel.hidden = !state.pin;
    hint.hidden = Boolean(state.pin);
    if (!state.pin) return;
    const release = make("button", { type: "button" }, "Let go");
    release.addEventListener("click", () => {
      pinPlace(null);
      stage.focus({ preventScroll: true });
    });
    const share = strong(`${countAt(state.pin)} of ${shown.blocks.length} blocks`);
    panel.replaceChildren(
      make("header", {}, make("p", {}, "The pinned place was computed in ", share, "."), release),
      makeTable(shown.blocks, state.pin, state.block),
      make(
        "p",
        { class: "sv-win-hint" },
        "The highest rank fills its bar; bars that pass the line were kept.",
      ),
    );
  }

  /* ---- Mouse and keys ---- */

  /** @param {Place} place */
  function togglePin(place) {
    const block = currentBlock();
    if (!isOnPicture(place)) return;
    const same = state.pin && findWindow(block, state.pin) === findWindow(block, place);
    pinPlace(same ? null : place);
  }

  /**
   * The cursor goes to the next cell, and the picture with it.
   * @param {[number, number]} options
   */
  function moveCursor([across, down]) {
    const block = currentBlock();
    const from = state.cursor ?? state.pin ?? CENTRE;
    /**
     * @param {Cell[]} axis
     * @param {number} place
     * @param {number} by
     */
    const step = (axis, place, by) => {
      const cell = axis[Math.min(axis.length - 1, Math.max(0, findCell(axis, place) + by))];
      return (cell.from + cell.to) / 2;
    };
    const place = { x: step(block.xs, from.x, across), y: step(block.ys, from.y, down) };
    zoom.reveal(place);
    setCursor(place);
    spoken.textContent = describeWindow(block, findWindow(block, place));
  }

  stage.addEventListener("keydown", (event) => {
    /** @type {Record<string, () => void>} */
    const actions = {
      Enter: () => togglePin(state.cursor ?? CENTRE),
      Escape: () => (state.pin ? pinPlace(null) : setCursor(null)),
      "+": () => zoom.scale(ZOOM_STEP),
      "=": () => zoom.scale(ZOOM_STEP),
      "-": () => zoom.scale(1 / ZOOM_STEP),
      0: () => zoom.zoomTo(1),
    };
    const action = event.key in ARROWS ? () => moveCursor(ARROWS[event.key]) : actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
  stage.addEventListener(
    "focus",
    () => stage.matches(":focus-visible") && setCursor(state.pin ?? CENTRE),
  );
  stage.addEventListener("blur", () => setCursor(null));

  /* ---- Pictures ---- */

  function requestDraw() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  }

  function draw() {
    if (!shown || !stage.clientWidth) return; // in a tab that is not open
    const block = currentBlock();
    const [context, ratio] = startCanvas(canvas);
    const area = scaleArea(zoom.getArea(), ratio);
    if (state.view === "compute")
      paintCompute(context, area, shown.layers, shown.computed, shown.blocks.length);
    else {
      (state.view === "scores" ? paintScores : paintMask)(context, area, shown.layers, block);
      paintLines(context, area, ratio, block);
    }
    drawMarks();
    strip.draw(shown);
  }

  // The windows pointed at and pinned, on a canvas of their own.
  function drawMarks() {
    if (!shown || !stage.clientWidth) return;
    const [context, ratio] = startCanvas(marks);
    const area = scaleArea(zoom.getArea(), ratio);
    const block = currentBlock();
    for (const { place, colour } of [
      { place: state.cursor, colour: CURSOR_COLOUR },
      { place: state.pin, colour: PIN_COLOUR },
    ]) {
      if (place) paintOutline(context, area, ratio, block, findWindow(block, place), colour);
    }
  }

  new ResizeObserver(() => {
    if (!shown) return;
    updateTip();
    requestDraw();
  }).observe(stage);
  onPhoto(settle);
  onValue({ props, watch }, (/** @type {WindowsValue} */ value) => {
    latest = value;
    settle();
  });
}
