// A clip or the webcam, frame by frame, from the messages of app/tabs/video/view.py. Each frame is
// asked for when the last one is here, so a webcam's frames that come too fast are never sent.
// Processed frames stay here to go back to.
import { addAxes } from "../../page/cells.js";
import { make, onValue } from "../../page/common.js";
import { makeSwitch } from "../../page/switch.js";
import {
  closeCamera,
  describeMeasuring,
  describeStats,
  drawTimes,
  drawOutput,
  drawWindows,
  grab,
  loadPicture,
  makeFigure,
  makeNumber,
  openCamera,
  summarize,
} from "./draw.js";

/** @import { View } from "../../page/types.d.ts" */
/** @import { Begun, Done, Frame, Message, Problem, Shown, State, Stats } from "./types.d.ts" */

const SOURCES = { example: "Example", clip: "Your clip", webcam: "Webcam" };
const VIEWS = { both: "Both", windows: "Windows", output: "Output" };
const COMPUTE = "compute"; // what can be shown beside the blocks
const RATE_FRAMES = 20; // whose arrival tells the page's own rate

/** @param {View} view */
export function mount({ element, trigger, props, upload, watch }) {
  /** @type {State} */
  const state = { source: "example", file: null, uploaded: null, view: "both", choice: COMPUTE };
  let mostFrames = 1; // as many are kept
  let run = 0; // number of the newest run
  /** @type {{ camera: HTMLVideoElement | null }} */
  let live = null; // { camera }, while frames are coming
  /** @type {string} */
  let sent = null; // the webcam's frame under way, a data URI
  /** @type {Pick<Begun, "rate" | "count" | "note">} */
  let clip = { rate: 10, count: null, note: "" }; // of the newest run
  /** @type {Frame[]} */
  let frames = []; // processed ones, as Python sent them
  let dropped = 0; // frames of this run that are kept no longer
  /** @type {number[]} */
  let arrivals = []; // times of the latest frames, ms
  let position = -1; // of the frame on the screen
  /** @type {Shown} */
  let shown = null; // what is drawn: { frame, picture, output, blocks }
  let loads = 0; // pictures asked for so far; only the newest is drawn
  /** @type {number} */
  let player = null; // timer while playing

  /* ---- The page's elements ---- */

  /** @type {HTMLElement} */
  const root = element.querySelector(".sv-video");
  const sources = makeSwitch("Source", SOURCES, state.source, (source) => {
    state.source = source;
    refresh();
  });
  const fileInput = make("input", { type: "file", accept: "video/*" });
  const fileName = make("span", {}, "Choose a file…");
  const fileLabel = make("label", { class: "sv-vid-file" }, fileInput, fileName);
  const sides = make("select");
  const startButton = make("button", { type: "button", class: "sv-vid-start" });
  const status = make("p", { class: "sv-vid-status", role: "status" });
  const progress = make("progress", { "aria-label": "Frames processed" });
  const counter = make("span", { class: "sv-vid-counter" });
  const views = makeSwitch("Pictures", VIEWS, state.view, (view) => {
    state.view = view;
    draw();
  });
  const choices = make("select", {}, make("option", { value: COMPUTE }, "Compute map"));
  const windows = makeFigure();
  const output = makeFigure();
  const pictures = make("div", { class: "sv-vid-pictures" }, windows.figure, output.figure);
  const playButton = make("button", { type: "button", class: "sv-vid-play" });
  const scrubber = make("input", { type: "range", min: 0, max: 0, "aria-label": "Frame" });
  const place = make("span", { class: "sv-vid-counter" });
  const numbers = {
    dense: makeNumber("Dense"),
    sparse: makeNumber("Sparse"),
    speedup: makeNumber("Speed-up"),
    windows: makeNumber("Windows kept"),
    agreement: makeNumber("Agreement"),
    page: makeNumber("This page"),
  };
  const chart = make("div");
  const measuring = make("p", { class: "sv-note" });

  root.append(
    make(
      "div",
      { class: "sv-vid-bar" },
      sources,
      fileLabel,
      make("label", { class: "sv-vid-field" }, "Short side", sides),
      startButton,
    ),
    make("div", { class: "sv-vid-bar sv-vid-state" }, status, progress, counter),
    make(
      "div",
      { class: "sv-vid-bar" },
      views,
      make("label", { class: "sv-vid-field" }, "Show", choices),
    ),
    pictures,
    make("div", { class: "sv-vid-bar sv-vid-player" }, playButton, scrubber, place),
    make("dl", { class: "sv-vid-numbers" }, ...Object.values(numbers).map(({ box }) => box)),
    make(
      "figure",
      { class: "sv-vid-times" },
      chart,
      make(
        "figcaption",
        {},
        "Forward latency of each frame: ",
        make("i", { class: "sparse" }),
        "sparse ",
        make("i", { class: "dense" }),
        "dense",
      ),
    ),
    measuring,
  );

  /* ---- What the elements say ---- */

  /**
   * @param {string} text
   * @param {boolean} [isProblem]
   */
  function say(text, isProblem = false) {
    status.textContent = text;
    status.classList.toggle("sv-vid-problem", isProblem);
  }

  /** @param {Stats | null} stats */
  function showStats(stats) {
    const span = arrivals[arrivals.length - 1] - arrivals[0];
    const words = describeStats(
      stats,
      arrivals.length > 1 ? (1000 * (arrivals.length - 1)) / span : null,
    );
    for (const name of /** @type {(keyof typeof numbers)[]} */ (Object.keys(numbers))) {
      const number = numbers[name];
      [number.value.textContent, number.words.textContent] = words[name];
    }
    measuring.textContent = describeMeasuring(stats);
  }

  function refresh() {
    const [count, done, number] = [
      frames.length,
      dropped + frames.length,
      frames[position]?.number,
    ];
    for (const input of [...sources.querySelectorAll("input"), fileInput])
      input.disabled = live !== null;
    fileLabel.hidden = state.source !== "clip";
    startButton.textContent = live ? "■ Stop" : "▶ Start";
    startButton.disabled = !live && state.source === "clip" && !state.file;
    playButton.textContent = player ? "❚❚" : "▶";
    playButton.setAttribute("aria-label", player ? "Pause" : "Play the processed frames");
    playButton.disabled = scrubber.disabled = count < 2;
    scrubber.max = String(Math.max(0, count - 1));
    scrubber.value = String(Math.max(0, position));
    scrubber.setAttribute("aria-valuetext", number ? `frame ${number}` : "no frame yet");
    place.textContent = number ? `frame ${number}` : "";
    counter.textContent =
      live || done ? `Frame ${done}${clip.count ? ` of ${clip.count}` : ""}` : "";
    progress.hidden = !live || !clip.count;
    progress.max = clip.count ?? 1;
    progress.value = Math.min(done, progress.max);
  }

  /* ---- Running ---- */

  async function start() {
    pause();
    const mine = ++run;
    const { source } = state;
    [frames, dropped, arrivals, position, sent] = [[], 0, [], -1, null];
    [clip, live] = [{ rate: 10, count: null, note: "" }, { camera: null }];
    const isCurrent = () => run === mine && live !== null;
    showStats(null);
    drawTimes(chart, frames, position);
    say(source === "clip" ? "Sending the clip…" : "Starting…");
    refresh();
    try {
      const path = source === "clip" ? await sendFile() : null;
      const camera = source === "webcam" ? await openCamera() : null;
      if (!isCurrent()) return closeCamera(camera);
      live.camera = camera;
      trigger("begin", { run, source, path });
    } catch (error) {
      if (isCurrent()) fail(error instanceof Error ? error.message : String(error));
    }
  }

  async function sendFile() {
    if (state.uploaded?.file !== state.file) {
      const { path } = await upload(state.file);
      state.uploaded = { file: state.file, path };
    }
    return state.uploaded.path;
  }

  function askForFrame() {
    sent = live.camera ? grab(live.camera) : null;
    trigger("frame", { run, side: Number(sides.value), pixels: sent });
  }

  function end() {
    closeCamera(live?.camera);
    live = null;
    refresh();
  }

  function stop() {
    end();
    say("Stopped.");
    trigger("finish", { run });
  }

  /** @param {string} message */
  function fail(message) {
    end();
    say(message, true);
  }

  /* ---- What Python says ---- */

  /** @type {Record<string, (message: any) => void>} */
  const answers = {
    /** @param {Begun} message */
    begun(message) {
      if (!live) return;
      clip = message;
      say(clip.note || (live.camera ? "The webcam is on." : "Running."));
      askForFrame();
      refresh();
    },

    /** @param {Frame} message */
    frame(message) {
      if (!live) return; // stopped meanwhile
      const follows = position === frames.length - 1 && !player;
      frames.push({ ...message, picture: message.picture ?? sent });
      if (frames.length > mostFrames) {
        frames.shift();
        dropped += 1;
        position = Math.max(0, position - 1);
      }
      arrivals = [...arrivals, performance.now()].slice(-RATE_FRAMES);
      if (live.camera && root.offsetParent === null)
        stop(); // another tab is open: the webcam goes off
      else askForFrame();
      showStats(message.stats);
      show(follows ? frames.length - 1 : position, follows);
    },

    /** @param {Done} message */
    done(message) {
      const word = live ? "Done" : "Stopped";
      end();
      say([`${word}: ${summarize(message.stats)}`, clip.note].join(" "));
    },

    problem: (/** @type {Problem} */ message) => fail(message.message),
  };

  onValue({ props, watch }, (/** @type {Message} */ message) => {
    if (message?.kind === "opening") {
      mostFrames = message.most_frames;
      sides.replaceChildren(
        ...message.sides.map((side) => make("option", { value: side }, `${side} px`)),
      );
      load({ picture: message.poster, output: null, blocks: [] });
    } else if (message?.run === run) {
      answers[message.kind](message);
    }
  });

  /* ---- Looking at frames ---- */

  /** @param {Partial<Frame>} frame */
  async function load(frame) {
    const number = ++loads;
    const [picture, result] = await Promise.all([
      loadPicture(frame.picture),
      loadPicture(frame.output),
    ]);
    if (number !== loads) return;
    shown = { frame, picture, output: result, blocks: frame.blocks.map(addAxes) };
    listBlocks();
    draw();
  }

  /**
   * Goes to a frame; `isNew` is false when it is on the screen already and only its surroundings
   * changed.
   * @param {number} index
   * @param {boolean} [isNew]
   */
  function show(index, isNew = true) {
    position = index;
    refresh();
    drawTimes(chart, frames, position);
    if (isNew) load(frames[index]);
  }

  // The blocks of the network in the menu; another network brings others.
  function listBlocks() {
    const names = shown.blocks.map((block) => block.name);
    if (!names.length || names.length === choices.options.length - 1) return;
    choices.replaceChildren(
      choices.options[0],
      ...names.map((name, value) => make("option", { value }, name)),
    );
    state.choice = choices.value = COMPUTE;
  }

  function draw() {
    pictures.dataset.view = state.view;
    if (!shown || !pictures.clientWidth) return;
    if (state.view !== "output") drawWindows(windows, shown, state.choice);
    if (state.view !== "windows") drawOutput(output, shown);
  }

  function pause() {
    clearTimeout(player);
    player = null;
  }

  function play() {
    const first = position < frames.length - 1 ? position + 1 : 0;
    /** @param {number} index */
    const step = (index) => {
      player = index < frames.length - 1 ? setTimeout(step, 1000 / clip.rate, index + 1) : null;
      show(index);
    };
    step(first);
  }

  /* ---- What the user does ---- */

  /** @param {File | undefined} file */
  function chooseFile(file) {
    if (!file || live) return;
    [state.file, state.source, fileName.textContent] = [file, "clip", file.name];
    /** @type {HTMLInputElement} */ (sources.querySelector("[value=clip]")).checked = true;
    refresh();
  }

  fileInput.addEventListener("change", () => chooseFile(fileInput.files[0]));
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    chooseFile(event.dataTransfer.files[0]);
  });
  startButton.addEventListener("click", () => (live ? stop() : start()));
  choices.addEventListener("change", () => {
    state.choice = choices.value;
    draw();
  });
  scrubber.addEventListener("input", () => {
    pause();
    show(Number(scrubber.value));
  });
  playButton.addEventListener("click", () => {
    if (player) pause();
    else play();
    refresh();
  });
  let drawnWidth = 0;
  new ResizeObserver(() => {
    if (root.clientWidth === drawnWidth) return;
    drawnWidth = root.clientWidth;
    requestAnimationFrame(() => {
      draw();
      drawTimes(chart, frames, position);
    });
  }).observe(root);

  say("Runs the network on every frame, with the sparsities set on this page.");
  showStats(null);
  refresh();
  drawTimes(chart, frames, position);
}
