// What the dense and the sparse network say about the photo, from the JSON of
// app/tabs/outputs/view.py: pictures over the photo, compared with each other and with the truth,
// or the likeliest classes. What a task shows is in the module of its name.
import { make, onValue, percent } from "../../page/common.js";
import { getPhoto, onPhoto } from "../../page/photo.js";
import { makeSwitch } from "../../page/switch.js";
import { fillScreen } from "../../page/whole.js";
import { makeBirdsEye } from "./birdseye.js";
import { BOXES, findMiddle } from "./boxes.js";
import { fillTop } from "./classification.js";
import { drawPhoto } from "./draw.js";
import { FEATURES } from "./features.js";
import { makeFrame, makeIcon } from "./frame.js";
import { decodeMap } from "./maps.js";
import { makeLoupe } from "./loupe.js";
import { makeNumbers } from "./numbers.js";
import { makePair } from "./pair.js";
import { RESTORATION } from "./restoration.js";
import { SEGMENTS } from "./segments.js";
import { SEMANTIC } from "./semantic.js";
import { SIDES, nameSide } from "./words.js";

/** @import { View } from "../../page/types.d.ts" */
/** @import { Layer, Look, Mode, OutputsValue, Place, Shown, State, TaskView } from "./types.d.ts" */

/** @type {Record<string, TaskView>} */
const VIEWS = {
  semantic: SEMANTIC,
  instance: SEGMENTS,
  panoptic: SEGMENTS,
  boxes3d: BOXES,
  features: FEATURES,
  restoration: RESTORATION,
  enhancement: RESTORATION,
};
/** @type {Record<Mode, string>} */
const MODES = {
  compare: "Compare",
  difference: "Difference",
  together: "Together",
  truth: "Truth",
  errors: "Errors",
  own: "Own dense",
};
// CSS pixels of width from which on the numbers, or a view from above, fit beside a picture
const ROOM = { tall: 720, wide: 1300, pair: 600 };
const TIGHT = 456; // CSS pixels: a table narrower than this has no bars

/** @param {View} view */
export function mount({ element, props, watch }) {
  const { take } = makeOutputs(element.querySelector(".sv-outputs"));
  onValue({ props, watch }, take);
}

/**
 * The view in an element of the class sv-outputs; take() puts a value into it, or hides it.
 * @param {HTMLElement} root
 */
export function makeOutputs(root) {
  // What the user chose; it outlives every new value.
  /** @type {State} */
  const state = {
    mode: "compare",
    split: 0.5,
    opacity: 0.6,
    chosen: null,
    probe: null,
    hovered: null,
    pair: null,
  };
  /** @type {OutputsValue} */
  let newest = null; // the last JSON that came
  /** @type {Omit<Shown, "photo">} */
  let ready = null; // the last one whose pictures are decoded
  /** @type {Shown} */
  let shown = null; // the one on screen, with its photo
  /** @type {Layer[]} */
  let layers = null; // over the photo, from left to right; null: to be made again

  // ---- The parts of the view, made once ----

  const switches = makeSwitch("What to see", MODES, state.mode, (mode) => {
    state.mode = mode;
    refresh();
  });
  const opacity = make("input", { type: "range", min: 0, max: 100, value: 100 * state.opacity });
  const opacityText = make("output", {}, percent(state.opacity));
  const opacityLabel = make(
    "label",
    { class: "sv-out-opacity" },
    "Class colours",
    opacity,
    opacityText,
  );
  const zoom = make(
    "button",
    { type: "button", class: "sv-out-zoom" },
    makeIcon("M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5"),
  );
  const caption = make("p", { class: "sv-out-caption" });
  const readout = make("p", { class: "sv-out-readout", "aria-live": "polite" });
  const frame = makeFrame({
    hasHandle: () => Boolean(listSides()),
    onSplit: setSplit,
    onPlace: setProbe,
    onLeave: leave,
    onStep: stepOn,
    onEscape: clearProbe,
    onResize: () => {
      draw();
      if (shown) showProbe();
    },
  });
  const plan = makeBirdsEye({
    keysId: frame.keysId,
    onPoint: (box, pinned) => {
      if (box) setProbe({ ...findMiddle(shown.extents, box), box }, pinned);
      else clearProbe();
    },
    onLeave: leave,
    onStep: stepOn,
    onEscape: clearProbe,
    onResize: drawPlan,
  });
  const pair = makePair((chosen) => {
    state.pair = chosen;
    refresh();
  });
  const loupe = makeLoupe();
  const numbers = makeNumbers();
  const view = make(
    "div",
    { class: "sv-out" },
    make("div", { class: "sv-out-bar" }, switches, pair.box, opacityLabel, zoom),
    caption,
    make(
      "div",
      { class: "sv-out-body" },
      make(
        "div",
        { class: "sv-out-picture" },
        make("div", { class: "sv-out-photo" }, frame.box, readout, loupe.box, numbers.chips),
        plan.box,
      ),
      numbers.box,
    ),
  );
  const list = make("div", { class: "sv-out-top" });
  view.hidden = list.hidden = true;
  root.append(view, list);

  // ---- New values and photos ----

  /** @param {OutputsValue | null} data */
  async function take(data) {
    newest = data;
    list.hidden = data?.task !== "classification";
    if (!list.hidden) fillTop(list, data);
    if (!(data?.task in VIEWS)) {
      view.hidden = true;
      return;
    }
    const pictures = await VIEWS[data.task].decode(data, getMap);
    if (newest !== data) return;
    ready = { data, ...pictures };
    show();
  }

  /**
   * The map of a data URI, or null for none; what is on screen already is not decoded again.
   * @param {string | null | undefined} uri
   */
  async function getMap(uri) {
    const { dense, sparse, truth, own } = shown ?? {};
    const known = [dense, sparse, truth, own?.dense, own?.sparse];
    const same = known.find((map) => map?.uri === uri);
    return uri ? (same ?? decodeMap(uri)) : null;
  }

  // Puts the newest value on screen once its maps and its photo are there; the old one stays till
  // then.
  function show() {
    const photo = getPhoto();
    if (!ready || ready.data !== newest || photo?.key !== ready.data.photo) return;
    shown = { ...ready, photo };
    view.hidden = false;
    view.style.setProperty("--ratio", String(photo.width / photo.height));
    arrange();
    numbers.fill(shown.data, getView());
    refresh();
  }

  function arrange() {
    if (!shown) return;
    const tall = shown.photo.width < 1.1 * shown.photo.height;
    const hasPlan = Boolean(getView().drawPlan);
    const room = root.clientWidth;
    view.classList.toggle("sv-out-tall", tall);
    view.classList.toggle("sv-out-beside", !hasPlan && room >= (tall ? ROOM.tall : ROOM.wide));
    view.classList.toggle("sv-out-pair", hasPlan && room >= ROOM.pair);
    view.classList.toggle("sv-out-stack", hasPlan && room < ROOM.pair);
    view.classList.toggle("sv-out-tight", numbers.box.clientWidth < TIGHT);
  }

  // ---- The picture ----

  const getView = () => VIEWS[shown.data.task];

  const listModes = () => getView().listModes(shown.data);

  /** @returns {Mode} */
  const getMode = () => (listModes().includes(state.mode) ? state.mode : "compare");

  // Index of the class or stage to see alone, or null.
  function getChosen() {
    const row = shown.data.rows.find(
      ({ index }) => shown.data.classes[index].name === state.chosen,
    );
    return row ? row.index : null;
  }

  /** @returns {Look} */
  const getLook = () => ({ mode: getMode(), chosen: getChosen() });

  // The pictures left and right of the handle, of those that can be chosen.
  function getPair() {
    const [view, { data }] = [getView(), shown];
    const known = data.classes.map(({ side }) => side);
    return state.pair?.every((side) => known.includes(side)) ? state.pair : view.listPair?.(data);
  }

  // What is left and right of the handle; undefined or null where there is none.
  const listSides = () =>
    getView().listSides ? getView().listSides(shown.data, getLook(), getPair()) : SIDES[getMode()];

  // Everything that depends on the value, the mode or the chosen class.
  function refresh() {
    const mode = getMode();
    const chosen = getChosen();
    for (const input of switches.querySelectorAll("input")) {
      const value = /** @type {Mode} */ (input.value);
      input.checked = value === mode;
      input.parentElement.hidden = !listModes().includes(value);
    }
    switches.hidden = listModes().length < 2;
    readout.hidden = !getView().read;
    plan.box.hidden = !getView().drawPlan;
    loupe.box.hidden = !getView().listEnlarged;
    view.classList.toggle("sv-out-enlarging", !loupe.box.hidden);
    pair.box.hidden = !getView().listPair;
    pair.box.classList.toggle("sv-out-idle", !listSides());
    if (getView().listPair) pair.fill(shown.data, getPair());
    view.classList.toggle("sv-out-marks", !listSides());
    view.classList.toggle("sv-out-drawn", !getView().hasOpacity);
    /** @type {NodeListOf<HTMLElement>} */
    const nodes = view.querySelectorAll("[data-index]");
    for (const node of nodes) {
      const on = Number(node.dataset.index) === chosen;
      if (node.matches("button")) node.setAttribute("aria-pressed", String(on));
      else node.classList.toggle("sv-out-chosen", on);
    }
    layers = null;
    draw();
    showSplit();
    if (state.probe) setProbe({ u: state.probe.u, v: state.probe.v }, state.probe.pinned);
    else showProbe();
  }

  function draw() {
    const context = shown && frame.fit();
    if (!context) return;
    if (!layers) makeLayers();
    drawPhoto(context, shown.photo.image);
    const { width } = context.canvas;
    const middle = Math.round(state.split * width);
    const hasHandle = Boolean(listSides());
    const edges = [0, middle, width];
    layers.forEach((layer, index) => {
      layer(context, hasHandle ? edges.slice(index, index + 2) : [0, width], state);
    });
  }

  function drawPlan() {
    if (shown) getView().drawPlan?.(plan, shown, getLook(), state);
  }

  // What is lit is lit in both pictures.
  function light() {
    if (!shown || !getView().drawPlan) return;
    draw();
    drawPlan();
  }

  // The layers of the mode; the caption says what they show.
  function makeLayers() {
    const made = getView().show(shown, getLook(), getPair());
    layers = made.layers;
    caption.replaceChildren(...made.caption);
    frame.describe(
      `${listSides() ? getView().picture : "Photo with marks."} ` +
        `${caption.textContent} Agreement with ${nameSide(shown.data, "dense")}: ` +
        `${shown.data.said}.`,
      getView().keys ?? "",
    );
  }

  function showSplit() {
    const sides = listSides();
    if (!sides) return;
    frame.showSplit(
      state.split,
      sides.map((side) => {
        const [name, tag] = [nameSide(shown.data, side), getView().tags?.[side]];
        return tag ? `${name}: ${tag}` : name;
      }),
    );
  }

  function showProbe() {
    const { read, listEnlarged, findSpot } = getView();
    const { probe } = state;
    if (read) readout.replaceChildren(...read(shown, probe, getLook()));
    frame.showRing(read && probe?.pinned && !getView().drawPlan && !listEnlarged ? probe : null);
    frame.showSquare(
      listEnlarged ? loupe.draw(listEnlarged(shown), probe ?? findSpot(shown.data)) : null,
    );
    light();
  }

  // ---- What the user does ----

  /** @param {number} split */
  function setSplit(split) {
    state.split = Math.min(1, Math.max(0, split));
    draw();
    showSplit();
  }

  /**
   * @param {Place} place
   * @param {boolean} pinned
   */
  function setProbe({ u, v, box }, pinned) {
    /** @param {number} value */
    const clip = (value) => Math.min(1 - 1e-6, Math.max(0, value));
    const place = { u: clip(u), v: clip(v) };
    const found = box ?? getView().find?.(shown, place, getLook(), state) ?? null;
    state.probe = { ...place, box: found, pinned };
    showProbe();
  }

  function clearProbe() {
    state.probe = null;
    showProbe();
  }

  function leave() {
    if (!state.probe?.pinned && !getView().listEnlarged) clearProbe();
  }

  /**
   * @param {[number, number]} direction
   * @param {boolean} isFine
   */
  function stepOn(direction, isFine) {
    const place = getView().step?.(shown, state.probe, direction, isFine, getLook());
    if (place) setProbe(place, true);
    return Boolean(place);
  }

  /** @param {EventTarget | null} target in a row of the table, or elsewhere */
  function hover(target) {
    /** @type {HTMLElement} */
    const row = /** @type {Element} */ (target)?.closest("tr[data-index]");
    const index = row ? Number(row.dataset.index) : null;
    if (index === state.hovered) return;
    state.hovered = index;
    light();
  }

  numbers.box.addEventListener("pointerover", ({ target }) => hover(target));
  numbers.box.addEventListener("pointerleave", () => hover(null));
  numbers.box.addEventListener("focusin", ({ target }) => hover(target));
  numbers.box.addEventListener("focusout", () => hover(null));
  opacity.addEventListener("input", () => {
    state.opacity = Number(opacity.value) / 100;
    opacityText.value = percent(state.opacity);
    draw();
  });
  view.addEventListener("click", (event) => {
    /** @type {HTMLElement} */
    const node = /** @type {Element} */ (event.target).closest("[data-index]");
    if (!node) return;
    const index = Number(node.dataset.index);
    state.chosen = index === getChosen() ? null : shown.data.classes[index].name;
    refresh();
  });

  fillScreen(view, zoom);
  new ResizeObserver(arrange).observe(root);
  onPhoto(show);
  return { take };
}
