// Dark blue to yellow, even in brightness for every colour vision.
export const VIRIDIS = [
  "#440154",
  "#48186a",
  "#472d7b",
  "#424086",
  "#3b528b",
  "#33638d",
  "#2c728e",
  "#26828e",
  "#21918c",
  "#1f9f88",
  "#27ad81",
  "#3dbc74",
  "#5cc863",
  "#81d34d",
  "#aadc32",
  "#d5e21a",
  "#fde725",
];

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

/** @param {number} level */
export const pickViridis = (level) => `rgb(${pickChannels(level).join(" ")})`;
