// The JSON of view.py, and what is drawn of it. Sizes are [height, width] in tokens.
import type { Photo, Size } from "../../page/types.d.ts";

/** Tokens of a window row (or column) in runs [first token, first slot, length]. */
export type Runs = [number, number, number][];

export interface Grid {
  tokens: Size;
  window: Size;
  rows: Runs[];
  cols: Runs[];
}

export interface TokenMap {
  uri: string;
  low: number;
  high: number;
}

export interface Step {
  name: string;
  title: string;
  words: string[];
  shapes: { name: string; letters: string; sizes: string }[];
}

export interface Stage {
  name: string;
  about: string;
  dense: number;
  sparse: number;
  kept: Size[];
}

export interface Layers {
  stages: Stage[];
  fixed: number;
  dense: number;
  sparse: number;
  words: string[];
}

export interface Adaptation {
  rows: string[];
  draws: number[][];
  words: string[];
}

export interface LearnValue extends Grid {
  key: string;
  index: number;
  blocks: string[];
  patch: Size;
  channels: number;
  scores: number[];
  ranking: number[];
  kept: number;
  worth: number[] | null;
  changes: number[];
  scored: TokenMap;
  change: TokenMap;
  macs: { dense: number; sparse: number };
  steps: Step[];
  shift: (Grid & { shift: Size; about: string; words: string[] }) | null;
  layers: Layers;
  adaptation: Adaptation;
  glossary: [string, string][];
}

/** A rectangle of tokens of one window: on the token grid, and (u, v) in the window. */
export interface Piece {
  x: number;
  y: number;
  w: number;
  h: number;
  u: number;
  v: number;
}

/** CSS pixels. */
export interface Box {
  x: number;
  y: number;
  w: number;
  h: number;
}

export type Rect = [number, number, number, number];

export interface Layout {
  width: number;
  height: number;
  photo: Box;
  lower: Box;
}

export interface Photos {
  bright: HTMLCanvasElement;
  dim: HTMLCanvasElement;
}

export interface Shown {
  data: LearnValue;
  photo: Photo;
  photos: Photos;
  pieces: Piece[][];
  owners: { rows: number[]; cols: number[] };
  scored: HTMLCanvasElement;
  change: HTMLCanvasElement;
  shiftPieces: Piece[][] | null;
}

/** What a painter paints. */
export interface Model extends Shown {
  layout: Layout;
  selected: number;
  colours: Record<string, string>;
}

/** The grid of the section on shifted windows, moved from plain (0) to shifted (1). */
export interface Shift {
  width: number;
  height: number;
  moved: number;
  grid: LearnValue["shift"];
  photo: HTMLCanvasElement;
  pieces: Piece[][];
}

export interface Animation {
  start: number;
  length: number;
}

/** Of app/tabs/learn/exercises.py. */
export interface Exercise {
  title: string;
  question: string;
  applies: boolean;
  busy: string;
  judged: { kind: "right" | "wrong" | "wait"; words: string } | null;
  answer: { words: string[]; table: { head: string[]; rows: string[][] } | null } | null;
}
