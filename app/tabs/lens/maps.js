// The maps of the lens as layers, and the regions on them. A map is { width, height, values }.
import { pickChannels } from "../../page/colours.js";
import { DIFFERENCE_COLOUR } from "../../page/looks.js";
import { makeLayer, pack } from "../outputs/draw.js";
import { decodeMap } from "../outputs/maps.js";

/** @import { Decoded, GreyMap, LensValue } from "./types.d.ts" */

const SAME_COLOUR = [38, 44, 54];
const CHOSEN_COLOUR = [86, 180, 233];
const FILL = { other: 0.3, chosen: 0.5 }; // opacity inside a region
const EDGE_SHARE = 1 / 420; // of the picture's longer side: how thick an outline is

/**
 * @param {LensValue} data
 * @returns {Promise<Decoded>}
 */
export async function decode(data) {
  const cosines = Promise.all(data.blocks.map(({ map }) => decodeMap(map)));
  const readings = Promise.all(
    data.stages
      .filter(({ dense }) => dense)
      .map(async ({ dense, sparse }) => ({
        dense: await decodeMap(dense),
        sparse: await decodeMap(sparse),
      })),
  );
  const regions = decodeMap(data.region_map);
  return { data, regions: await regions, cosines: await cosines, readings: await readings };
}

/** @param {GreyMap} map */
export function makeCosineLayer(map) {
  const colours = Array.from({ length: 256 }, (_, level) => pack(pickChannels(level / 255)));
  return makeLayer(map, (i) => colours[map.values[i]]);
}

/**
 * Where two class maps differ; the rest is dark.
 * @param {GreyMap} dense
 * @param {GreyMap} sparse
 */
export function makeDifference(dense, sparse) {
  const [same, other] = [SAME_COLOUR, DIFFERENCE_COLOUR].map(pack);
  return makeLayer(dense, (i) => (dense.values[i] === sparse.values[i] ? same : other));
}

/**
 * The share of the places where two class maps differ.
 * @param {GreyMap} dense
 * @param {GreyMap} sparse
 */
export function countDifferences(dense, sparse) {
  const differs = dense.values.reduce(
    (count, value, i) => count + Number(value !== sparse.values[i]),
    0,
  );
  return differs / dense.values.length;
}

/**
 * The regions, tinted and outlined.
 * @param {GreyMap} map numbers of regions, 0 for none
 * @param {number} chosen number of one
 */
export function makeRegionLayer(map, chosen) {
  const { width, height, values } = map;
  const reach = Math.max(1, Math.round(Math.max(width, height) * EDGE_SHARE));
  const inks = [false, true].map((isChosen) => {
    const colour = pack(isChosen ? CHOSEN_COLOUR : DIFFERENCE_COLOUR);
    const opacity = isChosen ? FILL.chosen : FILL.other;
    return { edge: colour, fill: ((colour & 0xffffff) | (Math.round(255 * opacity) << 24)) >>> 0 };
  });
  /**
   * @param {number} x
   * @param {number} y
   */
  const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : values[y * width + x]);
  return makeLayer(map, (i) => {
    const number = values[i];
    if (!number) return 0;
    const [x, y] = [i % width, Math.floor(i / width)];
    const isEdge =
      at(x - reach, y) !== number ||
      at(x + reach, y) !== number ||
      at(x, y - reach) !== number ||
      at(x, y + reach) !== number;
    const { edge, fill } = inks[Number(number === chosen)];
    return isEdge ? edge : fill;
  });
}

/**
 * The number of the region nearest to a place of the picture, fractions of it; 0 for none nearby.
 * @param {GreyMap} map
 * @param {number} u
 * @param {number} v
 * @param {number} reach share of the width that counts as nearby
 */
export function findRegion({ width, height, values }, u, v, reach) {
  const [x, y] = [Math.floor(u * width), Math.floor(v * height)];
  const far = Math.ceil(reach * width);
  let [found, least] = [0, Infinity];
  for (let row = Math.max(0, y - far); row <= Math.min(height - 1, y + far); row++) {
    for (let column = Math.max(0, x - far); column <= Math.min(width - 1, x + far); column++) {
      const distance = (row - y) ** 2 + (column - x) ** 2;
      const number = values[row * width + column];
      if (number && distance < least) [found, least] = [number, distance];
    }
  }
  return found;
}
