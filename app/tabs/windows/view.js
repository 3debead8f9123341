// The windows every block kept, drawn over the photo from the JSON of app/tabs/windows/view.py.
import { addAxes, countComputed, findWindow } from "../../page/cells.js";
import { make, onValue, percent } from "../../page/common.js";
import { makeLayers, paintCompute, paintLines, paintMask, paintScores } from "../../page/paint.js";
import { getPhoto, onPhoto } from "../../page/photo.js";
import { makeSwitch } from "../../page/switch.js";
import { getWish, onWish, paint } from "../../page/wish.js";
import { makeBrush } from "./brush.js";
import { drawMarks } from "./marks.js";
import { countAt, isOnPicture, makePinned, makeTip, stepFrom } from "./pinned.js";
import { isSame, lookAhead, readWish } from "./preview.js";
import { makeStrip, startCanvas } from "./strip.js";
import { makeTool, makeTools } from "./toolbar.js";
import {
  describeHands,
  describeState,
  describeView,
  describeWindow,
  formatNumber,
  makeLegend,
  strong,
} from "./words.js";
import { describeLeft, findWorth, getWorth, makeAsking, onWorth } from "./worth.js";
import { MAX_ZOOM, makeZoom } from "./zoom.js";

/** @import { Area, Computed, Place, View } from "../../page/types.d.ts" */
/** @import { Picture, Shown, WindowsBlock, WindowsValue } from "./types.d.ts" */

/** @type {Record<Picture, string>} */
const VIEWS = {
  pruned: "Pruned windows",
  scores: "Scores",
  worth: "Worth",
  compute: "Compute map",
};
const WAITING =
  "The network looks at this photo for the first time; what it skips appears here by itself.";
const CENTRE = { x: 0.5, y: 0.5 };
/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

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
export function mount({ element, trigger, props, watch }) {
  // What the user chose. The pinned place and that of the cursor are { x, y }, fractions of the
  // picture.
  /** @type {{ block: number, view: Picture, pin: Place, cursor: Place }} */
  const state = { block: 0, view: "pruned", pin: null, cursor: null };
  /** @type {WindowsValue} */
  let latest = null; // what Python sent last
  /** @type {WindowsBlock[]} */
  let ran = []; // its blocks
  /** @type {Shown} */
  let shown = null; // what is drawn
  /** @type {Place} */
  let pinBefore = null; // what a click replaced, should it become a double click
  let frame = 0;

  const ask = makeAsking((index, value) => trigger("select", { index, value }));
  const currentBlock = () => shown.blocks[state.block];

  /* ---- The page's elements ---- */

  /** @type {HTMLElement} */
  const root = element.querySelector(".sv-windows");
  const blockName = make("b");
  const blockKept = make("span");
  const previous = makeTool("Previous block", "M10 3 5 8l5 5", () => chooseBlock(state.block - 1));
  const next = makeTool("Next block", "m6 3 5 5-5 5", () => chooseBlock(state.block + 1));
  const brush = makeBrush({
    get: () => getWish()?.painted ?? [],
    set: paint,
    onSwitch() {
      tools.showBrush(brush.isOn());
      stage.classList.toggle("sv-win-painting", brush.isOn());
      zoom.zoomTo(1);
      update();
    },
  });
  const tools = makeTools(root, {
    scale: (factor) => zoom.scale(factor),
    fit: () => zoom.zoomTo(1),
    brush: () => brush.toggle(),
  });
  const canvas = make("canvas", { role: "img" });
  const marks = make("canvas", { "aria-hidden": "true" });
  const stage = make(
    "div",
    {
      class: "sv-win-stage",
      tabindex: "0",
      role: "application",
      "aria-label":
        "Windows over the photo. Arrow keys move between windows, Enter pins one, Escape lets it go, " +
        "plus and minus zoom, 0 fits the picture. With the brush, Space paints and Ctrl+Z undoes.",
    },
    canvas,
    marks,
  );
  const tip = makeTip(stage);
  stage.append(tip.node);
  const caption = make("p", { class: "sv-win-caption" });
  const legend = make("div", { class: "sv-win-legend" });
  const strip = makeStrip(chooseBlock);
  const pinned = makePinned(() => {
    pinPlace(null);
    stage.focus({ preventScroll: true });
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
      tools.box,
    ),
    brush.box,
    stage,
    make("div", { class: "sv-win-below" }, caption, legend),
    strip.box,
    ...pinned.nodes,
    spoken,
  );
  if (props.alone) {
    tools.paint.hidden = true;
    root.querySelector('[value="worth"]').parentElement.hidden = true;
  }

  const zoom = makeZoom(stage, {
    /** @param {number} level */
    onZoom(level) {
      stage.classList.toggle("sv-win-zoomed", level > 1);
      tools.showZoom(level, MAX_ZOOM);
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
    isPainting: () => brush.isOn(),
    onPaint: paintPlaces,
  });

  /* ---- What is shown ---- */

  // Takes over what Python sent last, once the photo it belongs to is there.
  function settle() {
    const photo = getPhoto();
    if (!latest || photo?.key !== latest.key) return;
    const before = shown;
    const { key, waiting } = latest;
    const layers = before?.key === key ? before.layers : makeLayers(photo.image);
    ran = latest.blocks.map(addAxes);
    look({ key, waiting, layers });
    root.inert = Boolean(waiting);
    state.block = Math.min(state.block, ran.length - 1);
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

  // What is drawn: the last run, or what the sliders and the brush will make of it.
  /** @param {Pick<Shown, "key" | "waiting" | "layers">} some */
  function look({ key, waiting, layers }) {
    const { wish, blocks } = waiting
      ? { wish: readWish(latest), blocks: ran }
      : lookAhead(ran, readWish(latest), getWish());
    /** @type {Computed} */
    let counted = null;
    const computed = () => (counted ??= countComputed(blocks));
    shown = { key, waiting, layers, blocks, computed, linked: wish.linked, wish };
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
        : [kept, make("i", {}, describeState(block) || ` (${percent(block.kept / block.total)})`)]),
    );
    const window = state.pin && findWindow(block, state.pin);
    const isAsked = state.view === "worth" && !shown.waiting;
    const worth = isAsked ? ask(latest.worth_key, block, state.block, window) : null;
    previous.disabled = state.block === 0;
    next.disabled = state.block === shown.blocks.length - 1;
    caption.replaceChildren(
      ...(shown.waiting ? [WAITING] : describeView(state.view, block, shown, worth)),
    );
    canvas.setAttribute(
      "aria-label",
      `${VIEWS[state.view]}. ${block.name}. ${caption.textContent}`,
    );
    legend.replaceChildren(...makeLegend(state.view, block, shown.blocks.length, worth));
    strip.update(shown, state);
    brush.update(describeHands(shown, latest));
    root.setAttribute("aria-busy", String(shown.blocks.some(({ state: ahead }) => ahead)));
    pinned.update(shown, state, isAsked ? describeLeft(worth, block, window) : "");
    updateTip();
    requestDraw();
  }

  /* ---- Worth ---- */

  // The worth of the current block's windows, where that is looked at.
  const findCurrentWorth = () =>
    state.view === "worth" ? findWorth(getWorth(latest.worth_key), currentBlock()) : null;

  /* ---- The brush ---- */

  /**
   * @param {Place[]} places
   * @param {boolean} isSameStroke
   */
  function paintPlaces(places, isSameStroke) {
    const block = currentBlock();
    const windows = places.filter(isOnPicture).map((place) => findWindow(block, place));
    if (windows.length) brush.paint(block, new Set(windows), isSameStroke);
  }

  /* ---- One window ---- */

  /**
   * The cursor window: under the mouse, or moved by the arrow keys.
   * @param {Place | null} place
   */
  function setCursor(place) {
    state.cursor = place && isOnPicture(place) ? place : null;
    updateTip();
    drawPointers();
  }

  function updateTip() {
    if (!state.cursor) return tip.hide();
    const block = currentBlock();
    const window = findWindow(block, state.cursor);
    const computed = `computed in ${countAt(shown, state.cursor)} of ${shown.blocks.length} blocks`;
    const worth = findCurrentWorth();
    const words = [
      ...(state.view === "compute" ? [strong(computed)] : []),
      `${formatNumber(block)}: ${describeWindow(block, window, shown)}`,
      ...(worth ? [make("small", {}, `by worth rank ${worth.ranks[window]}`)] : []),
    ];
    tip.show(words, block, state.cursor, zoom.getArea());
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
    const place = stepFrom(block, from, [across, down]);
    zoom.reveal(place);
    setCursor(place);
    spoken.textContent = describeWindow(block, findWindow(block, place), shown);
  }

  root.addEventListener("keydown", (event) => {
    if (!brush.isOn() || event.key !== "z" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    brush.undo();
  });

  stage.addEventListener("keydown", (event) => {
    /** @type {Record<string, () => void>} */
    const actions = {
      Enter: () => togglePin(state.cursor ?? CENTRE),
      ...(brush.isOn() && { " ": () => paintPlaces([state.cursor ?? CENTRE], false) }),
      Escape: () => (state.pin ? pinPlace(null) : setCursor(null)),
      "+": () => zoom.scale(tools.step),
      "=": () => zoom.scale(tools.step),
      "-": () => zoom.scale(1 / tools.step),
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
    const worth = findCurrentWorth();
    if (state.view === "compute")
      paintCompute(context, area, shown.layers, shown.computed(), shown.blocks.length);
    else {
      if (worth)
        paintScores(context, area, shown.layers, { ...block, ...worth, scores: worth.worth });
      else if (state.view === "scores") paintScores(context, area, shown.layers, block);
      else paintMask(context, area, shown.layers, block);
      paintLines(context, area, ratio, block);
    }
    drawPointers();
    strip.draw(shown);
  }

  // What lies over the picture, on a canvas of its own.
  function drawPointers() {
    if (!shown || !stage.clientWidth) return;
    const [context, ratio] = startCanvas(marks);
    const area = scaleArea(zoom.getArea(), ratio);
    const block = currentBlock();
    const { cursor, pin } = state;
    drawMarks(context, area, ratio, { shown, block, worth: findCurrentWorth(), cursor, pin });
  }

  new ResizeObserver(() => {
    if (!shown) return;
    updateTip();
    requestDraw();
  }).observe(stage);
  onPhoto(settle);
  onWorth(() => shown && update());
  onWish((wish) => {
    if (!shown || shown.waiting || isSame(wish, shown.wish)) return;
    look(shown);
    update();
  });
  onValue({ props, watch }, (/** @type {WindowsValue} */ value) => {
    latest = value;
    settle();
  });
}
