// The JSON of view.py and drawings.py, and what is drawn of it.
import type { Photo, Size } from "../../page/types.d.ts";

export type Side = "dense" | "sparse";
export type MapName = Side | "truth";
/** Base is what needs no network, as bicubic interpolation. */
export type PictureName = MapName | "base";
export type Mode = "compare" | "difference" | "together" | "truth" | "errors" | "own";

/** What a class has in numbers; which of them there are depends on the task. */
export interface Row {
  index: number;
  name?: string;
  dense?: number;
  sparse?: number;
  iou?: number | null;
  true?: number;
  true_dense?: number | null;
  true_sparse?: number | null;
  matched?: number;
  quality?: number | null;
  error?: number | null;
  grid?: Size;
  channels?: number;
  cosine?: number;
  psnr?: number | null;
  ssim?: number | null;
}

/** A true one has the IoU of what each network finds of it, the others their match. */
export interface Segment {
  class: number;
  match?: number | null;
  iou?: number;
  dense?: number | null;
  sparse?: number | null;
}

export interface Accuracy {
  miou: number | null;
  pixel_accuracy?: number;
  found?: number;
}

export interface OutputsValue {
  task:
    | "semantic"
    | "instance"
    | "panoptic"
    | "features"
    | "classification"
    | "boxes3d"
    | "restoration"
    | "enhancement";
  photo: string;
  /** The agreement as it is written, with its unit. */
  said: string;
  /** Of restored photos these are the pictures, each with its side. */
  classes: { name: string; colour?: string; side?: PictureName }[];
  /** Grey PNGs as data URIs. */
  dense?: string;
  sparse?: string;
  truth?: string | null;
  agreement: number;
  mean_iou?: number;
  accuracy?: Record<Side, Accuracy> | null;
  rows: Row[];
  drawings?: Partial<Record<MapName, string>>[];
  names?: Partial<Record<MapName, { class: number; u: number; v: number }[]>>;
  segments?: Partial<Record<MapName, Segment[]>>;
  matched?: number;
  matched_iou?: number;
  counts?: Partial<Record<MapName, number>>;
  same_top?: boolean;
  min_score?: number;
  sights?: [number, number];
  boxes?: Record<MapName, Box[] | null>;
  centre_error?: number | null;
  /** What the two sides are called, where they are not dense and sparse. */
  sides?: Partial<Record<PictureName, string>>;
  /** Grey PNGs of what each side's own network says without pruning. */
  own?: Record<Side, string>;
  size?: Size;
  /** Of restored photos: the pictures, and grey PNGs of how far they are off. */
  pictures?: Partial<Record<PictureName, string>>;
  errors?: Partial<Record<PictureName, string>>;
  levels?: number;
  spot?: [number, number];
  gain?: Record<Side, number> | null;
}

/** Metres (to the right, ahead) of the camera; lines and corners are fractions of the picture. */
export interface Box {
  class: number;
  score: number | null;
  place: [number, number];
  /** Length, height, width. */
  size: [number, number, number];
  footprint: number[][];
  ahead: number[][];
  behind: number[][];
  front: number[][];
  /** Its number on other sides. */
  matches: Partial<Record<MapName, number>>;
}

export interface BoxRef {
  side: MapName;
  index: number;
}

/** What shows of a box, fractions of the picture. */
export interface Extent {
  u0: number;
  v0: number;
  u1: number;
  v1: number;
}

/** What to see from above. */
export interface Plan {
  sights: [number, number];
  /** The boxes of all sides, which it must be large enough for. */
  all: Box[];
  boxes: PlanBox[];
  words: string;
}

export type PlanBox = BoxRef & { box: Box; isLit: boolean; words: string };

/** Classes of a picture, row by row; numbers are those of segments where a map has segments. */
export interface ClassMap {
  uri: string;
  width: number;
  height: number;
  numbers: Uint8Array;
  values: Uint8Array;
}

/** A place of the picture, fractions of its width and height, and the box that is meant there. */
export interface Place {
  u: number;
  v: number;
  box?: BoxRef | null;
}

/** The place that is read; pinned where no mouse pointer shows it. */
export type Probe = Place & { pinned: boolean };

/** What there is to see: the mode, and the one class or stage to see alone. */
export interface Look {
  mode: Mode;
  chosen: number | null;
}

export type Pair = [PictureName, PictureName];

/** What the user chose. */
export interface State {
  mode: Mode;
  /** Where the handle is, and how strong colours of classes are, of 1. */
  split: number;
  opacity: number;
  /** Name of the class or stage to see alone. */
  chosen: string | null;
  probe: Probe | null;
  /** Index of the class or kind whose row is pointed at. */
  hovered: number | null;
  /** The pictures left and right of the handle, where they can be chosen. */
  pair: Pair | null;
}

/** A value with its pictures; which of them there are depends on the task. */
export interface Shown {
  data: OutputsValue;
  photo: Photo;
  dense?: ClassMap;
  sparse?: ClassMap;
  truth?: ClassMap | null;
  drawings?: Partial<Record<MapName, HTMLImageElement>>[];
  extents?: Record<MapName, (Extent | null)[]>;
  own?: Record<Side, ClassMap>;
  pictures?: Partial<Record<PictureName, HTMLImageElement>>;
  errors?: Partial<Record<PictureName, ClassMap>>;
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

/** A name to write at a place. */
export type Name = Place & { text: string };

/** Draws over the photo between two columns of the canvas, [left, right]. */
export type Layer = (context: CanvasRenderingContext2D, columns: number[], state: State) => void;

/** A column of the table: of the row's value, words above it, words above it and its neighbour. */
export interface Column {
  key: keyof Row;
  head: string;
  group?: string;
  write: (value: any) => string;
  hasBar?: boolean;
}

export type Words = (Node | string)[];

/** What a task shows. */
export interface TaskView {
  listModes(data: OutputsValue): Mode[];
  /** What a picture with a handle is. */
  picture: string;
  /** What a row of the table is, one and many. */
  things: [string, string];
  /** Above the table. */
  note: string;
  describeNote?(data: OutputsValue): string;
  /** How a place is read by keys. */
  keys?: string;
  /** Words for a side of the handle. */
  tags?: Partial<Record<PictureName, string>>;
  hasOpacity?: boolean;
  listColumns(data: OutputsValue): Column[];
  describeAgreement(data: OutputsValue): Words;
  describeTruth?(data: OutputsValue): Words | null;
  /** Its pictures; getMap decodes a map that is not on screen yet. */
  decode(
    data: OutputsValue,
    getMap: (uri?: string | null) => Promise<ClassMap | null>,
  ): Promise<Partial<Shown>>;
  /** Layers from left to right of the handle, or one over the other, and what they show. */
  show(shown: Shown, look: Look, pair: Pair): { caption: Words; layers: Layer[] };
  /** The pictures left and right of the handle until others are chosen. */
  listPair?(data: OutputsValue): Pair;
  /** What is left and right of the handle; null where there is none. */
  listSides?(data: OutputsValue, look: Look, pair: Pair): PictureName[] | null;
  /** The pictures of the loupe, and where it is until a place is pointed at. */
  listEnlarged?(shown: Shown): { name: string; image: HTMLImageElement }[];
  findSpot?(data: OutputsValue): Place;
  /** Draws the view from above. */
  drawPlan?(plan: { draw(plan: Plan): void }, shown: Shown, look: Look, state: State): void;
  /** The box that is meant at a place. */
  find?(shown: Shown, place: Place, look: Look, state: State): BoxRef | null;
  /** What is at the place that is read, or how to read one. */
  read?(shown: Shown, probe: Probe | null, look: Look): Words;
  /** Where an arrow key leads from a probe or none. */
  step?(
    shown: Shown,
    probe: Probe | null,
    direction: [number, number],
    isFine: boolean,
    look: Look,
  ): Place | null;
}
