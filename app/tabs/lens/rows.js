// A row of small maps for each stage.
import { make, percent } from "../../page/common.js";
import { makeClassLayer } from "../outputs/draw.js";
import { countDifferences, makeCosineLayer, makeDifference } from "./maps.js";

/** @import { Look, Picture, Row, Shown } from "./types.d.ts" */

/**
 * The rows of a look, their maps drawn.
 * @param {Shown} shown
 * @param {Look} look
 * @returns {Row[]}
 */
export function listRows(shown, look) {
  const { stages } = shown.data;
  return stages.map(({ name, grid, reads }, stage) => ({
    head: name,
    about: [`${grid[0]} × ${grid[1]} tokens`, ...(look === "classes" ? reads : [])],
    pictures: look === "classes" ? listClasses(shown, stage) : listCosines(shown, stage),
  }));
}

/**
 * @param {Shown} shown
 * @param {number} stage
 * @returns {Picture[]}
 */
function listClasses({ data, readings }, stage) {
  const { dense, sparse } = readings[stage];
  const name = data.stages[stage].name.toLowerCase();
  const differs = percent(countDifferences(dense, sparse), 1);
  const layers = [dense, sparse].map((map) =>
    makeClassLayer({ ...map, uri: "", numbers: map.values }, data.classes, null),
  );
  const sides = [
    {
      label: "dense",
      words: `Classes read off the dense features after ${name}`,
      layer: layers[0],
    },
    {
      label: "sparse",
      words: `Classes read off the sparse features after ${name}`,
      layer: layers[1],
    },
    {
      label: `${differs} differ`,
      words: `Where the classes read off dense and sparse after ${name} differ: ${differs}`,
      layer: makeDifference(dense, sparse),
    },
  ];
  return sides.map((side, index) => ({
    ...side,
    key: `classes ${stage} ${index}`,
    smooth: false,
  }));
}

/**
 * @param {Shown} shown
 * @param {number} stage
 * @returns {Picture[]}
 */
function listCosines({ data, cosines }, stage) {
  return data.blocks
    .map((block, index) => ({
      key: `cosine ${index}`,
      stage: block.stage,
      layer: makeCosineLayer(cosines[index]),
      label: `${block.name}: ${block.cosine.toFixed(3)}`,
      words:
        `Cosine of sparse and dense after block ${block.name}: ` +
        `mean ${block.cosine.toFixed(3)}; it skipped ${percent(block.skipped)} of its windows`,
      smooth: true,
    }))
    .filter((picture) => picture.stage === stage);
}

/**
 * @param {Row[]} rows
 * @param {string | null} chosen key of the map that is shown large
 * @param {(picture: Picture) => void} choose
 */
export function makeRows(rows, chosen, choose) {
  return rows.map(({ head, about, pictures }) =>
    make(
      "div",
      { class: "sv-lens-row" },
      make(
        "div",
        { class: "sv-lens-head" },
        make("h4", {}, head),
        ...about.map((words) => make("small", {}, words)),
      ),
      make(
        "div",
        { class: "sv-lens-maps" },
        ...pictures.map((picture) => {
          const button = make(
            "button",
            {
              type: "button",
              "aria-label": picture.words,
              "aria-pressed": String(picture.key === chosen),
              "data-key": picture.key,
              title: picture.words,
            },
            picture.layer,
            make("span", {}, picture.label),
          );
          picture.layer.classList.toggle("sv-lens-crisp", !picture.smooth);
          button.addEventListener("click", () => choose(picture));
          return button;
        }),
      ),
    ),
  );
}
