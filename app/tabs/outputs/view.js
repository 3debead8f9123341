// What the dense and the sparse network say about the photo, from the JSON of
// app/tabs/outputs/view.py: maps or drawings over the photo, compared with each other and with the
// truth, or the likeliest classes.
import { make, onValue, percent } from "../../page/common.js";
import { getPhoto, onPhoto } from "../../page/photo.js";
import { makeSwitch } from "../../page/switch.js";
import {
  cutOut,
  decodeMap,
  decodePair,
  drawLayer,
  drawPhoto,
  fade,
  findPixel,
  makeClassLayer,
  makeCover,
  markErrors,
  nameSegments,
  writeNames,
} from "./draw.js";
import { makeNumbers } from "./numbers.js";
import { VIEWS, bold, describeMatch, fillTop, keep, share, swatch } from "./words.js";

/** @import { View } from "../../page/types.d.ts" */
/** @import { Layer, MapName, Mode, OutputsValue, Probe, Ready, Shown, Side } from "./types.d.ts" */

/** @type {Record<Mode, string>} */
const MODES = { compare: "Compare", difference: "Difference", truth: "Truth", errors: "Errors" };
const NEED_TRUTH = ["truth", "errors"];
/** @type {Partial<Record<Mode, MapName[]>>} */
// left and right of the handle
const SIDES = { compare: ["dense", "sparse"], truth: ["truth", "sparse"] };
const TAG_ROOM = 0.12; // of the picture; a side narrower than this has no tag
const KEY_STEP = 0.025; // of the picture, for the arrow keys
// CSS pixels of width from which on the numbers fit beside a picture
const ROOM = { tall: 720, wide: 1300 };
const TIGHT = 456; // CSS pixels: a table narrower than this has no bars

/** @param {string} path */
function makeIcon(path) {
  return make("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, make("path", { d: path }));
}

/** @param {View} view */
export function mount({ element, props, watch }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".sv-outputs");
  // What the user chose; it outlives every new value. The probe is the place whose classes are
  // read: { u, v, pinned }, fractions of the picture, pinned where no mouse pointer shows the
  // place.
  /** @type {{ mode: Mode, split: number, opacity: number, chosen: string, probe: Probe }} */
  const state = { mode: "compare", split: 0.5, opacity: 0.6, chosen: null, probe: null };
  /** @type {OutputsValue} */
  let newest = null; // the last JSON that came
  /** @type {Ready} */
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
  const hint = make(
    "p",
    { id: "sv-outputs-hint", hidden: "" },
    "Arrow keys read the classes at a place, with Shift in steps of a pixel.",
  );
  const canvas = make("canvas", { role: "img", tabindex: 0, "aria-describedby": hint.id });
  const context = canvas.getContext("2d");
  const range = make("input", { type: "range", min: 0, max: 100 });
  const handle = make("div", { class: "sv-out-handle" }, makeIcon("M9 6 3 12l6 6M15 6l6 6-6 6"));
  const tags = ["left", "right"].map((side) =>
    make("span", { class: `sv-out-tag sv-out-${side}` }),
  );
  const ring = make("span", { class: "sv-out-ring" });
  const frame = make("div", { class: "sv-out-frame" }, canvas, range, handle, ...tags, ring);
  const numbers = makeNumbers();
  const view = make(
    "div",
    { class: "sv-out" },
    make("div", { class: "sv-out-bar" }, switches, opacityLabel, zoom),
    caption,
    make(
      "div",
      { class: "sv-out-body" },
      make("div", { class: "sv-out-picture" }, frame, readout, hint, numbers.chips),
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
    const [maps, drawings] = await Promise.all([
      Promise.all([data.dense, data.sparse, data.truth].map(getMap)),
      Promise.all((data.drawings ?? []).map(decodePair)),
    ]);
    if (newest !== data) return;
    const [dense, sparse, truth] = maps;
    ready = { data, dense, sparse, truth, drawings };
    for (const side of /** @type {Side[]} */ (Object.keys(data.segments ?? {}))) {
      ready[side] = nameSegments(ready[side], data.segments[side]);
    }
    show();
  }

  /**
   * The map of a data URI, or null for none; what is on screen already is not decoded again.
   * @param {string | null | undefined} uri
   */
  function getMap(uri) {
    const same = shown && [shown.dense, shown.sparse, shown.truth].find((map) => map?.uri === uri);
    return same ?? (uri && decodeMap(uri));
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
    numbers.fill(shown.data);
    refresh();
  }

  function arrange() {
    const tall = shown?.photo.width < 1.1 * shown?.photo.height;
    view.classList.toggle("sv-out-tall", tall);
    view.classList.toggle("sv-out-beside", root.clientWidth >= (tall ? ROOM.tall : ROOM.wide));
    view.classList.toggle("sv-out-tight", numbers.box.clientWidth < TIGHT);
  }

  // ---- The picture ----

  const getView = () => VIEWS[shown.data.task];

  function listModes() {
    return getView().modes.filter((mode) => shown.truth || !NEED_TRUTH.includes(mode));
  }

  /** @returns {Mode} */
  function getMode() {
    return listModes().includes(state.mode) ? state.mode : "compare";
  }

  // Index of the class or stage to see alone, or null.
  function getChosen() {
    const row = shown.data.rows.find(
      ({ index }) => shown.data.classes[index].name === state.chosen,
    );
    return row ? row.index : null;
  }

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
    readout.hidden = !shown.dense;
    view.classList.toggle("sv-out-marks", !(mode in SIDES));
    view.classList.toggle("sv-out-drawn", shown.drawings.length > 0);
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
    showProbe();
  }

  // The layers of the mode; the caption says what they show.
  function makeLayers() {
    const { dense, sparse, truth } = shown;
    const mode = getMode();
    const chosen = getChosen();
    const name = chosen === null ? null : state.chosen;
    if (mode in SIDES) {
      caption.replaceChildren(...getView().describe(SIDES[mode], name));
      return SIDES[mode].map((side) => makeSide(side, chosen));
    }
    const marks =
      mode === "difference"
        ? getView().markDifference(shown, chosen)
        : markErrors(dense, sparse, truth, chosen);
    const pixels = mode === "difference" ? "of the pixels" : "of the labelled pixels";
    caption.replaceChildren(
      ...marks.kinds.map(({ words, colour }, kind) =>
        keep(swatch(`rgb(${colour})`), `${words}: `, bold(share(marks.shares[kind])), " "),
      ),
      name === null ? `${pixels}.` : `${pixels}; ${name} alone.`,
    );
    return [{ cover: makeCover(dense, null), marks: marks.layer, opacity: () => 1 }];
  }

  /**
   * One side of the handle, "dense", "sparse" or "truth": its map in the colours of the classes, or
   * its drawing.
   * @param {MapName} side
   * @param {number | null} chosen
   */
  function makeSide(side, chosen) {
    const { data, drawings } = shown;
    const map = shown[side];
    const cover = chosen === null || !map ? null : makeCover(map, chosen);
    if (!drawings.length) {
      return {
        cover,
        marks: makeClassLayer(map, data.classes, chosen),
        opacity: () => state.opacity,
      };
    }
    // without maps one for each stage
    const drawing = map || chosen === null ? drawings[0] : drawings[chosen + 1];
    const names = (data.names?.[side] ?? [])
      .filter((name) => chosen === null || name.class === chosen)
      .map(({ class: index, u, v }) => ({ text: data.classes[index].name, u, v }));
    return {
      cover,
      marks: cutOut(drawing[/** @type {Side} */ (side)], cover),
      opacity: () => 1,
      names,
    };
  }

  function draw() {
    if (!shown || !canvas.clientWidth) return;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) =>
      Math.round(side * devicePixelRatio),
    );
    if (canvas.width !== width || canvas.height !== height)
      Object.assign(canvas, { width, height });
    layers ??= makeLayers();
    drawPhoto(context, shown.photo.image);
    const pair = layers.length === 2;
    const edges = pair ? [0, Math.round(state.split * width), width] : [0, width];
    layers.forEach(({ cover, marks, opacity: getOpacity, names = [] }, index) => {
      const columns = edges.slice(index, index + 2);
      if (cover) fade(context, cover, columns);
      drawLayer(
        context,
        marks,
        columns,
        getOpacity(),
        "source-over",
        pair && shown.drawings.length > 0,
      );
      writeNames(context, names, columns);
    });
    canvas.setAttribute(
      "aria-label",
      `${pair ? getView().picture : "Photo with marked pixels."} ` +
        `${caption.textContent} Agreement with dense: ${percent(shown.data.agreement, 1)}.`,
    );
  }

  function showSplit() {
    const sides = (SIDES[getMode()] ?? ["", ""]).map((side) => getView().tags?.[side] ?? side);
    range.value = String(100 * state.split);
    range.setAttribute(
      "aria-label",
      `Share of the picture that shows ${sides[0]}, beside ${sides[1]}`,
    );
    handle.style.left = `${100 * state.split}%`;
    tags.forEach((tag, index) => {
      tag.textContent = sides[index];
      tag.hidden = (index === 0 ? state.split : 1 - state.split) < TAG_ROOM;
    });
  }

  function showProbe() {
    const { probe } = state;
    ring.hidden = !probe?.pinned || readout.hidden;
    if (!probe) {
      readout.textContent = "Point at the picture to read the classes there.";
      return;
    }
    ring.style.left = `${100 * probe.u}%`;
    ring.style.top = `${100 * probe.v}%`;
    const names = /** @type {const} */ (["dense", "sparse", "truth"]).filter((name) => shown[name]);
    readout.replaceChildren(
      ...names.map((name) => {
        const index = findPixel(shown[name], probe.u, probe.v);
        const known = shown.data.classes[shown[name].values[index]];
        const segment = shown.data.segments?.[name][shown[name].numbers[index]];
        return keep(
          `${name} `,
          swatch(known?.colour ?? "none"),
          bold(known?.name ?? getView().nothing),
          segment ? describeMatch(segment) : "",
        );
      }),
    );
  }

  // ---- What the user does ----

  /** @param {number} split */
  function setSplit(split) {
    state.split = Math.min(1, Math.max(0, split));
    draw();
    showSplit();
  }

  /**
   * @param {number} u
   * @param {number} v
   * @param {boolean} pinned
   */
  function setProbe(u, v, pinned) {
    /** @param {number} value */
    const clip = (value) => Math.min(1 - 1e-6, Math.max(0, value));
    state.probe = { u: clip(u), v: clip(v), pinned };
    showProbe();
  }

  function clearProbe() {
    state.probe = null;
    showProbe();
  }

  let dragging = false;

  /**
   * A mouse reads the classes under it and pulls the handle while pressed; a tap reads, a finger's
   * drag pulls.
   * @param {PointerEvent} event
   */
  function point(event) {
    const box = frame.getBoundingClientRect();
    const u = (event.clientX - box.left) / box.width;
    const touch = event.pointerType === "touch";
    if (dragging && !(touch && event.type === "pointerdown")) setSplit(u);
    setProbe(u, (event.clientY - box.top) / box.height, touch);
  }

  frame.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    dragging = getMode() in SIDES;
    frame.setPointerCapture(event.pointerId);
    point(event);
  });
  frame.addEventListener("pointermove", point);
  frame.addEventListener("lostpointercapture", () => {
    dragging = false;
  });
  frame.addEventListener("pointerleave", () => {
    if (!state.probe?.pinned) clearProbe();
  });
  range.addEventListener("input", () => setSplit(Number(range.value) / 100));
  canvas.addEventListener("keydown", (event) => {
    /** @type {Record<string, [number, number]>} */
    const directions = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    if (event.key === "Escape") clearProbe();
    if (!(event.key in directions) || !shown.dense) return;
    event.preventDefault();
    const { u, v } = state.probe ?? { u: 0.5, v: 0.5 };
    const [right, down] = directions[event.key];
    const { width, height } = shown.dense;
    const [across, along] = event.shiftKey ? [1 / width, 1 / height] : [KEY_STEP, KEY_STEP];
    setProbe(u + right * across, v + down * along, true);
  });
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

  function nameZoom() {
    zoom.title = document.fullscreenElement === view ? "Leave full screen" : "Full screen";
    zoom.setAttribute("aria-label", zoom.title);
  }

  zoom.hidden = !document.fullscreenEnabled;
  zoom.addEventListener("click", () =>
    document.fullscreenElement === view ? document.exitFullscreen() : view.requestFullscreen(),
  );
  document.addEventListener("fullscreenchange", nameZoom);
  nameZoom();
  new ResizeObserver(arrange).observe(root);
  new ResizeObserver(draw).observe(canvas);
  onValue({ props, watch }, take);
  onPhoto(show);
}
