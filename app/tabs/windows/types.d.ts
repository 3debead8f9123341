// The JSON of view.py, and what is drawn of it.
import type { Block, BlockValue, Computed, Layers, Place, Size } from "../../page/types.d.ts";

interface Scores {
  stage: number;
  block: number;
  shifted: boolean;
  score: string;
  scores: (number | null)[];
  ranks: number[];
  low: number;
  high: number;
}

export interface WindowsValue {
  key: string;
  size: Size;
  linked: boolean;
  blocks: (BlockValue & Scores)[];
  waiting?: boolean;
}

export type WindowsBlock = Block & Scores;

export interface Shown {
  key: string;
  linked: boolean;
  blocks: WindowsBlock[];
  waiting: boolean;
  computed: Computed;
  layers: Layers;
}

/** A block in the filmstrip; drawn says of what its picture is. */
export interface Thumb {
  button: HTMLButtonElement;
  canvas: HTMLCanvasElement;
  dot: HTMLElement;
  share: HTMLElement;
  drawn: string;
}

export type Picture = "pruned" | "scores" | "compute";

export interface ZoomEvents {
  onZoom(level: number): void;
  onHover(place: Place): void;
  onLeave(): void;
  onClick(place: Place): void;
  onDoubleClick(): void;
}
