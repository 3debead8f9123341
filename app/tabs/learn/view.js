// How window pruning works, in six steps and a question on the photo, from the JSON of app/tabs/learn/view.py.
import { make, onValue } from "../../page/common.js";
import { getPhoto, onPhoto } from "../../page/photo.js";
import { StepPainter } from "./draw.js";
import {
  clamp,
  count,
  ease,
  layOut,
  listOwners,
  listPieces,
  makePhotos,
  paintMap,
  short,
} from "./geometry.js";
import {
  box,
  makeDraws,
  makeFlow,
  makeLayers,
  makeLinks,
  paintShift,
  paragraphs,
} from "./sections.js";

/** @import { View } from "../../page/types.d.ts" */
/** @import { Animation, LearnValue, Shown } from "./types.d.ts" */

const ANIMATION_MS = 1800;
const LETTERS =
  "H × W tokens, C numbers each · nW windows of N tokens · K kept · nH attention heads";
/**
 * @param {string} words
 * @param {() => void} action
 * @param {Record<string, string>} [options]
 */
function makeButton(words, action, options = {}) {
  const button = make("button", { type: "button", ...options }, words);
  button.addEventListener("click", action);
  return button;
}

/** @param {Animation} run */
const advance = ({ start, length }) => (length ? clamp((performance.now() - start) / length) : 1);

/**
 * A canvas of this many CSS pixels, its own pixels those of the screen; returns its context.
 * @param {HTMLCanvasElement} node
 * @param {number} width
 * @param {number} height
 */
function startCanvas(node, width, height) {
  const ratio = window.devicePixelRatio;
  node.style.height = `${height}px`;
  [node.width, node.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const context = node.getContext("2d");
  context.scale(ratio, ratio);
  return context;
}

/**
 * @param {string} heading
 * @param {...(Node | string)} children
 */
const card = (heading, ...children) =>
  make("section", { class: "sv-learn-card" }, make("h4", {}, heading), ...children);

/** @param {View} view */
export function mount({ element, trigger, props, watch }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".sv-learn");
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");

  // What the user chose; it outlives every new value.
  /** @type {{ step: number, selected: number, pending: number, shifted: boolean }} */
  const state = { step: 0, selected: null, pending: null, shifted: true };
  /** @type {LearnValue} */
  let latest = null; // what Python sent last
  /** @type {Shown} */
  let shown = null; // what is drawn
  let run = { start: 0, length: 0 }; // the animation of the step
  let shiftRun = { start: 0, length: 0 }; // and of the shifted grid
  let frame = 0;
  let opened = false;
  /** @type {LearnValue} */
  let asked = null; // about the worth of its windows

  /* ---- The parts of the view, made once ---- */

  const select = make("select", {});
  const dots = [0, 1, 2, 3, 4, 5, 6].map((step) => makeButton("", () => goTo(step)));
  const canvas = make("canvas", { role: "img", tabindex: 0 });
  const flow = box("flow");
  const caption = make("figcaption", { "aria-live": "polite" });
  const title = make("h4", {});
  const words = box("words");
  const shapes = box("shapes");
  const back = makeButton("← Previous", () => goTo(state.step - 1), { class: "sv-learn-go" });
  const next = makeButton("Next →", () => goTo(state.step + 1), {
    class: "sv-learn-go sv-learn-next",
  });
  const shiftCanvas = make("canvas", { role: "img" });
  const shiftButton = makeButton("", () => shift(!state.shifted), { class: "sv-learn-go" });
  const shiftAbout = make("small");
  const shiftWords = box("words");
  const bars = box("bars");
  const layerWords = box("words");
  const draws = box("draws");
  const drawWords = box("words");
  const glossary = make("dl", {});

  const picture = make("figure", {}, box("stage", canvas, flow), caption);

  const stepper = box(
    "stepper",
    make(
      "nav",
      { "aria-label": "Steps" },
      make("ol", { class: "sv-learn-dots" }, ...dots.map((dot) => make("li", {}, dot))),
    ),
    box("main", picture, box("text", title, words, shapes, box("buttons", back, next))),
  );

  const loading = make("p", { class: "sv-note" }, "Reading the tensors of this photo…");
  const everything = box(
    "whole",
    box(
      "head",
      make("h3", {}, "Window pruning in six steps and a question, on this photo"),
      make("label", {}, "Block explained ", select),
    ),
    stepper,
    box(
      "more",
      card("What is a shifted window?", shiftCanvas, shiftAbout, shiftButton, shiftWords),
      card("Why do layers differ?", bars, layerWords),
      card("How does a network learn to live with it?", draws, drawWords),
    ),
    make("details", { class: "sv-learn-card" }, make("summary", {}, "Glossary"), glossary),
    card("Read on", makeLinks()),
  );
  everything.hidden = true; // until there is something to show
  root.append(loading, everything);

  select.addEventListener("change", () => {
    state.pending = Number(select.value);
    showBusy();
    trigger("select", { index: state.pending, value: null });
  });

  function showBusy() {
    picture.setAttribute("aria-busy", String(state.pending !== null));
  }

  /* ---- Steps ---- */

  /** @param {number} step */
  function goTo(step) {
    if (!shown || step < 0 || step >= dots.length) return;
    state.step = step;
    play();
    showStep();
  }

  function play() {
    run = { start: performance.now(), length: still.matches ? 0 : ANIMATION_MS };
    requestDraw();
  }

  stepper.addEventListener("keydown", (event) => {
    if (event.target === canvas || event.ctrlKey || event.metaKey || event.altKey) return;
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    goTo(state.step + by);
  });

  function showStep() {
    const { steps } = shown.data;
    dots.forEach((dot, step) => {
      dot.replaceChildren(make("b", {}, step + 1), make("span", {}, steps[step].name));
      dot.setAttribute("aria-label", `${step + 1} ${steps[step].name}: ${steps[step].title}`);
      if (step === state.step) dot.setAttribute("aria-current", "step");
      else dot.removeAttribute("aria-current");
    });
    const step = steps[state.step];
    title.textContent = `${state.step + 1}. ${step.title}`;
    words.replaceChildren(...paragraphs(step.words));
    const rows = step.shapes.map(({ name, letters, sizes }) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, name),
        make("td", {}, letters),
        make("td", {}, make("b", {}, sizes)),
      ),
    );
    shapes.replaceChildren(make("table", {}, ...rows), make("small", {}, LETTERS));
    back.disabled = state.step === 0;
    next.disabled = state.step === steps.length - 1;
    flow.hidden = state.step !== 4;
    showSelected();
    askWorth();
  }

  // The last step needs a measurement, which is asked for once it is looked at.
  function askWorth() {
    const { data } = shown;
    if (state.step !== 6 || data.worth || asked === data) return;
    asked = data;
    trigger("select", { index: data.index, value: "worth" });
  }

  // The picture in words: the selected window's numbers.
  function showSelected() {
    const { data } = shown;
    const step = data.steps[state.step];
    const index = state.selected;
    const rank = data.ranking.indexOf(index);
    const [row, col] = [Math.floor(index / data.cols.length) + 1, (index % data.cols.length) + 1];
    const fate = rank < data.kept ? "kept" : "skipped";
    const change = state.step === 5 ? `, change ${short(data.changes[index])}` : "";
    const text =
      `Window row ${row}, column ${col}: score ${short(data.scores[index])}, ` +
      `rank ${count(rank + 1)} of ${count(data.ranking.length)}, ${fate}${change}.`;
    const hint = make("span", {}, "Point at a window, or use the arrow keys in the picture.");
    caption.replaceChildren(
      ...(state.step === 4 ? ["The path of the batch through the block."] : [text, " ", hint]),
    );
    canvas.setAttribute(
      "aria-label",
      `Step ${state.step + 1}, ${step.title}. ${step.words.join(" ")} ${text}`,
    );
  }

  /* ---- Pointing at a window ---- */

  /** @param {number | null} index */
  function choose(index) {
    if (index === null || index === state.selected) return;
    state.selected = index;
    showSelected();
    requestDraw();
  }

  canvas.addEventListener("pointermove", pointAt);
  canvas.addEventListener("pointerdown", pointAt);

  /** @param {PointerEvent} event */
  function pointAt(event) {
    if (!shown) return;
    const { left, top } = canvas.getBoundingClientRect();
    choose(
      makePainter(null).find(state.step, event.clientX - left, event.clientY - top, shown.owners),
    );
  }

  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[
      event.key
    ];
    if (!by || !shown) return;
    event.preventDefault();
    const { rows, cols } = shown.data;
    const row = clamp(Math.floor(state.selected / cols.length) + by[0], 0, rows.length - 1);
    const col = clamp((state.selected % cols.length) + by[1], 0, cols.length - 1);
    choose(row * cols.length + col);
  });

  /* ---- The sections below ---- */

  /** @param {boolean} shifted */
  function shift(shifted) {
    if (!shown) return;
    state.shifted = shifted;
    shiftRun = { start: performance.now(), length: still.matches ? 0 : 900 };
    showShift();
    requestDraw();
  }

  function showShift() {
    const grid = shown.data.shift;
    shiftButton.textContent = state.shifted ? "Show plain windows" : "Show shifted windows";
    shiftButton.hidden = shiftCanvas.hidden = !grid;
    shiftAbout.textContent = grid?.about ?? "";
    const none =
      "No block shifts its windows here: the photo is one window across, or this network lets windows " +
      "meet in another way.";
    shiftWords.replaceChildren(...paragraphs(grid ? grid.words : [none]));
    shiftCanvas.setAttribute(
      "aria-label",
      `Photo with ${state.shifted ? "shifted" : "plain"} windows.`,
    );
  }

  /* ---- Drawing ---- */

  /** @param {CanvasRenderingContext2D | null} context */
  function makePainter(context) {
    const layout = layOut(canvas.clientWidth, shown.photo.width / shown.photo.height);
    const style = getComputedStyle(root);
    const names = { ink: "ink", soft: "soft", track: "track", orange: "orange", accent: "blue" };
    const colours = Object.fromEntries(
      Object.entries(names).map(([use, name]) => [use, style.getPropertyValue(`--sv-${name}`)]),
    );
    return new StepPainter(context, { ...shown, layout, selected: state.selected, colours });
  }

  function requestDraw() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      if (!shown || !canvas.clientWidth) return; // in a tab that is not open
      drawStep();
      if (shown.data.shift) drawShift();
      if (advance(run) < 1 || advance(shiftRun) < 1) requestDraw();
    });
  }

  function drawStep() {
    const { width, height } = layOut(canvas.clientWidth, shown.photo.width / shown.photo.height);
    makePainter(startCanvas(canvas, width, height)).draw(state.step, advance(run));
  }

  function drawShift() {
    const { data, photos, photo, shiftPieces } = shown;
    const width = shiftCanvas.clientWidth;
    const height = (width * photo.height) / photo.width;
    const context = startCanvas(shiftCanvas, width, height);
    const moved = state.shifted ? ease(advance(shiftRun)) : 1 - ease(advance(shiftRun));
    paintShift(context, {
      width,
      height,
      moved,
      grid: data.shift,
      photo: photos.bright,
      pieces: shiftPieces,
    });
  }

  /* ---- New values ---- */

  async function settle() {
    const data = latest;
    const photo = getPhoto();
    if (!data || photo?.key !== data.key) return;
    const [scored, change] = await Promise.all([
      paintMap(data.scored.uri),
      paintMap(data.change.uri),
    ]);
    if (data !== latest) return;
    shown = {
      data,
      photo,
      photos: shown?.photo === photo ? shown.photos : makePhotos(photo.image),
      pieces: listPieces(data.rows, data.cols),
      owners: { rows: listOwners(data.rows), cols: listOwners(data.cols) },
      scored,
      change,
      shiftPieces: data.shift && listPieces(data.shift.rows, data.shift.cols),
    };
    if (state.selected === null || state.selected >= data.scores.length) {
      state.selected = data.changes.indexOf(Math.max(...data.changes));
    }
    if (state.pending === data.index) state.pending = null;
    showBusy();
    [loading.hidden, everything.hidden] = [true, false];
    select.replaceChildren(
      ...data.blocks.map((name, index) => make("option", { value: index }, name)),
    );
    select.value = String(state.pending ?? data.index);
    glossary.replaceChildren(
      ...data.glossary.map(([term, meaning]) =>
        make("div", {}, make("dt", {}, term), make("dd", {}, meaning)),
      ),
    );
    flow.replaceChildren(...makeFlow(data));
    bars.replaceChildren(...makeLayers(data.layers));
    layerWords.replaceChildren(...paragraphs(data.layers.words));
    draws.replaceChildren(...makeDraws(data.adaptation));
    drawWords.replaceChildren(...paragraphs(data.adaptation.words));
    showStep();
    showShift();
    requestDraw();
  }

  // The first step plays when the view is first seen.
  new ResizeObserver(() => {
    if (!opened && shown && canvas.clientWidth) {
      opened = true;
      play();
    }
    requestDraw();
  }).observe(root);
  new MutationObserver(requestDraw).observe(document.body, { attributeFilter: ["class"] });
  onPhoto(settle);
  onValue({ props, watch }, (/** @type {LearnValue} */ value) => {
    latest = value;
    settle();
  });
}
