// The likeliest classes of a classifier, as bars.
import { drawChart } from "../../page/chart.js";
import { make, percent } from "../../page/common.js";
import { bold, nameSide, share } from "./words.js";

/** @import { OutputsValue, Row, Side } from "./types.d.ts" */

/**
 * The likeliest classes of a classifier into a list: for each, a bar of both networks.
 * @param {HTMLElement} list
 * @param {OutputsValue} data
 */
export function fillTop(list, data) {
  const { rows, agreement, same_top: sameTop } = data;
  const [dense, sparse] = [nameSide(data, "dense"), nameSide(data, "sparse")];
  /** @param {Side} key */
  const first = (key) => bold(rows.reduce((best, row) => (row[key] > best[key] ? row : best)).name);
  /** @param {Row} row */
  const makePair = (row) => {
    const host = make("div");
    drawChart(host, {
      kind: "bars",
      most: 1,
      rows: /** @type {Side[]} */ (["dense", "sparse"]).map((kind) => ({
        name: nameSide(data, kind),
        value: share(row[kind]),
        bars: [{ kind, to: row[kind] }],
        track: 1,
      })),
    });
    return host;
  };
  const verdict = sameTop
    ? ["Both say ", first("dense"), ": the likeliest class is the same. "]
    : [
        `${dense[0].toUpperCase()}${dense.slice(1)} says `,
        first("dense"),
        `, ${sparse} says `,
        first("sparse"),
        ": the likeliest class changed. ",
      ];
  list.replaceChildren(
    make(
      "p",
      {},
      ...verdict,
      `Agreement with ${dense}: ${percent(agreement, 1)}, the probability that both share.`,
    ),
    make("h4", {}, "Probability of the five likeliest classes of each network"),
    make("ul", {}, ...rows.map((row) => make("li", {}, make("span", {}, row.name), makePair(row)))),
  );
}
