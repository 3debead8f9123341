// What every figure of the page can do. gr.HTML calls this once with (element, trigger, props, ...).

element.addEventListener("click", (event) => {
  const cell = event.target.closest("[data-index]");
  if (cell) trigger("select", { index: Number(cell.dataset.index), value: null });
  const zoom = event.target.closest("[data-zoom]");
  if (zoom) {
    const figure = zoom.closest("figure");
    if (document.fullscreenElement) document.exitFullscreen();
    else if (figure.requestFullscreen) figure.requestFullscreen();
  }
});

// The handle between the dense and the sparse picture.
element.addEventListener("input", (event) => {
  if (event.target.matches("[data-split]")) {
    element.style.setProperty("--split", `${event.target.value}%`);
  }
});
