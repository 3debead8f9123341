// What every part of the page that Python draws as HTML can do: press what has a data-index.

function select(cell) {
  trigger("select", { index: Number(cell.dataset.index), value: null });
}

element.addEventListener("click", (event) => {
  const cell = event.target.closest("[data-index]");
  if (cell) select(cell);
});

// A point of a chart is no button of the browser's own.
element.addEventListener("keydown", (event) => {
  const cell = event.target.closest("g[data-index]");
  if (!cell || (event.key !== "Enter" && event.key !== " ")) return;
  event.preventDefault();
  select(cell);
});
