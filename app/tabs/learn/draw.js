// Painting of the six steps.
import { VIRIDIS, clamp, count, layTiles, mix, part, pickColour, short } from "./geometry.js";

const LABEL = "12px system-ui, sans-serif";
const NUMBER = "600 20px system-ui, sans-serif";

// A painter of one block's steps. `model` is { data, pieces, photos, scored, change, layout, selected, colours }.
export class Painter {
  constructor(ctx, model) {
    Object.assign(this, model);
    this.ctx = ctx;
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

  // What the six steps draw at time t of their animation, 0 to 1.
  draw(step, t) {
    const scenes = ["windows", "scores", "ranking", "gather", "batch", "scatter"];
    this[scenes[step]](t);
  }

  /* ---- Parts ---- */

  place(piece) {
    const { x, y } = this.layout.photo;
    return [
      x + piece.x * this.unit.x,
      y + piece.y * this.unit.y,
      piece.w * this.unit.x,
      piece.h * this.unit.y,
    ];
  }

  // Draws a picture of the token grid's shape in [x, y, w, h], or only a piece of it.
  paint(source, rect, piece = null) {
    const [height, width] = this.data.tokens;
    const { x, y, w, h } = piece ?? { x: 0, y: 0, w: width, h: height };
    const [sx, sy] = [source.width / width, source.height / height];
    this.ctx.imageSmoothingEnabled = source.width > 4 * width;
    this.ctx.drawImage(source, x * sx, y * sy, w * sx, h * sy, ...rect);
  }

  paintPhoto(source) {
    const { x, y, w, h } = this.layout.photo;
    this.paint(source, [x, y, w, h]);
  }

  paintWindows(source, windows) {
    for (const index of windows)
      for (const piece of this.pieces[index]) this.paint(source, this.place(piece), piece);
  }

  // Where a piece lies in its window drawn `size` wide at (x, y).
  slot(piece, x, y, size) {
    const unit = size / this.data.window[1];
    return [x + piece.u * unit, y + piece.v * unit, piece.w * unit, piece.h * unit];
  }

  crop(source, index, x, y, size) {
    this.ctx.fillStyle = this.colours.track; // where there is padding
    this.ctx.fillRect(x, y, size, size * this.tall);
    for (const piece of this.pieces[index]) this.paint(source, this.slot(piece, x, y, size), piece);
  }

  edges(opacity) {
    this.ctx.strokeStyle = `rgb(255 255 255 / ${opacity * (this.fine ? 0.45 : 0.75)})`;
    this.ctx.lineWidth = this.fine ? 0.6 : 1;
    this.ctx.beginPath();
    for (const pieces of this.pieces)
      for (const piece of pieces) this.ctx.rect(...this.place(piece));
    this.ctx.stroke();
  }

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

  fade(opacity, paint) {
    if (opacity === 0) return;
    this.ctx.globalAlpha = opacity;
    paint();
    this.ctx.globalAlpha = 1;
  }

  write(text, x, y, { font = LABEL, colour = this.colours.soft, align = "left" } = {}) {
    Object.assign(this.ctx, {
      font,
      fillStyle: colour,
      textAlign: align,
      textBaseline: "alphabetic",
    });
    this.ctx.fillText(text, x, y);
  }

  ramp(x, y, width, low, high, what) {
    const fill = this.ctx.createLinearGradient(x, 0, x + width, 0);
    VIRIDIS.forEach((colour, i) =>
      fill.addColorStop(i / (VIRIDIS.length - 1), `rgb(${colour.join(" ")})`),
    );
    this.ctx.fillStyle = fill;
    this.ctx.fillRect(x, y, width, 9);
    this.write(what, x, y - 6);
    this.write(low, x, y + 23);
    this.write(high, x + width, y + 23, { align: "right" });
  }

  tokenLines(x, y, size) {
    const [rows, cols] = this.data.window;
    this.ctx.strokeStyle = "rgb(255 255 255 / 0.6)";
    this.ctx.lineWidth = 1;
    this.ctx.beginPath();
    for (let i = 1; i < cols; i++) this.line(x + (i * size) / cols, y, 0, size * this.tall);
    for (let i = 1; i < rows; i++) this.line(x, y + (i * size * this.tall) / rows, size, 0);
    this.ctx.stroke();
  }

  line(x, y, dx, dy) {
    this.ctx.moveTo(x, y);
    this.ctx.lineTo(x + dx, y + dy);
  }

  // The selected window enlarged, with a caption; returns where it is and where the next thing may be.
  enlarge(source, x, caption) {
    const { y, w, h } = this.layout.lower;
    const size = Math.min(h - 22, (w - 130) / 2) / Math.max(1, this.tall);
    this.crop(source, this.selected, x, y, size);
    this.write(caption, x, y + size * this.tall + 16);
    return { x, y, size, next: x + size + (w < 480 ? 10 : 22) };
  }

  // What a step says of the selected window, and its colours.
  tell(x, name, value, low, high, what) {
    const { y } = this.layout.lower;
    const room = this.layout.lower.x + this.layout.lower.w - x;
    this.write(name, x, y + 12);
    this.write(short(value), x, y + 36, { font: NUMBER, colour: this.colours.ink });
    this.ramp(x, y + 76, Math.min(130, room), low, high, what);
  }

  /* ---- The six steps ---- */

  windows(t) {
    this.paintPhoto(this.photos.bright);
    const { tokens, window, patch, channels } = this.data;
    if (this.unit.x >= 3.5) {
      this.ctx.strokeStyle = `rgb(255 255 255 / ${0.3 * part(t, 0, 0.4)})`;
      this.ctx.lineWidth = 0.5;
      this.ctx.beginPath();
      const { x, y, w, h } = this.layout.photo;
      for (let i = 1; i < tokens[1]; i++) this.line(x + i * this.unit.x, y, 0, h);
      for (let i = 1; i < tokens[0]; i++) this.line(x, y + i * this.unit.y, w, 0);
      this.ctx.stroke();
    }
    this.edges(part(t, 0.3, 1));
    this.select();
    const box = this.enlarge(
      this.photos.bright,
      this.layout.lower.x,
      `window: ${window[0]} × ${window[1]} tokens`,
    );
    this.tokenLines(box.x, box.y, box.size);
    const piece = this.pieces[this.selected][0];
    const token = {
      x: piece.x + Math.floor(piece.w / 2),
      y: piece.y + Math.floor(piece.h / 2),
      w: 1,
      h: 1,
    };
    const top = box.y + 14;
    const at = box.next + 26;
    this.write("→", box.next, top + 29, { font: NUMBER });
    this.paint(this.photos.bright, [at, top, 44, 44], token);
    this.write("token:", at, top + 62);
    this.write(`${patch[0]} × ${patch[1]} pixels`, at, top + 78);
    this.write("→", at + 56, top + 29, { font: NUMBER });
    this.numbers(at + 86, top, channels);
  }

  // One token's C numbers as C little cells: how many there are, not what they are.
  numbers(x, y, channels) {
    const cell = clamp(Math.sqrt((72 * 44) / channels), 2, 9);
    const cols = Math.floor(72 / cell);
    this.ctx.fillStyle = this.colours.accent;
    for (let i = 0; i < channels; i++) {
      this.ctx.fillRect(x + (i % cols) * cell, y + Math.floor(i / cols) * cell, cell - 1, cell - 1);
    }
    this.write("its numbers:", x, y + 62);
    this.write(`C = ${channels}`, x, y + 78);
  }

  scores(t) {
    const { scores } = this.data;
    const [low, high] = [Math.min(...scores), Math.max(...scores)];
    const averaged = part(t, 0.5, 0.9); // from tokens to windows
    this.paintPhoto(this.photos.bright);
    this.fade(0.85 * part(t, 0, 0.25), () => this.paintPhoto(this.scored));
    this.fade(averaged, () => this.paintPhoto(this.photos.bright));
    this.fade(0.8 * averaged, () => {
      this.pieces.forEach((pieces, index) => {
        this.ctx.fillStyle = `rgb(${pickColour((scores[index] - low) / (high - low || 1)).join(" ")})`;
        for (const piece of pieces) this.ctx.fillRect(...this.place(piece));
      });
    });
    this.edges(0.5 * part(t, 0.4, 0.7));
    this.select();
    const first = this.enlarge(this.photos.bright, this.layout.lower.x, "window");
    const second = this.enlarge(this.scored, first.next, "magnitudes");
    this.tokenLines(second.x, second.y, second.size);
    this.tell(
      second.next,
      "score (their RMS)",
      scores[this.selected],
      short(low),
      short(high),
      "all scores",
    );
  }

  ranking(t) {
    this.paintPhoto(this.photos.bright);
    this.fade(part(t, 0.5, 1), () => this.paintWindows(this.photos.dim, this.skipped));
    this.edges(0.6);
    this.select();
    const { scores, ranking, kept } = this.data;
    const box = this.bars();
    const [low, high] = [Math.min(...scores), Math.max(...scores)];
    const step = box.w / scores.length;
    const move = part(t, 0.05, 0.6);
    ranking.forEach((index, rank) => {
      const height = mix(0.08, 1, (scores[index] - low) / (high - low || 1)) * box.h;
      const chosen = index === this.selected;
      const colour = rank < kept ? this.colours.accent : this.colours.track;
      this.ctx.fillStyle = chosen ? this.colours.ink : colour;
      const x = box.x + mix(index, rank, move) * step;
      const wide = chosen ? Math.max(step, 3) : step > 4 ? step - 1 : step + 0.3;
      this.ctx.fillRect(x, box.y + box.h - height, wide, height);
    });
    this.write(`score: bars from ${short(low)} to ${short(high)}`, box.x + box.w, box.y - 5, {
      align: "right",
    });
    this.fade(part(t, 0.6, 0.9), () => this.cut(box, kept * step));
  }

  bars() {
    const { x, y, w, h } = this.layout.lower;
    return { x: x + 1, y: y + 18, w: w - 2, h: h - 40 };
  }

  // The line between kept and skipped, with their numbers.
  cut(box, offset) {
    const { kept, ranking } = this.data;
    const [x, base] = [box.x + offset, box.y + box.h];
    this.ctx.fillStyle = this.colours.orange;
    this.ctx.fillRect(x - 1, box.y, 2, box.h + 22);
    const best = `K = ${count(kept)} kept`;
    this.write(best, Math.max(box.x, x - 8 - this.measure(best)), base + 17);
    const rest = `${count(ranking.length - kept)} skipped`;
    const room = box.x + box.w - x > this.measure(rest) + 8;
    if (kept < ranking.length && room) this.write(rest, x + 8, base + 17);
  }

  measure(text) {
    this.ctx.font = LABEL;
    return this.ctx.measureText(text).width;
  }

  tiles() {
    const { x, y, w, h } = this.layout.lower;
    return layTiles({ x, y, w, h: h - 20 }, this.kept.length, this.tall);
  }

  // The kept windows on their way from the photo (t = 0) into the batch (t = 1).
  fly(t) {
    const { x, y, size, cols } = this.tiles();
    const inner = size > 6 ? size - 1 : size;
    this.kept.forEach((index, rank) => {
      const late = (0.4 * rank) / this.kept.length;
      const move = part(t, late, late + 0.6);
      const [left, top] = [
        x + (rank % cols) * size,
        y + Math.floor(rank / cols) * size * this.tall,
      ];
      this.ctx.fillStyle = this.colours.track; // where there is padding
      if (move === 1) this.ctx.fillRect(left, top, inner, inner * this.tall);
      for (const piece of this.pieces[index]) {
        const goal = this.slot(piece, left, top, inner);
        this.paint(
          this.photos.bright,
          this.place(piece).map((value, i) => mix(value, goal[i], move)),
          piece,
        );
      }
    });
    const rank = this.kept.indexOf(this.selected);
    if (t < 1 || rank < 0) return;
    const top = y + Math.floor(rank / cols) * size * this.tall;
    this.outline([[x + (rank % cols) * size, top, inner, inner * this.tall]]);
  }

  gather(t) {
    this.paintPhoto(this.photos.dim);
    this.edges(0.35);
    this.fly(t);
    this.select();
    const { x, y, h } = this.layout.lower;
    const order = this.dense ? "row by row" : "best first";
    this.write(`the batch: ${count(this.kept.length)} windows, ${order}`, x, y + h - 4);
  }

  // The first windows of the batch on their way in and out; the diagram between is HTML.
  batch(t) {
    const { width, height } = this.layout;
    const size = width < 480 ? 32 : 44;
    const shown = Math.min(this.kept.length, Math.floor((width + 5) / (size + 5)));
    const strip = (source, y) =>
      this.kept
        .slice(0, shown)
        .forEach((index, i) =>
          this.crop(source, index, i * (size + 5), y, size / Math.max(1, this.tall)),
        );
    strip(this.photos.bright, 0);
    this.fade(part(t, 0.6, 1), () => strip(this.change, height - size - 20));
    const more = this.kept.length - shown;
    this.write(`in: the batch${more > 0 ? ` … and ${count(more)} more` : ""}`, 0, size + 15);
    this.write("out: how much each token changed", 0, height - 4);
  }

  scatter(t) {
    this.paintPhoto(this.photos.dim);
    if (t < 0.65) {
      this.fly(1 - t / 0.65);
      this.edges(0.35);
      return;
    }
    this.paintWindows(this.photos.bright, this.kept);
    this.fade(0.85 * part(t, 0.65, 1), () => this.paintWindows(this.change, this.kept));
    this.edges(0.35);
    this.select();
    const first = this.enlarge(this.photos.bright, this.layout.lower.x, "window");
    const second = this.enlarge(this.change, first.next, "change");
    const change = this.data.changes[this.selected];
    const { low, high } = this.data.change;
    const name = change === 0 ? "skipped: change" : "mean change";
    this.tell(second.next, name, change, short(low), `≥ ${short(high)}`, "token change");
  }

  /* ---- What lies under the pointer ---- */

  // The window at (x, y) of the canvas in a step, or null.
  find(step, x, y, owners) {
    const { photo, lower } = this.layout;
    const { ranking, cols } = this.data;
    const row = owners.rows[Math.floor((y - photo.y) / this.unit.y)];
    const col = owners.cols[Math.floor((x - photo.x) / this.unit.x)];
    if (row !== undefined && col !== undefined && step !== 4) return row * cols.length + col;
    if (y < lower.y) return null;
    if (step === 2)
      return ranking[Math.floor(((x - this.bars().x) / this.bars().w) * ranking.length)] ?? null;
    if (step !== 3) return null;
    const tiles = this.tiles();
    const across = Math.floor((x - lower.x) / tiles.size);
    const down = Math.floor((y - lower.y) / (tiles.size * this.tall));
    return across >= 0 && across < tiles.cols
      ? (this.kept[down * tiles.cols + across] ?? null)
      : null;
  }
}
