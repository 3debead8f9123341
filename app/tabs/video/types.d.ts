// The messages of view.py, and what is drawn of them.
import type { Block, BlockValue, Size } from "../../page/types.d.ts";

export interface Stats {
  frames: number;
  compared: number;
  median_ms: { dense: number; sparse: number };
  fps: { dense: number; sparse: number };
  speedup: number;
  windows: { kept: number; total: number };
  mean_agreement: string;
  doubt: string | null;
  model: string;
  input_size: Size;
  device: string;
  dtype: string;
  camera: string | null;
}

export interface Opening {
  kind: "opening";
  run?: undefined;
  poster: string;
  sides: number[];
  most_frames: number;
}

export interface Begun {
  kind: "begun";
  run: number;
  rate: number;
  count: number | null;
  note: string;
}

/** Pictures are data URIs; picture is null where the page has it already. */
export interface Frame {
  kind: "frame";
  run: number;
  number: number;
  picture: string | null;
  output: string;
  blocks: BlockValue[];
  kept: number;
  total: number;
  sparse_ms: number;
  dense_ms: number | null;
  agreement: string | null;
  stats: Stats;
}

export interface Done {
  kind: "done";
  run: number;
  stats: Stats | null;
}

export interface Problem {
  kind: "problem";
  run: number;
  message: string;
}

export type Message = Opening | Begun | Frame | Done | Problem;

/** What the user chose; an uploaded file is not sent again. */
export interface State {
  source: string;
  file: File | null;
  uploaded: { file: File; path: string } | null;
  view: string;
  choice: string;
}

/** A frame on the screen; the poster has no numbers and no blocks. */
export interface Shown {
  frame: Partial<Frame>;
  picture: HTMLImageElement;
  output: HTMLImageElement | null;
  blocks: Block[];
}

export interface Figure {
  canvas: HTMLCanvasElement;
  caption: HTMLElement;
  figure: HTMLElement;
}
