import { VIRIDIS } from "./looks.js";

export { VIRIDIS };

/**
 * The colour of a level 0 to 1 as [red, green, blue].
 * @param {number} level
 */
export function pickChannels(level) {
  const at = Math.min(1, Math.max(0, level)) * (VIRIDIS.length - 1);
  const first = Math.min(VIRIDIS.length - 2, Math.floor(at));
  return [1, 3, 5].map((start) => {
    const [low, high] = [0, 1].map((step) =>
      parseInt(VIRIDIS[first + step].slice(start, start + 2), 16),
    );
    return Math.round(low + (at - first) * (high - low));
  });
}

/**
 * CSS of colours from left to right.
 * @param {string[]} stops
 */
export const makeGradient = (stops) => `linear-gradient(90deg, ${stops.join(", ")})`;

/** @param {number} level */
export const pickViridis = (level) => `rgb(${pickChannels(level).join(" ")})`;
