// What each of the steps draws: six of the method, and what windows are worth.
import { pickChannels } from "../../page/colours.js";
import { clamp, count, layTiles, mix, part, short } from "./geometry.js";
import { LABEL, NUMBER, Painter } from "./painter.js";

/** @import { Box, Rect } from "./types.d.ts" */

export class StepPainter extends Painter {
  /**
   * What the steps draw at time t of their animation, 0 to 1.
   * @param {number} step
   * @param {number} t
   */
  draw(step, t) {
    const scenes = /** @type {const} */ ([
      "windows",
      "scores",
      "ranking",
      "gather",
      "batch",
      "scatter",
      "worth",
    ]);
    this[scenes[step]](t);
  }

  /** @param {number} t */
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

  /**
   * One token's C numbers as C little cells: how many there are, not what they are.
   * @param {number} x
   * @param {number} y
   * @param {number} channels
   */
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

  /** @param {number} t */
  scores(t) {
    const { scores } = this.data;
    const [low, high] = [Math.min(...scores), Math.max(...scores)];
    const averaged = part(t, 0.5, 0.9); // from tokens to windows
    this.paintPhoto(this.photos.bright);
    this.fade(0.85 * part(t, 0, 0.25), () => this.paintPhoto(this.magnitudes));
    this.fade(averaged, () => this.paintPhoto(this.photos.bright));
    this.fade(0.8 * averaged, () => {
      this.pieces.forEach((pieces, index) => {
        this.ctx.fillStyle = `rgb(${pickChannels((scores[index] - low) / (high - low || 1)).join(" ")})`;
        for (const piece of pieces) this.ctx.fillRect(...this.place(piece));
      });
    });
    this.edges(0.5 * part(t, 0.4, 0.7));
    this.select();
    const first = this.enlarge(this.photos.bright, this.layout.lower.x, "window");
    const second = this.enlarge(this.magnitudes, first.next, "magnitudes");
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

  /** @param {number} t */
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

  /**
   * The line between kept and skipped, with their numbers.
   * @param {Box} box
   * @param {number} offset
   */
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

  /** @param {string} text */
  measure(text) {
    this.ctx.font = LABEL;
    return this.ctx.measureText(text).width;
  }

  tiles() {
    const { x, y, w, h } = this.layout.lower;
    return layTiles({ x, y, w, h: h - 20 }, this.kept.length, this.tall);
  }

  /**
   * The kept windows on their way from the photo (t = 0) into the batch (t = 1).
   * @param {number} t
   */
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
          /** @type {Rect} */ (this.place(piece).map((value, i) => mix(value, goal[i], move))),
          piece,
        );
      }
    });
    const rank = this.kept.indexOf(this.selected);
    if (t < 1 || rank < 0) return;
    const top = y + Math.floor(rank / cols) * size * this.tall;
    this.outline([[x + (rank % cols) * size, top, inner, inner * this.tall]]);
  }

  /** @param {number} t */
  gather(t) {
    this.paintPhoto(this.photos.dim);
    this.edges(0.35);
    this.fly(t);
    this.select();
    const { x, y, h } = this.layout.lower;
    const order = this.dense ? "row by row" : "best first";
    this.write(`the batch: ${count(this.kept.length)} windows, ${order}`, x, y + h - 4);
  }

  /**
   * The first windows of the batch on their way in and out; the diagram between is HTML.
   * @param {number} t
   */
  batch(t) {
    const { width, height } = this.layout;
    const size = width < 480 ? 32 : 44;
    const shown = Math.min(this.kept.length, Math.floor((width + 5) / (size + 5)));
    /**
     * @param {HTMLCanvasElement} source
     * @param {number} y
     */
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

  /** @param {number} t */
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

  /**
   * Windows by their rank in worth, which a chart holds against their rank by score.
   * @param {number} t
   */
  worth(t) {
    this.paintPhoto(this.photos.bright);
    const { worth, ranking } = this.data;
    if (!worth) return this.write("measuring…", this.layout.lower.x, this.layout.lower.y + 20);
    const places = ranking.map(() => [0, 0]); // of each window: by score, by worth, 0 is the best
    ranking.forEach((index, rank) => (places[index][0] = rank));
    const order = worth.map((_, index) => index).sort((a, b) => worth[b] - worth[a]);
    order.forEach((index, rank) => (places[index][1] = rank));
    const most = Math.max(1, worth.length - 1);
    const turn = part(t, 0.2, 0.7); // from the ranks by score to those by worth
    this.fade(0.8 * part(t, 0, 0.2), () =>
      this.pieces.forEach((pieces, index) => {
        const level = 1 - mix(places[index][0], places[index][1], turn) / most;
        this.ctx.fillStyle = `rgb(${pickChannels(level).join(" ")})`;
        for (const piece of pieces) this.ctx.fillRect(...this.place(piece));
      }),
    );
    this.edges(0.35);
    this.select();
    const { x, y, h } = this.layout.lower;
    const side = h - 34;
    const at = (/** @type {number} */ rank) => (1 - rank / most) * side;
    this.ctx.strokeStyle = this.colours.track;
    this.ctx.lineWidth = 1;
    this.ctx.strokeRect(x + 0.5, y + 0.5, side, side);
    this.ctx.beginPath();
    this.line(x, y + side, side, -side);
    this.ctx.stroke();
    places.forEach(([score, value], index) => {
      if (index === this.selected) return;
      this.ctx.fillStyle = this.colours.accent;
      this.ctx.fillRect(x + at(score) - 1, y + side - part(t, 0.4, 1) * at(value) - 1, 2.5, 2.5);
    });
    const [score, value] = places[this.selected];
    this.ctx.fillStyle = this.colours.orange;
    this.ctx.beginPath();
    this.ctx.arc(x + at(score), y + side - part(t, 0.4, 1) * at(value), 5, 0, 2 * Math.PI);
    this.ctx.fill();
    this.write("score: higher rank →", x, y + side + 16);
    const right = x + side + 12;
    this.write("↑ worth: higher rank", right, y + 12);
    this.write(`by score: rank ${count(score + 1)}`, right, y + 36);
    this.write(`by worth: rank ${count(value + 1)}`, right, y + 54);
    this.write(`of ${count(worth.length)} windows`, right, y + 72);
  }

  /* ---- What lies under the pointer ---- */

  /**
   * The window at (x, y) of the canvas in a step, or null.
   * @param {number} step
   * @param {number} x
   * @param {number} y
   * @param {{ rows: number[], cols: number[] }} owners
   */
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
