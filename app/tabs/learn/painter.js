// The brush of the steps: one block's windows, pieces of the photo, words and colours on a
// canvas.
import { VIRIDIS } from "../../page/colours.js";
import { short } from "./geometry.js";

/** @import { Box, Model, Piece, Rect } from "./types.d.ts" */

export const LABEL = "12px system-ui, sans-serif";
export const NUMBER = "600 20px system-ui, sans-serif";

export class Painter {
  /**
   * @param {CanvasRenderingContext2D | null} ctx
   * @param {Model} model
   */
  constructor(ctx, model) {
    this.ctx = ctx;
    this.data = model.data;
    this.pieces = model.pieces;
    this.photos = model.photos;
    this.magnitudes = model.scored;
    this.change = model.change;
    this.layout = model.layout;
    this.selected = model.selected;
    this.colours = model.colours;
    const [height, width] = this.data.tokens;
    this.unit = { x: this.layout.photo.w / width, y: this.layout.photo.h / height };
    this.tall = this.data.window[0] / this.data.window[1];
    this.dense = this.data.kept === this.data.ranking.length;
    this.kept = this.dense
      ? this.pieces.map((_, index) => index)
      : this.data.ranking.slice(0, this.data.kept);
    this.skipped = this.data.ranking.slice(this.data.kept);
    this.fine = this.data.window[1] * this.unit.x < 20; // windows are small on the screen
  }

  /** @param {Piece} piece @returns {Rect} */
  place(piece) {
    const { x, y } = this.layout.photo;
    return [
      x + piece.x * this.unit.x,
      y + piece.y * this.unit.y,
      piece.w * this.unit.x,
      piece.h * this.unit.y,
    ];
  }

  /**
   * Draws a picture of the token grid's shape in [x, y, w, h], or only a piece of it.
   * @param {HTMLCanvasElement} source
   * @param {Rect} rect
   * @param {Box} [piece]
   */
  paint(source, rect, piece = null) {
    const [height, width] = this.data.tokens;
    const { x, y, w, h } = piece ?? { x: 0, y: 0, w: width, h: height };
    const [sx, sy] = [source.width / width, source.height / height];
    this.ctx.imageSmoothingEnabled = source.width > 4 * width;
    this.ctx.drawImage(source, x * sx, y * sy, w * sx, h * sy, ...rect);
  }

  /** @param {HTMLCanvasElement} source */
  paintPhoto(source) {
    const { x, y, w, h } = this.layout.photo;
    this.paint(source, [x, y, w, h]);
  }

  /**
   * @param {HTMLCanvasElement} source
   * @param {number[]} windows
   */
  paintWindows(source, windows) {
    for (const index of windows)
      for (const piece of this.pieces[index]) this.paint(source, this.place(piece), piece);
  }

  /**
   * Where a piece lies in its window drawn `size` wide at (x, y).
   * @param {Piece} piece
   * @param {number} x
   * @param {number} y
   * @param {number} size
   * @returns {Rect}
   */
  slot(piece, x, y, size) {
    const unit = size / this.data.window[1];
    return [x + piece.u * unit, y + piece.v * unit, piece.w * unit, piece.h * unit];
  }

  /**
   * @param {HTMLCanvasElement} source
   * @param {number} index
   * @param {number} x
   * @param {number} y
   * @param {number} size
   */
  crop(source, index, x, y, size) {
    this.ctx.fillStyle = this.colours.track; // where there is padding
    this.ctx.fillRect(x, y, size, size * this.tall);
    for (const piece of this.pieces[index]) this.paint(source, this.slot(piece, x, y, size), piece);
  }

  /** @param {number} opacity */
  edges(opacity) {
    this.ctx.strokeStyle = `rgb(255 255 255 / ${opacity * (this.fine ? 0.45 : 0.75)})`;
    this.ctx.lineWidth = this.fine ? 0.6 : 1;
    this.ctx.beginPath();
    for (const pieces of this.pieces)
      for (const piece of pieces) this.ctx.rect(...this.place(piece));
    this.ctx.stroke();
  }

  /** @param {Rect[]} rects */
  outline(rects) {
    for (const [colour, width] of [
      ["#000000", 4.5],
      ["#ffffff", 2.5],
    ]) {
      Object.assign(this.ctx, { strokeStyle: colour, lineWidth: width });
      for (const rect of rects) this.ctx.strokeRect(...rect);
    }
  }

  select() {
    this.outline(this.pieces[this.selected].map((piece) => this.place(piece)));
  }

  /**
   * @param {number} opacity
   * @param {() => void} paint
   */
  fade(opacity, paint) {
    if (opacity === 0) return;
    this.ctx.globalAlpha = opacity;
    paint();
    this.ctx.globalAlpha = 1;
  }

  /**
   * @param {string} text
   * @param {number} x
   * @param {number} y
   * @param {{ font?: string, colour?: string, align?: CanvasTextAlign }} [options]
   */
  write(text, x, y, { font = LABEL, colour = this.colours.soft, align = "left" } = {}) {
    Object.assign(this.ctx, {
      font,
      fillStyle: colour,
      textAlign: align,
      textBaseline: "alphabetic",
    });
    this.ctx.fillText(text, x, y);
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {number} width
   * @param {string} low
   * @param {string} high
   * @param {string} what
   */
  ramp(x, y, width, low, high, what) {
    const fill = this.ctx.createLinearGradient(x, 0, x + width, 0);
    VIRIDIS.forEach((colour, i) => fill.addColorStop(i / (VIRIDIS.length - 1), colour));
    this.ctx.fillStyle = fill;
    this.ctx.fillRect(x, y, width, 9);
    this.write(what, x, y - 6);
    this.write(low, x, y + 23);
    this.write(high, x + width, y + 23, { align: "right" });
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {number} size
   */
  tokenLines(x, y, size) {
    const [rows, cols] = this.data.window;
    this.ctx.strokeStyle = "rgb(255 255 255 / 0.6)";
    this.ctx.lineWidth = 1;
    this.ctx.beginPath();
    for (let i = 1; i < cols; i++) this.line(x + (i * size) / cols, y, 0, size * this.tall);
    for (let i = 1; i < rows; i++) this.line(x, y + (i * size * this.tall) / rows, size, 0);
    this.ctx.stroke();
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {number} dx
   * @param {number} dy
   */
  line(x, y, dx, dy) {
    this.ctx.moveTo(x, y);
    this.ctx.lineTo(x + dx, y + dy);
  }

  /**
   * The selected window enlarged, with a caption; returns where it is and where the next thing may
   * be.
   * @param {HTMLCanvasElement} source
   * @param {number} x
   * @param {string} caption
   */
  enlarge(source, x, caption) {
    const { y, w, h } = this.layout.lower;
    const size = Math.min(h - 22, (w - 130) / 2) / Math.max(1, this.tall);
    this.crop(source, this.selected, x, y, size);
    this.write(caption, x, y + size * this.tall + 16);
    return { x, y, size, next: x + size + (w < 480 ? 10 : 22) };
  }

  /**
   * What a step says of the selected window, and its colours.
   * @param {number} x
   * @param {string} name
   * @param {number} value
   * @param {string} low
   * @param {string} high
   * @param {string} what
   */
  tell(x, name, value, low, high, what) {
    const { y } = this.layout.lower;
    const room = this.layout.lower.x + this.layout.lower.w - x;
    this.write(name, x, y + 12);
    this.write(short(value), x, y + 36, { font: NUMBER, colour: this.colours.ink });
    this.ramp(x, y + 76, Math.min(130, room), low, high, what);
  }
}
