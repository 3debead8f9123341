// How masks look; made from sparsevit/draw/looks.py by: python -m app.page.looks
export const DIFFERENCE_COLOUR = [255, 96, 0];
export const PRUNED_LIGHT = 0.2;
export const PRUNED_COLOUR = 0.25;
export const PRUNED_TINT = [10, 15, 34];
export const OUTLINE_LEVEL = 240;
export const EDGE_OPACITY = 0.45;
export const FADED_WINDOW = 24;
export const HEAT_OPACITY = 0.65;

// Dark blue to yellow, evenly spaced; the page mixes what lies between.
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
