// The numbers beside the picture: two lines, and a table of classes that is the legend too.
import { drawChart } from "../../page/chart.js";
import { make } from "../../page/common.js";
import { VIEWS, describeAccuracy, makeTableHead, swatch } from "./words.js";

/** @import { Column, OutputsValue } from "./types.d.ts" */

/**
 * @param {OutputsValue} data
 * @param {number} index
 */
function makeClassButton(data, index) {
  const { name, colour } = data.classes[index];
  return make(
    "button",
    { type: "button", "data-index": index },
    colour ? swatch(colour) : "",
    name,
  );
}

/**
 * @param {HTMLElement} element
 * @param {number} share of 1
 */
function drawShare(element, share) {
  const row = { bars: [{ kind: "sparse", to: share }], track: 1 };
  drawChart(element, { kind: "bars", most: 1, rows: [row] });
}

/**
 * The table and, for where it has no room, the classes as chips; both are buttons with a data-
 * index.
 */
export function makeNumbers() {
  const chips = make("div", { class: "sv-out-chips", role: "group" });
  const agreementLine = make("p");
  const truthLine = make("p");
  const table = make("table", { class: "sv-out-table" });
  const box = make(
    "div",
    { class: "sv-out-numbers" },
    make("div", { class: "sv-out-facts" }, agreementLine, truthLine),
    table,
  );
  /** @type {Column[]} */
  let columns = []; // of the table, see VIEWS
  let signature = ""; // of its rows and columns; while it stays, only the cells' texts change

  /** @param {OutputsValue} data */
  function fill(data) {
    const { task, accuracy, rows, classes, truth } = data;
    agreementLine.replaceChildren(...VIEWS[task].describeAgreement(data));
    truthLine.hidden = !accuracy;
    if (accuracy) truthLine.replaceChildren(...describeAccuracy(accuracy));
    const now = JSON.stringify([task, classes, rows.map((row) => row.index), !truth]);
    if (now !== signature) makeRows(data);
    signature = now;
    rows.forEach((row, index) =>
      columns.forEach(({ key, write, hasBar }, column) => {
        const cell = table.tBodies[0].rows[index].cells[column + 1];
        cell.lastChild.textContent = row[key] === null ? "–" : write(row[key]);
        if (hasBar) drawShare(/** @type {HTMLElement} */ (cell.firstChild), Number(row[key] ?? 0));
      }),
    );
  }

  /** @param {OutputsValue} data */
  function makeRows(data) {
    const { rows } = data;
    const { things, note, listColumns } = VIEWS[data.task];
    columns = listColumns(data);
    table.replaceChildren(
      make("caption", {}, note),
      makeTableHead(things[0], columns),
      make(
        "tbody",
        {},
        ...rows.map(({ index }) =>
          make(
            "tr",
            { "data-index": index },
            make("th", { scope: "row" }, makeClassButton(data, index)),
            ...columns.map(({ hasBar }) =>
              make(
                "td",
                {},
                ...(hasBar ? [make("div", { class: "sv-out-share" })] : []),
                make("span"),
              ),
            ),
          ),
        ),
      ),
    );
    chips.setAttribute("aria-label", `${things[1]}, to see one alone`);
    chips.replaceChildren(...rows.map(({ index }) => makeClassButton(data, index)));
  }

  return { box, chips, fill };
}
