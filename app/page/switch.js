// A choice of one among a few words, side by side: radio buttons in one frame.
import { make } from "./common.js";

let made = 0; // so that each has a name of its own

/**
 * @template {string} T
 * @param {string} label says what is chosen
 * @param {Record<T, string>} choices words by value
 * @param {T} current
 * @param {(value: T) => void} choose
 */
export function makeSwitch(label, choices, current, choose) {
  const name = `sv-switch-${made++}`;
  const labels = /** @type {[T, string][]} */ (Object.entries(choices)).map(([value, words]) => {
    const input = make("input", { type: "radio", name, value });
    input.checked = value === current;
    input.addEventListener("change", () => choose(value));
    return make("label", {}, input, make("span", {}, words));
  });
  return make("div", { class: "sv-switch", role: "radiogroup", "aria-label": label }, ...labels);
}
