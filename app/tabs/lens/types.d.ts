// The JSON of view.py, and what is drawn of it.
import type { Photo, Size } from "../../page/types.d.ts";

export interface Region {
  area: string;
  place: [number, number];
  classes: [number, number] | null;
  words: string;
  skipped: number[];
  cosine: number[];
  start: number | null;
  readings: [number, number][];
}

export interface BlockValue {
  name: string;
  stage: number;
  cosine: number;
  skipped: number;
  map: string;
}

export interface StageValue {
  name: string;
  grid: Size;
  reads: string[];
  dense: string | null;
  sparse: string | null;
}

export interface LensValue {
  key: string;
  summary: string;
  note: string;
  cosine_note: string;
  classes: { name: string; colour: string }[];
  low: number;
  blocks: BlockValue[];
  stages: StageValue[];
  regions: Region[];
  region_map: string;
}

/** Row by row; 0 to 255 each. */
export interface GreyMap {
  width: number;
  height: number;
  values: Uint8Array;
}

/** A value with its maps decoded. */
export interface Decoded {
  data: LensValue;
  regions: GreyMap;
  cosines: GreyMap[];
  readings: { dense: GreyMap; sparse: GreyMap }[];
}

export type Shown = Decoded & { photo: Photo };

export type Look = "classes" | "cosine";

/** A small map: how it is drawn, and what it is. */
export interface Picture {
  key: string;
  layer: HTMLCanvasElement;
  label: string;
  words: string;
  smooth: boolean;
}

export interface Row {
  head: string;
  about: string[];
  pictures: Picture[];
}
