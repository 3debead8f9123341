// What the page's modules hand one another, and the JSON that app/page/*.py sends.

/**
 * What gr.HTML hands a view; see its docstring in gradio. Alone is one in a file of its own, where
 * there is nobody to run the network; see app/tabs/takeaway/interactive.js.
 */
export interface View {
  element: HTMLElement;
  trigger(event: string, data?: object): void;
  props: { value: string; alone?: boolean };
  server: object;
  upload(file: File): Promise<{ path: string; url: string }>;
  watch(prop: string, callback: () => void): void;
}

/** [height, width], or [rows, columns]. */
export type Size = [number, number];

/** A point of a picture, fractions 0 to 1 of its width and height. */
export interface Place {
  x: number;
  y: number;
}

/** Device pixels of a canvas, or CSS pixels. */
export interface Area {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Photo {
  key: string;
  width: number;
  height: number;
  uri: string;
  image: HTMLImageElement;
}

/** For each window row (or column) its pieces [from, to], fractions of the picture. */
export type Spans = [number, number][][];

/** The windows of a block as Python sends them; keep has a "1" or "0" for each, row by row. */
export interface BlockValue {
  name: string;
  rows: number;
  cols: number;
  kept: number;
  total: number;
  keep: string;
  row_spans: Spans;
  col_spans: Spans;
}

/** A cell's edges on one axis, fractions of the picture, and the row or column of its window. */
export interface Cell {
  from: number;
  to: number;
  owner: number;
}

export interface Block extends BlockValue {
  ys: Cell[];
  xs: Cell[];
}

/** The same with scores; null where a score is not finite. */
export interface ScoredBlock extends Block {
  scores: number[];
  low: number;
  high: number;
}

/** In how many blocks each cell was computed, row by row. */
export interface Computed {
  xs: { from: number; to: number }[];
  ys: { from: number; to: number }[];
  counts: Uint16Array;
}

/** The photo as it is drawn: itself, as pruned, grey; small for thumbnails. */
export interface Layers {
  photo: CanvasImageSource;
  pruned: CanvasImageSource;
  grey: CanvasImageSource;
  small: { photo: CanvasImageSource; pruned: CanvasImageSource };
}

/** Windows painted by hand: see sparsevit/inspect/painted.py. */
export interface Painted {
  stage: number;
  block: number | null;
  shifted: boolean;
  rows: number;
  cols: number;
  keep: number[];
  skip: number[];
}

/** What is asked of the network; sparsities by stage and pair. */
export interface Wish {
  linked: boolean;
  stages: number[][];
  painted: Painted[];
}

/** Of app/page/panel.py. */
export interface PanelValue {
  linked: boolean;
  asked: number | null;
  stages: { grid: Size | null; windows: number | null; sparsities: number[] }[];
  painted: Painted[];
  presets: { label: string; title: string; stages: number[][] }[];
  waiting: boolean;
}

/** Of app/page/task.py. */
export interface TaskValue {
  tasks: { name: string; label: string }[];
  task: string;
  focal: string;
  asked: number | null;
  camera: { mm: string; words: string } | null;
  words: string;
}

/** Of app/tabs/takeaway/view.py. */
export interface AddressValue {
  query: string;
  note: string;
}

/** Of app/page/pin.py; without sides while nothing is pinned. */
export interface PinValue {
  a?: { differs: string; numbers: string };
  b?: { differs: string; numbers: string };
  same?: string;
}

/** What the page says of the current photo; undefined or "" where it says nothing yet. */
export interface Facts {
  photo?: string;
  size?: string;
  windows?: string;
  window?: string;
  kept?: string;
  total?: string;
  sparsity: string;
  agreement?: string;
  means: string;
  macs?: string;
  speed: string;
}

/** A stop of the tour. */
export interface Stop {
  title: string;
  tab?: string;
  anchor: string[];
  say(facts: Facts): [string, string];
}
