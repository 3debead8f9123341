// The JSON of view.py, and what is drawn of it.
import type {
  Block,
  BlockValue,
  Computed,
  Layers,
  Painted,
  Place,
  Size,
  Wish,
} from "../../page/types.d.ts";

interface Scores {
  stage: number;
  block: number;
  shifted: boolean;
  score: string;
  scores: (number | null)[];
  ranks: number[];
  low: number;
  high: number;
  sparsity: number;
}

export interface WindowsValue {
  key: string;
  size: Size;
  linked: boolean;
  schedule: number[][];
  painted: Painted[];
  by_hand: { agreement: string; without: string; change: string } | null;
  worth_key: string;
  blocks: (BlockValue & Scores)[];
  waiting?: boolean;
}

/** state: as the network ran it, as it certainly will, or as its last scores would have it. */
export type WindowsBlock = Block & Scores & { state?: "exact" | "preview" };

export interface Shown {
  key: string;
  linked: boolean;
  wish: Wish;
  blocks: WindowsBlock[];
  waiting: boolean;
  computed: () => Computed;
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

export type Picture = "pruned" | "scores" | "worth" | "compute";

/** The windows of one partition of a stage; correlation: of ranks, by score and by worth. */
export interface Worth {
  worth: number[];
  ranks: number[];
  low: number;
  high: number;
  shows: number[] | null;
  correlation: number | null;
}

/** Of worth.py. */
export interface WorthValue {
  key: string;
  partitions: Record<string, Worth>;
  names: string[];
  left: { stage: number; shifted: boolean; window: number; words: string } | null;
  error: string | null;
}

export type BrushUse = "keep" | "skip" | "erase";

export interface Brush {
  box: HTMLElement;
  isOn(): boolean;
  toggle(): void;
  undo(): void;
  paint(block: WindowsBlock, windows: Iterable<number>, isSameStroke: boolean): void;
  update(text: string): void;
}

export interface ZoomEvents {
  onZoom(level: number): void;
  onHover(place: Place): void;
  onLeave(): void;
  onClick(place: Place): void;
  onDoubleClick(): void;
  isPainting(): boolean;
  onPaint(places: Place[], isSameStroke: boolean): void;
}
