// The stops of the tour, and what each says of what is on the page now.

/** @import { Facts, Stop } from "./types.d.ts" */

/**
 * What the page says of the current photo.
 * @param {(selector: string) => string} read the text of an element, "" where there is none
 * @returns {Facts}
 */
export function readFacts(read) {
  const fed = read("#sv-fed .sv-note");
  const [, photo, size, rest] = fed.match(/^Photo (.+?) → network ([\d ×]+\d)(.*)$/) ?? [];
  const [, windows, window] = rest?.match(/(\d+) windows of ([\d ×]+\d)/) ?? [];
  const [, kept, total] = read("#sv-kept").match(/^(\d+) of (\d+)/) ?? [];
  return {
    photo,
    size,
    windows,
    window,
    kept,
    total,
    sparsity: read("#sv-panel .sv-master [aria-valuetext]"),
    agreement: read("#sv-agreement strong").match(/^\d.*(%|dB)$/)?.[0],
    means: read("#sv-agreement span").replace(/^agreement: /, ""),
    macs: read("#sv-macs").match(/^\d.*/)?.[0],
    speed: readSpeed(read("#sv-speedup strong")),
  };
}

/** @param {string} text */
function readSpeed(text) {
  if (/^\d.*×$/.test(text))
    return `Measured on this machine, it runs at ${text} the speed of dense.`;
  if (text === "machine busy")
    return "This machine is busy, so no speed-up is shown; it is measured again when it is quiet.";
  if (text === "–") return "How fast it is could not be measured here.";
  return "How fast it really is, is measured at this moment: dense and sparse in turn.";
}

/**
 * Six stops from the photo to the speed-up. `anchor` is what a stop shows, the first of the
 * selectors that finds something; `tab` the tab that it is in.
 * @type {Stop[]}
 */
export const STOPS = [
  {
    title: "The photo",
    anchor: ["#sv-upload"],
    say: ({ photo }) => [
      photo ? `Here is the photo, of ${photo} pixels.` : "Here is the photo.",
      "Press another one below it, or upload your own.",
    ],
  },
  {
    title: "What the network is fed",
    anchor: ["#sv-fed"],
    say: ({ size, windows, window }) => [
      windows
        ? `It gets the photo at ${size} pixels, cut into ${windows} windows of ${window} tokens.`
        : "It gets the photo in its own size, cut into small windows.",
      "Attention stays inside a window, so each can be computed or skipped by itself.",
    ],
  },
  {
    title: "How much to skip",
    anchor: ["#sv-panel .sv-panel"],
    say: ({ sparsity }) => [
      `The sliders say which share of its windows each layer skips${sparsity && ` (now ${sparsity})`}.`,
      "Move one: every number and picture follows.",
    ],
  },
  {
    title: "What is skipped",
    tab: "windows",
    anchor: ["#sv-windows .sv-win-stage", "#sv-tabs"],
    say: ({ kept, total }) => [
      "Dark windows scored lowest in this block, so it skipped them.",
      kept
        ? `All blocks together computed ${kept} of ${total} windows.`
        : "How many all blocks computed stands above.",
    ],
  },
  {
    title: "What it changes",
    tab: "outputs",
    anchor: ["#sv-outputs .sv-out-frame", "#sv-outputs", "#sv-tabs"],
    say: ({ agreement, means }) => [
      "Here is the output with every window, dense, against the one with windows skipped, sparse.",
      agreement ? `Their agreement is ${agreement}: ${means}.` : "How alike they are stands above.",
    ],
  },
  {
    title: "What it gains",
    anchor: ["#sv-headline"],
    say: ({ speed, macs }) => [
      speed,
      macs
        ? `Of the arithmetic it needs ${macs}.`
        : "How much arithmetic it saves stands here too.",
    ],
  },
];

/**
 * The stop after a step, or null after the last one.
 * @param {number} stop
 * @param {number} by
 */
export const moveStop = (stop, by) => (stop + by < STOPS.length ? Math.max(0, stop + by) : null);
