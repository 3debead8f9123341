// The JSON of view.py, and what is drawn of it.
import type { Block, BlockValue } from "../../page/types.d.ts";
import type { OutputsValue } from "../outputs/types.d.ts";

export interface Counts {
  both: number;
  only_a: number;
  only_b: number;
  neither: number;
}

interface Place {
  name: string;
  stage: number;
  block: number;
  kept: number;
  total: number;
  counts: Counts;
  /** Whether counts are of windows; else shares of the picture. */
  windows: boolean;
}

/** A block of B with the one of A beside it. */
export type PairValue = Place & { a: BlockValue; b: BlockValue };

export interface CompareValue {
  /** A must be computed on the photo that is shown. */
  settle?: boolean;
  key?: string;
  notes?: string[];
  blocks?: PairValue[];
  outputs?: OutputsValue | null;
  apart?: { a: string; b: string } | null;
}

export type Pair = Place & { a: Block; b: Block; overlay: Overlay };

/** A cell's edges, fractions of the picture, and the row or column of its window in both blocks. */
export interface SharedCell {
  from: number;
  to: number;
  a: number;
  b: number;
}

/** What is kept where: a kind for each cell, row by row; see overlay.js. */
export interface Overlay {
  xs: SharedCell[];
  ys: SharedCell[];
  kinds: Uint8Array;
}
