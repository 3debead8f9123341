// Where the sparse network goes wrong, from the JSON of app/tabs/lens/view.py: what can be read off
// after each stage, and what became of every region of the errors.
import { VIRIDIS, makeGradient } from "../../page/colours.js";
import { make, onValue } from "../../page/common.js";
import { getPhoto, onPhoto } from "../../page/photo.js";
import { makeSwitch } from "../../page/switch.js";
import { decode, findRegion, makeRegionLayer } from "./maps.js";
import { makeRegion, nameClass } from "./region.js";
import { listRows, makeRows } from "./rows.js";

/** @import { View } from "../../page/types.d.ts" */
/** @import { Decoded, LensValue, Look, Picture, Shown } from "./types.d.ts" */

/** @type {Record<Look, string>} */
const LOOKS = { classes: "Class maps", cosine: "Cosine" };
const WAITING = "The network runs once dense and once sparse to be looked through …";
const NEARBY = 14; // CSS pixels: a press so far from a region still means it
const MAP_OPACITY = 0.8; // of a map over the photo

/**
 * Where a badge's middle lies along a side of the picture: never so near to its edge that the
 * number would be cut.
 * @param {number} place of 1
 */
const keepInside = (place) => `clamp(12px, ${100 * place}%, 100% - 12px)`;

/** @param {View} view */
export function mount({ element, props, watch }) {
  /** @type {HTMLElement} */
  const root = element.querySelector(".sv-lens");
  // What the user chose; the look outlives every new value.
  /** @type {{ look: Look, region: number, large: string | null }} */
  const state = { look: "classes", region: 0, large: null };
  /** @type {LensValue} */
  let newest = null;
  /** @type {Decoded} */
  let ready = null;
  /** @type {Shown} */
  let shown = null;
  /** @type {Picture[]} */
  let pictures = [];
  /** @type {HTMLCanvasElement} */
  let outlines = null;

  /* ---- The parts of the view, made once ---- */

  const summary = make("p", { class: "sv-lens-summary", "aria-live": "polite" }, WAITING);
  const switches = makeSwitch("What to see after each stage", LOOKS, state.look, (look) => {
    state.look = look;
    state.large = null;
    refresh();
  });
  const caption = make("p", { class: "sv-lens-caption" });
  const back = make("button", { type: "button", class: "sv-small" }, "Photo");
  back.addEventListener("click", () => enlarge(null));
  const canvas = make("canvas", { role: "img" });
  const badges = make("div", { class: "sv-lens-badges", "aria-hidden": "true" });
  const frame = make("div", { class: "sv-lens-frame" }, canvas, badges);
  const list = make("ol", { class: "sv-lens-list", "aria-label": "Regions, the largest first" });
  const region = make("section", { class: "sv-lens-region", "aria-live": "polite" });
  const rows = make("div", { class: "sv-lens-rows" });
  const legend = make("div", { class: "sv-lens-legend" });
  const note = make("p", { class: "sv-note" });
  const body = make(
    "div",
    { class: "sv-lens-body" },
    make(
      "div",
      { class: "sv-lens-main" },
      make("div", {}, frame, make("div", { class: "sv-lens-below" }, back, caption)),
      list,
    ),
    region,
    make("div", { class: "sv-lens-bar" }, make("h4", {}, "After each stage"), switches, legend),
    rows,
    note,
  );
  body.hidden = true;
  root.append(summary, body);

  /* ---- New values and photos ---- */

  /** @param {LensValue | null} data */
  async function take(data) {
    newest = data;
    if (!data) return;
    const decoded = await decode(data);
    if (newest !== data) return;
    ready = decoded;
    show();
  }

  // Puts the newest value on screen once its photo is there; the old one stays till then.
  function show() {
    const photo = getPhoto();
    if (!ready || ready.data !== newest || photo?.key !== ready.data.key) return;
    shown = { ...ready, photo };
    state.region = 0;
    body.hidden = false;
    body.style.setProperty("--ratio", String(photo.width / photo.height));
    summary.textContent = shown.data.summary;
    refresh();
  }

  const hasClasses = () => shown.data.classes.length > 0;

  /** @returns {Look} */
  const getLook = () => (hasClasses() ? state.look : "cosine");

  /* ---- What is on the screen ---- */

  function refresh() {
    const { data } = shown;
    switches.hidden = !hasClasses();
    for (const input of switches.querySelectorAll("input"))
      input.checked = input.value === getLook();
    const listed = listRows(shown, getLook());
    pictures = listed.flatMap((row) => row.pictures);
    if (!pictures.some(({ key }) => key === state.large)) state.large = null;
    rows.replaceChildren(...makeRows(listed, state.large, ({ key }) => enlarge(key)));
    note.textContent = getLook() === "classes" ? data.note : data.cosine_note;
    legend.replaceChildren(...makeLegend());
    fillList();
    showRegion();
    showCaption();
  }

  function makeLegend() {
    const { classes, low } = shown.data;
    if (getLook() === "classes") {
      const present = new Set(
        shown.readings.flatMap(({ dense, sparse }) => [...dense.values, ...sparse.values]),
      );
      return [...present]
        .sort((one, other) => one - other)
        .map((index) => nameClass(classes, index));
    }
    const ramp = make("i", { class: "sv-lens-ramp" });
    ramp.style.background = makeGradient(VIRIDIS);
    return [make("span", {}, `≤ ${low.toFixed(1)}`), ramp, make("span", {}, "1")];
  }

  function fillList() {
    const { data } = shown;
    list.hidden = !data.regions.length;
    region.hidden = list.hidden;
    list.replaceChildren(
      ...data.regions.map(({ classes, area, cosine }, index) => {
        const about = classes
          ? [nameClass(data.classes, classes[0]), " → ", nameClass(data.classes, classes[1])]
          : [`cosine ${cosine[cosine.length - 1].toFixed(2)}`];
        const button = make(
          "button",
          { type: "button" },
          make("b", {}, index + 1),
          make("span", {}, ...about),
          make("small", {}, area),
        );
        button.addEventListener("click", () => choose(index));
        return make("li", {}, button);
      }),
    );
    badges.replaceChildren(
      ...data.regions.map(({ place: [u, v] }, index) => {
        const badge = make("span", {}, index + 1);
        badge.style.left = keepInside(u);
        badge.style.top = keepInside(v);
        return badge;
      }),
    );
  }

  /** @param {number} index */
  function choose(index) {
    state.region = index;
    showRegion();
  }

  function showRegion() {
    const { data, regions } = shown;
    const buttons = list.querySelectorAll("button");
    buttons.forEach((button, index) =>
      button.setAttribute("aria-pressed", String(index === state.region)),
    );
    [...badges.children].forEach((badge, index) =>
      badge.classList.toggle("sv-lens-chosen", index === state.region),
    );
    outlines = makeRegionLayer(regions, state.region + 1);
    if (data.regions.length) {
      const isOpen = region.querySelector("details")?.open ?? false;
      region.replaceChildren(...makeRegion(data, state.region));
      region.querySelector("details").open = isOpen;
    }
    draw();
  }

  /** @param {string | null} key of a small map; null for the photo */
  function enlarge(key) {
    state.large = key === state.large ? null : key;
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (
      rows.querySelectorAll("[data-key]")
    ))
      button.setAttribute("aria-pressed", String(button.dataset.key === state.large));
    showCaption();
    draw();
  }

  const findLarge = () => pictures.find(({ key }) => key === state.large) ?? null;

  function showCaption() {
    const { regions } = shown.data;
    const numbered = regions.length
      ? "Press a number for what became of the region."
      : "Sparse and dense differ nowhere here.";
    const words = findLarge()?.words ?? "The photo";
    caption.textContent = `${words}. ${numbered}`;
    back.disabled = !state.large;
    canvas.setAttribute("aria-label", `${words}, with ${regions.length} numbered regions.`);
  }

  function draw() {
    if (!shown || !canvas.clientWidth) return; // in a tab that is not open
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) =>
      Math.round(side * devicePixelRatio),
    );
    if (canvas.width !== width || canvas.height !== height)
      Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.globalAlpha = 1;
    context.imageSmoothingEnabled = true;
    context.drawImage(shown.photo.image, 0, 0, width, height);
    const large = findLarge();
    if (large) {
      context.globalAlpha = MAP_OPACITY;
      context.imageSmoothingEnabled = large.smooth;
      context.drawImage(large.layer, 0, 0, width, height);
    }
    context.globalAlpha = 1;
    context.imageSmoothingEnabled = true;
    context.drawImage(outlines, 0, 0, width, height);
  }

  frame.addEventListener("click", (event) => {
    const area = frame.getBoundingClientRect();
    const u = (event.clientX - area.left) / area.width;
    const v = (event.clientY - area.top) / area.height;
    const number = findRegion(shown.regions, u, v, NEARBY / area.width);
    if (number) choose(number - 1);
  });
  new ResizeObserver(draw).observe(canvas);
  onPhoto(show);
  onValue({ props, watch }, take);
}
