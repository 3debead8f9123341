// The features of a backbone: drawings of how strong they are, of all stages and of each.
import { percent } from "../../page/common.js";
import { drawLayer } from "./draw.js";
import { decodePictures } from "./maps.js";
import { bold, nameChosen, nameSide } from "./words.js";

/** @import { Layer, Side, TaskView } from "./types.d.ts" */

/** @type {TaskView} */
export const FEATURES = {
  listModes: () => ["compare"],
  picture: "Photo coloured by its features.",
  things: ["stage", "Stages"],
  tags: { dense: "strength", sparse: "cosine" },
  note: "Cosine: 1 where the features of both point the same way. Choose a stage to see it alone.",

  listColumns: () => [
    { key: "grid", head: "places", write: ([rows, cols]) => `${rows} × ${cols}` },
    { key: "channels", head: "channels", write: String },
    { key: "cosine", head: "mean cosine", write: (value) => value.toFixed(3), hasBar: true },
  ],

  describeAgreement: (data) => [
    `Agreement with ${nameSide(data, "dense")}: `,
    bold(percent(data.agreement, 1)),
    ", the cosine of the features, mean of the stages.",
  ],

  decode: async (data) => ({ drawings: await Promise.all(data.drawings.map(decodePictures)) }),

  show({ data, drawings }, { chosen }) {
    const name = nameChosen(data, chosen);
    const drawing = drawings[chosen === null ? 0 : chosen + 1];
    /** @type {(side: Side) => Layer} */
    const makeSide = (side) => (context, columns) =>
      drawLayer(context, drawing[side], columns, 1, "source-over", true);
    const caption = [
      name === null ? "All stages: " : `${name} alone: `,
      bold("strength"),
      ` of the ${nameSide(data, "dense")} features left of the handle, dark blue weak, yellow strong; `,
      bold("cosine"),
      ` of ${nameSide(data, "sparse")} with ${nameSide(data, "dense")} right, dark blue 0, yellow 1.`,
    ];
    return { caption, layers: [makeSide("dense"), makeSide("sparse")] };
  },
};
