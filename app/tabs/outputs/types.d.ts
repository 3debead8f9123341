// The JSON of view.py and drawings.py, and what is drawn of it.
import type { Photo, Size } from "../../page/types.d.ts";

export type Side = "dense" | "sparse";
export type MapName = Side | "truth";
export type Mode = "compare" | "difference" | "truth" | "errors";

/** What a class has in numbers; which of them there are depends on the task. */
export interface Row {
  index: number;
  name?: string;
  dense?: number;
  sparse?: number;
  iou?: number | null;
  true_dense?: number | null;
  true_sparse?: number | null;
  matched?: number;
  quality?: number;
  grid?: Size;
  channels?: number;
  cosine?: number;
}

export interface Segment {
  class: number;
  match: number | null;
  iou: number;
}

export interface Accuracy {
  miou: number;
  pixel_accuracy: number;
}

export interface OutputsValue {
  task: "semantic" | "instance" | "panoptic" | "features" | "classification";
  photo: string;
  classes: { name: string; colour?: string }[];
  /** Grey PNGs as data URIs. */
  dense?: string;
  sparse?: string;
  truth?: string | null;
  agreement: number;
  mean_iou?: number;
  accuracy?: Record<Side, Accuracy> | null;
  rows: Row[];
  drawings?: Record<Side, string>[];
  names?: Partial<Record<MapName, { class: number; u: number; v: number }[]>>;
  segments?: Partial<Record<MapName, Segment[]>>;
  matched?: number;
  matched_iou?: number;
  counts?: Record<Side, number>;
  same_top?: boolean;
}

/** Classes of a picture, row by row; numbers are those of segments where a map has segments. */
export interface ClassMap {
  uri: string;
  width: number;
  height: number;
  numbers: Uint8Array;
  values: Uint8Array;
}

export interface Ready {
  data: OutputsValue;
  dense: ClassMap;
  sparse: ClassMap;
  truth: ClassMap | null;
  drawings: Record<Side, HTMLImageElement>[];
}

export type Shown = Ready & { photo: Photo };

/** The place whose classes are read; pinned where no mouse pointer shows it. */
export interface Probe {
  u: number;
  v: number;
  pinned: boolean;
}

/** A kind of mark: what it says and its colour [red, green, blue]. */
export interface Kind {
  words: string;
  colour: number[];
}

export interface Marks {
  kinds: Kind[];
  layer: HTMLCanvasElement;
  shares: number[];
}

/** A name to write at a place, fractions of the picture. */
export interface Name {
  text: string;
  u: number;
  v: number;
}

export interface Layer {
  cover: HTMLCanvasElement | null;
  marks: HTMLCanvasElement;
  opacity: () => number;
  names?: Name[];
}

/** A column of the table: of the row's value, words above it, words above it and its neighbour. */
export interface Column {
  key: keyof Row;
  head: string;
  group?: string;
  write: (value: any) => string;
  hasBar?: boolean;
}

/** What the view says of a task. */
export interface TaskView {
  modes: Mode[];
  picture: string;
  things: [string, string];
  nothing?: string;
  tags?: Record<string, string>;
  note: string;
  listColumns(data: OutputsValue): Column[];
  describe(sides: string[], name: string | null): (Node | string)[];
  describeAgreement(data: OutputsValue): (Node | string)[];
  markDifference?(shown: Shown, chosen: number | null): Marks;
}
