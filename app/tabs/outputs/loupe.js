// The loupe of restored photos: the same few pixels of every picture side by side, four times as
// large and without smoothing.
import { make } from "../../page/common.js";

/** @import { Place } from "./types.d.ts" */

const TIMES = 4;
const ROW = 520; // CSS pixels of width from which on all are in one row
const SIDE = { most: 176, gap: 8 }; // CSS pixels of a picture in it

export function makeLoupe() {
  const box = make("div", {
    class: "sv-out-loupe",
    role: "group",
    "aria-label": `Loupe, ${TIMES} times as large`,
  });

  /**
   * @param {{ name: string, image: HTMLImageElement }[]} pictures of one size
   * @param {Place} place in the middle, as far as there is room
   * @returns {Place & { width: number, height: number }} what is shown, fractions of the picture
   */
  function draw(pictures, { u, v }) {
    const { width, height } = pictures[0].image;
    const columns = box.clientWidth < ROW ? 2 : pictures.length;
    const room = (box.clientWidth - SIDE.gap * (columns - 1)) / columns;
    const side = Math.max(1, Math.floor(Math.min(SIDE.most, room) / TIMES));
    const [across, along] = [Math.min(side, width), Math.min(side, height)];
    const x = Math.max(0, Math.min(width - across, Math.round(u * width - across / 2)));
    const y = Math.max(0, Math.min(height - along, Math.round(v * height - along / 2)));
    if (box.children.length !== pictures.length)
      box.replaceChildren(
        ...pictures.map(() =>
          make("figure", {}, make("canvas", { role: "img" }), make("figcaption")),
        ),
      );
    const scale = TIMES * Math.ceil(devicePixelRatio);
    pictures.forEach(({ name, image }, index) => {
      const [canvas, caption] = /** @type {[HTMLCanvasElement, HTMLElement]} */ ([
        ...box.children[index].children,
      ]);
      Object.assign(canvas, { width: across * scale, height: along * scale });
      Object.assign(canvas.style, { width: `${across * TIMES}px`, height: `${along * TIMES}px` });
      canvas.setAttribute("aria-label", `${name}, ${across} × ${along} pixels from ${x}, ${y}`);
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = false;
      context.drawImage(image, x, y, across, along, 0, 0, canvas.width, canvas.height);
      caption.textContent = name;
    });
    return { u: x / width, v: y / height, width: across / width, height: along / height };
  }

  return { box, draw };
}
