// What the tab Video is made of: its elements, words, webcam and drawings; view.js says when.
import { countComputed } from "../../page/cells.js";
import { drawChart } from "../../page/chart.js";
import { VIRIDIS, makeGradient } from "../../page/colours.js";
import { make, percent } from "../../page/common.js";
import { PRUNED_COLOUR, PRUNED_LIGHT, PRUNED_TINT } from "../../page/looks.js";
import {
  drawLayer,
  paintCompute,
  paintLines,
  paintMask,
  readPixels,
  recolour,
} from "../../page/paint.js";

/** @import { Figure, Frame, Shown, Stats } from "./types.d.ts" */

const WEBCAM_SIDE = 960; // pixels of the longer side of a frame that is sent
const CHART_HEIGHT = 96; // CSS pixels

/* ---- Elements ---- */

// A picture with words beneath.
export function makeFigure() {
  const canvas = make("canvas", { role: "img" });
  const caption = make("figcaption");
  return { canvas, caption, figure: make("figure", {}, canvas, caption) };
}

/**
 * A number with its name and what it counts.
 * @param {string} name
 */
export function makeNumber(name) {
  const value = make("strong");
  const words = make("small");
  return { value, words, box: make("div", {}, make("dt", {}, name), make("dd", {}, value, words)) };
}

/* ---- Words ---- */

/** @param {number} rate */
const formatRate = (rate) => rate.toFixed(rate >= 100 ? 0 : rate >= 1 ? 1 : 2);
/** @param {number} ms */
const formatMs = (ms) => `${ms.toFixed(ms >= 100 ? 0 : 1)} ms`;
/**
 * @param {number} count
 * @param {string} word
 */
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

/**
 * { value, words } of each number, for the statistics of app/tabs/video/view.py or null.
 * @param {Stats | null} stats
 * @param {number | null} pageRate
 */
export function describeStats(stats, pageRate) {
  const page = [pageRate ? formatRate(pageRate) : "–", "frames/s, all included"];
  if (!stats) {
    return {
      dense: ["–", "frames/s"],
      sparse: ["–", "frames/s"],
      speedup: ["–", "sparse against dense"],
      windows: ["–", "of all blocks"],
      agreement: ["–", "with the dense output"],
      page,
    };
  }
  const { kept, total } = stats.windows;
  const { doubt } = stats;
  /** @param {"dense" | "sparse"} name */
  const rate = (name) => [
    formatRate(stats.fps[name]),
    `frames/s (${formatMs(stats.median_ms[name])} a frame)${doubt ? ", disturbed" : ""}`,
  ];
  return {
    dense: rate("dense"),
    sparse: rate("sparse"),
    speedup: doubt
      ? ["–", "this machine is busy"]
      : [`${stats.speedup.toFixed(2)}×`, "sparse against dense"],
    windows: [percent(kept / total), `${kept} of ${total}, all blocks`],
    agreement: [stats.mean_agreement, `with dense, mean of ${plural(stats.compared, "frame")}`],
    page,
  };
}

/** @param {Stats | null} stats */
export function describeMeasuring(stats) {
  if (!stats) {
    return (
      "Frames a second are those of the network alone, dense and sparse timed in turn on the same frames. " +
      "Move the sparsity sliders while it runs: the next frames use them."
    );
  }
  const camera = stats.camera ? ` · camera ${stats.camera}` : "";
  const doubt = stats.doubt ? `${stats.doubt[0].toUpperCase()}${stats.doubt.slice(1)}. ` : "";
  return (
    `${doubt}Frames a second of the network alone: 1000 / median latency of ${plural(stats.compared, "frame")} on which ` +
    `dense and sparse ran in turn, batch 1; reading and drawing are not included. ${stats.model} · ` +
    `${stats.input_size.join(" × ")} px · ${stats.dtype} · ${stats.device}${camera}`
  );
}

/** @param {Stats | null} stats */
export function summarize(stats) {
  if (!stats) return "nothing was measured.";
  const { kept, total } = stats.windows;
  return (
    `${plural(stats.frames, "frame")} with these settings, dense ${formatRate(stats.fps.dense)} and sparse ` +
    `${formatRate(stats.fps.sparse)} frames/s (${stats.doubt ? "this machine is busy" : `${stats.speedup.toFixed(2)}×`}), ${percent(kept / total)} of the ` +
    `windows kept, ${stats.mean_agreement} agreement.`
  );
}

/* ---- Webcam ---- */

export async function openCamera() {
  if (!navigator.mediaDevices)
    throw new Error("The webcam works only on this machine itself or over https.");
  const video = make("video");
  [video.muted, video.playsInline] = [true, true];
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({
      video: { width: { ideal: 1280 } },
    });
  } catch (error) {
    const isDenied = error instanceof DOMException && error.name === "NotAllowedError";
    throw new Error(
      isDenied
        ? "The browser did not allow the webcam; allow it and start again."
        : "No webcam can be used; connect one, or close the program that has it.",
      { cause: error },
    );
  }
  await video.play();
  return video;
}

/** @param {HTMLVideoElement | null | undefined} camera */
export function closeCamera(camera) {
  const stream = /** @type {MediaStream | undefined} */ (camera?.srcObject);
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/**
 * The webcam's picture now, as a data URI.
 * @param {HTMLVideoElement} camera
 */
export function grab(camera) {
  const scale = Math.min(1, WEBCAM_SIDE / Math.max(camera.videoWidth, camera.videoHeight));
  const canvas = make("canvas");
  canvas.width = Math.round(camera.videoWidth * scale);
  canvas.height = Math.round(camera.videoHeight * scale);
  canvas.getContext("2d").drawImage(camera, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.85);
}

/* ---- Pictures ---- */

/**
 * The image of a data URI; null for none.
 * @param {string | null} uri
 */
export async function loadPicture(uri) {
  if (!uri) return null;
  const image = new Image();
  image.src = uri;
  await image.decode();
  return image;
}

/**
 * Makes a figure's canvas as sharp as the screen, in the shape of a picture.
 * @param {Figure} figure
 * @param {HTMLImageElement} picture
 */
function fit({ canvas }, { naturalWidth: width, naturalHeight: height }) {
  canvas.style.aspectRatio = `${width} / ${height}`;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  canvas.height = Math.max(1, Math.round((canvas.width * height) / width));
  const area = { x: 0, y: 0, width: canvas.width, height: canvas.height };
  return { context: canvas.getContext("2d"), area, ratio };
}

/**
 * @param {Figure} figure
 * @param {number | null} number
 * @param {...(Node | string)} words
 */
function describe({ canvas, caption }, number, ...words) {
  caption.replaceChildren(...words);
  canvas.setAttribute("aria-label", `${number ? `Frame ${number}. ` : ""}${caption.textContent}`);
}

/**
 * A frame with the windows of the block `choice`, or in how many blocks each place was computed.
 * `shown` is { frame, picture, output, blocks }; without blocks nothing has run yet.
 * @param {Figure} figure
 * @param {Shown} shown
 * @param {string} choice
 */
export function drawWindows(figure, shown, choice) {
  const { context, area, ratio } = fit(figure, shown.picture);
  const { frame, picture, blocks } = shown;
  const block = blocks[Number(choice)];
  const readFrame = () => readPixels(picture, picture.naturalWidth, picture.naturalHeight);
  if (!blocks.length) {
    drawLayer(context, picture, area);
    describe(figure, null, "The example: a slow pan over a street.");
  } else if (block) {
    const layers = {
      photo: picture,
      pruned: recolour(readFrame(), PRUNED_LIGHT, PRUNED_COLOUR, PRUNED_TINT),
    };
    paintMask(context, area, layers, block);
    paintLines(context, area, ratio, block);
    describe(
      figure,
      frame.number,
      `${block.name}: ${block.kept} of ${block.total} windows kept, dark ones skipped`,
    );
  } else {
    const layers = { grey: recolour(readFrame(), 1, 0, [0, 0, 0]) };
    paintCompute(context, area, layers, countComputed(blocks), blocks.length);
    const ramp = make("i");
    ramp.style.background = makeGradient(VIRIDIS);
    describe(
      figure,
      frame.number,
      "Blocks that computed each place, ",
      make("span", { class: "sv-vid-ramp" }, "0", ramp, String(blocks.length)),
      `; ${percent(frame.kept / frame.total)} of all windows kept`,
    );
  }
}

/**
 * @param {Figure} figure
 * @param {Shown} shown
 */
export function drawOutput(figure, shown) {
  const { frame, output, picture } = shown;
  const { context, area } = fit(figure, output ?? picture);
  if (!output) return describe(figure, null, "What the sparse network sees appears here.");
  drawLayer(context, output, area);
  describe(
    figure,
    frame.number,
    "Output of the sparse network" +
      (frame.agreement == null ? "" : `; ${frame.agreement} agreement with dense on this frame`),
  );
}

/**
 * The latency of every frame, with a line at the one on the screen.
 * @param {HTMLElement} element
 * @param {Frame[]} frames
 * @param {number} position
 */
export function drawTimes(element, frames, position) {
  const times = frames.map(({ sparse_ms: ms }) => ms);
  const most = Math.max(1, ...times, ...frames.map(({ dense_ms: ms }) => ms ?? 0));
  const step = 10 ** Math.floor(Math.log10(most));
  const limit = Math.ceil(most / step) * step;
  const isEmpty = times.length === 0;
  /** @type {[number, number]} */
  const ends = [-0.5, Math.max(1, times.length) - 0.5];
  const frameTicks = [
    { at: ends[0], label: `frame ${frames[0]?.number}`, anchor: "start" },
    { at: ends[1], label: String(frames[frames.length - 1]?.number), anchor: "end" },
  ];
  drawChart(element, {
    kind: "points",
    words: isEmpty
      ? "No latency yet"
      : `Latency of ${plural(times.length, "frame")}: sparse from ` +
        `${formatMs(Math.min(...times))} to ${formatMs(Math.max(...times))}`,
    size: [Math.max(200, element.getBoundingClientRect().width), CHART_HEIGHT],
    x: { ends, ticks: isEmpty ? [] : frameTicks },
    y: {
      ends: [0, limit],
      ticks: [0, limit].map((ms) => ({ at: ms, label: isEmpty ? "" : `${ms} ms` })),
    },
    marks: frames.flatMap(({ number, dense_ms: ms }, index) =>
      ms == null
        ? []
        : [{ x: index, y: ms, kind: "frame", words: `frame ${number}, dense: ${formatMs(ms)}` }],
    ),
    lines: [{ kind: "sparse", points: times.map((ms, index) => [index, ms]) }],
    limit: isEmpty ? null : { x: position, label: "" },
  });
}
