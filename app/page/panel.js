// The layerwise sparsity controls: one slider per pair of blocks, laid out as the network is.
// props.value is the JSON of app/page/panel.py; every change of the user fires "input".

import { make, onValue } from "./common.js";
import {
  countKept,
  countPairs,
  keepMoves,
  linkPairs,
  setPair,
  toPercent,
  toWish,
} from "./sparsities.js";
import { onPaint, paint, setWish } from "./wish.js";

/** @import { PanelValue, View } from "./types.d.ts" */
/** @typedef {{ stage: number, pair: number, control: Control, count: HTMLElement }} Row */
/** @typedef {ReturnType<typeof makeControl>} Control */

const QUIET_MS = 50; // of quiet before "input" fires while a slider is dragged

/**
 * A slider with its number box; both call onchange with a whole percentage.
 * @param {string} name
 * @param {(p: number) => void} onchange
 */
function makeControl(name, onchange) {
  const range = make("input", { type: "range", min: 0, max: 95, step: 1, "aria-label": name });
  const number = make("input", {
    type: "number",
    min: 0,
    max: 95,
    step: 1,
    inputmode: "numeric",
    "aria-label": `${name}, in percent`,
  });
  range.addEventListener("input", () => onchange(Number(range.value)));
  number.addEventListener("change", () => {
    const value = Math.round(Number(number.value));
    onchange(Math.min(95, Math.max(0, Number.isFinite(value) ? value : 0)));
  });
  const box = make("span", { class: "sv-number" }, number, "%");
  /**
   * @param {number} p
   * @param {string} text
   */
  const show = (p, text) => {
    range.value = String(p);
    range.style.setProperty("--fill", `${(p / 95) * 100}%`);
    range.setAttribute("aria-valuetext", text);
    if (document.activeElement !== number || Number(number.value) !== p) number.value = String(p);
  };
  return { range, box, show };
}

/** @param {View} view */
export function mount({ element, trigger, props, watch }) {
  const root = element.querySelector(".sv-panel");
  /** @type {PanelValue} */
  let state = null;
  /** @type {Row[]} */
  let rows = [];
  /** @type {HTMLElement[]} */
  let heads = []; // one for each stage
  let timer = 0;
  let moved = 0; // when the user last did: an answer to an earlier state does not undo it

  // Called for every move of the user.
  function emit() {
    moved = performance.now();
    clearTimeout(timer);
    timer = setTimeout(send, QUIET_MS);
  }

  function send() {
    props.value = JSON.stringify(state);
    const url = new URL(location.href); // the page reloads after a lost connection
    url.searchParams.set("sparsity", JSON.stringify(state.stages.map((stage) => stage.sparsities)));
    url.searchParams.set("linked", state.linked ? "1" : "0");
    history.replaceState(history.state, "", url);
    trigger("input");
  }

  function refresh() {
    for (const row of rows) {
      const stage = state.stages[row.stage];
      const p = toPercent(stage.sparsities[row.pair]);
      const count = countKept(stage.windows, p);
      row.control.show(
        p,
        count ? `${p} % pruned, ${count} of ${stage.windows} windows kept` : `${p} % pruned`,
      );
      row.count.textContent = count ? `${count}/${stage.windows}` : "–";
    }
    heads.forEach((head, index) => {
      const { grid, windows } = state.stages[index];
      head.querySelector("small").textContent = grid ? grid.join(" × ") : "\u00a0"; // as high
      head.title = grid ? `${grid.join(" × ")} tokens, ${windows} windows in each block` : "";
    });
    const all = state.stages.flatMap((stage) => stage.sparsities);
    const mean = toPercent(all.reduce((a, b) => a + b, 0) / all.length);
    const mixed = all.some((s) => s !== all[0]);
    master.show(mean, mixed ? `mixed, ${mean} % on average` : `${mean} % in every layer`);
    masterNote.textContent = mixed ? "mean" : "";
    const current = JSON.stringify(state.stages.map((stage) => stage.sparsities));
    const buttons = [...presets.querySelectorAll("button")];
    for (const button of buttons)
      button.setAttribute("aria-pressed", String(button.dataset.stages === current));
    const chosen = buttons.find((button) => button.dataset.stages === current);
    presetNote.textContent = chosen?.title ?? "None of these presets: set by hand.";
    link.checked = state.linked;
    const count = state.painted.reduce((sum, { keep, skip }) => sum + keep.length + skip.length, 0);
    byHand.hidden = !count;
    byHandCount.textContent = `${count} window${count > 1 ? "s" : ""} chosen by hand`;
    setWish(toWish(state));
  }

  const presets = make("div", { class: "sv-presets", role: "group", "aria-label": "Presets" });
  // Always there, so that no slider moves away under the hand that set it.
  const presetNote = make("p", { class: "sv-note sv-preset-note", "aria-live": "polite" });
  const masterNote = make("span", { class: "sv-count" });
  const master = makeControl("Sparsity of all layers", (p) => {
    for (const stage of state.stages) stage.sparsities = stage.sparsities.map(() => p / 100);
    refresh();
    emit();
  });
  const link = make("input", { type: "checkbox" });
  link.addEventListener("change", () => {
    state.linked = link.checked;
    if (state.linked) {
      for (const stage of state.stages) stage.sparsities = linkPairs(stage.sparsities);
    }
    refresh();
    emit();
  });
  const stagesBox = make("div", { class: "sv-stages" });
  const byHandCount = make("span");
  const clear = make("button", { type: "button", class: "sv-small" }, "Clear");
  clear.addEventListener("click", () => paint([]));
  const byHand = make("div", { class: "sv-by-hand" }, byHandCount, clear);
  onPaint((painted) => {
    if (!state || state.waiting) return;
    state.painted = painted;
    refresh();
    emit();
  });

  function build() {
    rows = [];
    heads = [];
    presets.replaceChildren(
      ...state.presets.map((preset) => {
        const button = make("button", { type: "button", title: preset.title }, preset.label);
        button.dataset.stages = JSON.stringify(preset.stages);
        button.addEventListener("click", () => {
          preset.stages.forEach((values, i) => (state.stages[i].sparsities = [...values]));
          refresh();
          emit();
        });
        return button;
      }),
    );
    stagesBox.replaceChildren(
      ...state.stages.map((stage, s) => {
        const head = make(
          "div",
          { class: "sv-stage-name" },
          make("b", {}, `Stage ${s + 1}`),
          make("small"),
        );
        heads.push(head);
        const lines = stage.sparsities.map((_, pair) => {
          const many = stage.sparsities.length > 1;
          const name = `Sparsity of stage ${s + 1}${many ? `, pair ${pair + 1}` : ""}`;
          const control = makeControl(name, (p) => {
            const now = state.stages[s];
            now.sparsities = setPair(now.sparsities, pair, p, state.linked);
            refresh();
            emit();
          });
          const count = make("span", {
            class: "sv-count",
            title: "windows kept / windows, in each block",
          });
          rows.push({ stage: s, pair, control, count });
          return make("div", { class: "sv-row" }, control.range, control.box, count);
        });
        return make(
          "div",
          { class: "sv-stage" },
          head,
          make("div", { class: "sv-lines" }, ...lines),
        );
      }),
    );
  }

  root.append(
    make(
      "div",
      { class: "sv-panel-head" },
      make("b", {}, "Windows pruned"),
      make(
        "label",
        {
          class: "sv-link",
          title:
            "Sparsities never fall inside a stage, and its blocks " +
            "share one ranking, as in the paper. Off: every block ranks its windows anew.",
        },
        link,
        "link inside a stage",
      ),
    ),
    presets,
    presetNote,
    make(
      "div",
      { class: "sv-stage sv-master" },
      make("div", { class: "sv-stage-name" }, make("b", {}, "All layers")),
      make(
        "div",
        { class: "sv-lines" },
        make("div", { class: "sv-row" }, master.range, master.box, masterNote),
      ),
    ),
    stagesBox,
    byHand,
  );
  let built = "";
  onValue({ props, watch }, (/** @type {PanelValue} */ value) => {
    const layout = JSON.stringify([countPairs(value), value.presets]);
    state = keepMoves(value, state, moved);
    props.value = JSON.stringify(state); // a run that waits for its turn reads it
    if (layout !== built) build(); // else what has the focus keeps it
    built = layout;
    refresh();
  });
}
