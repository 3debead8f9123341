// The numbers beside the picture: two lines, and a table of classes that is the legend too.
import { drawChart } from "../../page/chart.js";
import { make } from "../../page/common.js";
import { swatch } from "./words.js";

/** @import { Column, OutputsValue, TaskView } from "./types.d.ts" */

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
 * Head of a table: what its rows are, then the columns, neighbours of one group under common words.
 * @param {string} thing
 * @param {Column[]} columns
 */
function makeTableHead(thing, columns) {
  const isGrouped = columns.some(({ group }) => group);
  /**
   * @param {string} text
   * @param {Record<string, string | number>} [attributes]
   */
  const head = (text, attributes = {}) => make("th", { scope: "col", ...attributes }, text);
  const tall = isGrouped ? { rowspan: 2 } : {};
  const first = columns.flatMap(({ head: words, group }, index) => {
    if (!group) return [head(words, tall)];
    const colspan = columns.filter((column) => column.group === group).length;
    return columns[index - 1]?.group === group ? [] : [head(group, { scope: "colgroup", colspan })];
  });
  const second = columns.filter(({ group }) => group).map(({ head: words }) => head(words));
  return make(
    "thead",
    {},
    make("tr", {}, head(thing, tall), ...first),
    ...(isGrouped ? [make("tr", {}, ...second)] : []),
  );
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
  let columns = []; // of the table
  let signature = ""; // of its rows and columns; while it stays, only the cells' texts change

  /**
   * @param {OutputsValue} data
   * @param {TaskView} view of its task
   */
  function fill(data, view) {
    const { task, rows, classes, truth } = data;
    agreementLine.replaceChildren(...view.describeAgreement(data));
    const truthWords = view.describeTruth?.(data);
    truthLine.hidden = !truthWords;
    truthLine.replaceChildren(...(truthWords ?? []));
    const now = JSON.stringify([task, classes, rows.map((row) => row.index), !truth]);
    table.hidden = !rows.length;
    if (now !== signature) makeRows(data, view);
    signature = now;
    rows.forEach((row, index) =>
      columns.forEach(({ key, write, hasBar }, column) => {
        const cell = table.tBodies[0].rows[index].cells[column + 1];
        cell.lastChild.textContent = row[key] === null ? "–" : write(row[key]);
        if (hasBar) drawShare(/** @type {HTMLElement} */ (cell.firstChild), Number(row[key] ?? 0));
      }),
    );
  }

  /**
   * @param {OutputsValue} data
   * @param {TaskView} view
   */
  function makeRows(data, { things, note, describeNote, listColumns }) {
    const { rows } = data;
    columns = listColumns(data);
    table.replaceChildren(
      make("caption", {}, describeNote?.(data) ?? note),
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
