// Marked pixels over the dark photo: where two maps differ.
import { DIFFERENCE_COLOUR } from "../../page/looks.js";
import { drawLayer, fade, makeCover, makeLayer, pack } from "./draw.js";
import { bold, keep, share, swatch } from "./words.js";

/** @import { ClassMap, Kind, Layer, Marks } from "./types.d.ts" */

export const CLASS_DIFFERS = { words: "the class differs", colour: DIFFERENCE_COLOUR };

/**
 * Whether two classes differ, and one of them is the chosen class if there is one.
 * @param {number} one
 * @param {number} other
 * @param {number | null} chosen
 */
export function differ(one, other, chosen) {
  return one !== other && (chosen === null || one === chosen || other === chosen);
}

/**
 * Marks pixel i in the colour of its kind: kindOf(i) is an index into kinds, -1 for no mark, null
 * where nothing is known. Gives { kinds, layer, shares }: the share of each kind in the known
 * pixels.
 * @param {ClassMap} map
 * @param {Kind[]} kinds
 * @param {(index: number) => number | null} kindOf
 */
export function makeMarks(map, kinds, kindOf) {
  const counts = kinds.map(() => 0);
  const colours = kinds.map(({ colour }) => pack(colour));
  let known = 0;
  const layer = makeLayer(map, (i) => {
    const kind = kindOf(i);
    if (kind === null) return 0;
    known++;
    if (kind < 0) return 0;
    counts[kind]++;
    return colours[kind];
  });
  return { kinds, layer, shares: counts.map((count) => count / known) };
}

/**
 * Marks over the photo, and the share of each kind in words.
 * @param {Marks} marks
 * @param {ClassMap} map of the same picture
 * @param {string} pixels what the shares are of
 * @param {string | null} name of the one class to see alone
 */
export function showMarks({ kinds, layer, shares }, map, pixels, name) {
  const cover = makeCover(map, null);
  /** @type {Layer} */
  const draw = (context, columns) => {
    fade(context, cover, columns);
    drawLayer(context, layer, columns, 1);
  };
  const caption = [
    ...kinds.map(({ words, colour }, kind) =>
      keep(swatch(`rgb(${colour})`), `${words}: `, bold(share(shares[kind])), " "),
    ),
    name === null ? `${pixels}.` : `${pixels}; ${name} alone.`,
  ];
  return { caption, layers: [draw] };
}
