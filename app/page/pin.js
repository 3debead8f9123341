// The button that pins the present setting as A, and once something is pinned a strip: A, and B as it
// is now, what differs first. From the JSON of app/page/pin.py; fires "pin", "unpin", "swap" and
// "compare".
import { make, onValue } from "./common.js";

/** @import { PinValue, View } from "./types.d.ts" */

/** @param {View} view */
export function mount({ element, trigger, props, watch }) {
  const root = element.querySelector(".sv-pin");

  /**
   * @param {string} event
   * @param {string} words
   * @param {string} title
   */
  function makeButton(event, words, title) {
    const button = make("button", { type: "button", class: "sv-small", title }, words);
    button.addEventListener("click", () => trigger(event));
    return button;
  }

  const pin = makeButton(
    "pin",
    "Pin as A",
    "Pin this setting; all that follows is held against it",
  );
  const lines = ["A", "B"].map((name) => {
    const differs = make("b");
    const numbers = make("span");
    const mark = make("i", { class: `sv-pin-${name.toLowerCase()}` }, name);
    return { differs, numbers, box: make("p", {}, mark, differs, numbers) };
  });
  const same = make("p", { class: "sv-pin-same" });
  const buttons = make(
    "div",
    { class: "sv-pin-buttons" },
    makeButton("compare", "Compare", "Masks, outputs and numbers of A against B"),
    makeButton("swap", "Swap", "A goes to the screen, and what is there becomes A"),
    makeButton("unpin", "Unpin", "Forget A"),
  );
  const words = make(
    "div",
    { class: "sv-pin-words" },
    make("div", {}, ...lines.map(({ box }) => box)),
    same,
  );
  const strip = make(
    "section",
    { class: "sv-pin-strip", "aria-label": "A, which is pinned, against B, which is shown" },
    words,
    buttons,
  );
  root.append(pin, strip);

  onValue({ props, watch }, (/** @type {PinValue} */ value) => {
    const { a, b } = value ?? {};
    // What was pressed may go: the focus goes on to what takes its place.
    const losesFocus = pin.hidden !== Boolean(a) && root.contains(document.activeElement);
    pin.hidden = Boolean(a);
    strip.hidden = !a;
    element.closest("#sv-pin")?.classList.toggle("sv-pinned", Boolean(a));
    if (losesFocus) (a ? buttons.querySelector("button") : pin).focus({ preventScroll: true });
    if (!a) return;
    [a, b].forEach((side, index) => {
      lines[index].differs.textContent = side.differs;
      lines[index].numbers.textContent = side.numbers;
    });
    same.textContent = b.differs ? `Both: ${value.same}.` : "B is as A: change something now.";
  });
}
