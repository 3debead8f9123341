// The switch between the tasks of a network, which is there where it can do several, and the focal
// length that 3D boxes need. props.value is the JSON of app/page/task.py; what the user chooses or
// types fires "input".

import { isLate, make, onValue } from "./common.js";
import { makeSwitch } from "./switch.js";

/** @import { TaskValue, View } from "./types.d.ts" */

/**
 * What Python sent, but with what the user has chosen and typed since it was asked for.
 * @param {TaskValue} value
 * @param {TaskValue | null} state of the switch
 * @param {number} moved when the user last chose or typed, by the page's clock
 * @returns {TaskValue}
 */
export function keepChoice(value, state, moved) {
  const isKnown = value.tasks.some((task) => task.name === state?.task);
  if (!isLate(value, moved) || !isKnown) return value;
  return { ...value, task: state.task, focal: state.focal };
}

/** @param {View} view */
export function mount({ element, trigger, props, watch }) {
  const root = element.querySelector(".sv-task");
  /** @type {TaskValue} */
  let state = null;
  let listed = ""; // the tasks in the switch
  let moved = 0; // when the user last chose or typed

  /** @param {Partial<TaskValue>} change */
  function send(change) {
    moved = performance.now();
    state = { ...state, ...change };
    props.value = JSON.stringify(state);
    trigger("input");
  }

  const place = make("div");
  const focal = make("input", {
    type: "text",
    inputmode: "decimal",
    "aria-describedby": "sv-camera",
  });
  focal.addEventListener("change", () => send({ focal: focal.value }));
  const label = make("label", {}, "Focal length", focal, "mm (35 mm equivalent)");
  const words = make("p", { class: "sv-note", id: "sv-camera" });
  const about = make("p", { class: "sv-note" });
  const camera = make("div", { class: "sv-camera" }, label, words);
  root.append(place, about, camera);

  onValue({ props, watch }, (/** @type {TaskValue} */ sent) => {
    const value = (state = keepChoice(sent, state, moved));
    props.value = JSON.stringify(value); // a run that waits for its turn reads it
    const names = JSON.stringify(value.tasks);
    if (names !== listed) {
      listed = names;
      const choices = Object.fromEntries(value.tasks.map((task) => [task.name, task.label]));
      const choose = (/** @type {string} */ task) => send({ task });
      place.replaceChildren(makeSwitch("What the network finds", choices, value.task, choose));
    }
    for (const input of place.querySelectorAll("input")) input.checked = input.value === value.task;
    place.hidden = value.tasks.length < 2;
    about.textContent = value.words;
    about.hidden = !value.words;
    camera.hidden = !value.camera;
    if (!value.camera) return;
    focal.value = value.focal;
    focal.placeholder = value.camera.mm;
    words.textContent = `Camera ${value.camera.words}.`;
  });
}
