// Exercises on the current photo, from the JSON of app/tabs/learn/exercises.py.
import { make, onValue } from "../../page/common.js";
import { paragraphs } from "./sections.js";

/** @import { View } from "../../page/types.d.ts" */
/** @import { Exercise } from "./types.d.ts" */

const MARKS = { right: "✓ ", wrong: "", wait: "" };

/** @param {Exercise["answer"]["table"]} table */
function makeTable({ head, rows }) {
  const line = (/** @type {string[]} */ cells, /** @type {"th" | "td"} */ kind) =>
    make(
      "tr",
      {},
      ...cells.map((cell, index) =>
        index ? make(kind, {}, cell) : make("th", { scope: kind === "th" ? "col" : "row" }, cell),
      ),
    );
  return make(
    "table",
    { class: "sv-table" },
    make("thead", {}, line(head, "th")),
    make("tbody", {}, ...rows.map((row) => line(row, "td"))),
  );
}

/** @param {View} view */
export function mount({ element, trigger, props, watch }) {
  const root = element.querySelector(".sv-exercises");
  /** @type {ReturnType<typeof makeCard>[]} */
  let cards = [];
  let left = 0; // number of the exercise that the user went to the sliders from
  const back = makeButton("", goBack, "sv-ex-back");
  back.hidden = true;
  new IntersectionObserver((seen) => {
    if (seen.at(-1).isIntersecting) back.hidden = true; // also who scrolled is back
  }).observe(root);

  /** @param {number} number */
  function makeCard(number) {
    const title = make("h4");
    const question = make("p");
    const check = makeButton("Check", () => ask(2 * number), "sv-learn-next");
    const reveal = makeButton("", () =>
      cards[number].isTold ? fold(number) : ask(2 * number + 1),
    );
    const go = makeButton("To the sliders", () => goToSliders(number), "sv-ex-go");
    const said = make("p", { class: "sv-ex-said", role: "status" });
    const answer = make("div", { class: "sv-learn-words sv-ex-answer", role: "status" });
    const buttons = make("div", { class: "sv-ex-buttons" }, go, check, reveal);
    const box = make("section", { class: "sv-learn-card" }, title, question, buttons, said, answer);
    return { box, title, question, buttons, check, reveal, said, answer, isTold: false };
  }

  /** @param {number} index */
  function ask(index) {
    const { said } = cards[Math.floor(index / 2)];
    said.className = "sv-ex-said";
    said.textContent = "Asking the network…";
    lock(true);
    trigger("select", { index, value: null });
  }

  /** @param {number} number */
  function fold(number) {
    const { answer } = cards[number];
    answer.hidden = !answer.hidden;
    nameReveal(cards[number]);
  }

  // Where the page is one column, the sliders are far above the exercises: there and back.
  /** @param {number} number */
  function goToSliders(number) {
    left = number;
    back.textContent = `Back to exercise ${number + 1}`;
    back.hidden = false;
    const panel = document.getElementById("sv-panel");
    panel.scrollIntoView({ block: "center" });
    /** @type {HTMLElement} */ (panel.querySelector(".sv-master [type=range]")).focus({
      preventScroll: true,
    });
  }

  function goBack() {
    const { box, check } = cards[left];
    back.hidden = true;
    box.scrollIntoView({ block: "center" });
    check.focus({ preventScroll: true });
  }

  /** @param {ReturnType<typeof makeCard>} card */
  function nameReveal({ reveal, isTold, answer }) {
    reveal.textContent = isTold && !answer.hidden ? "Hide the answer" : "Show the answer";
  }

  /**
   * @param {string} words
   * @param {() => void} action
   * @param {string} [kind]
   */
  function makeButton(words, action, kind = "") {
    const button = make("button", { type: "button", class: `sv-learn-go ${kind}` }, words);
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") !== "true") action();
    });
    return button;
  }

  // Not "disabled", which would take the focus away.
  /** @param {boolean} isBusy */
  function lock(isBusy) {
    for (const { check, reveal } of cards)
      for (const button of [check, reveal]) button.setAttribute("aria-disabled", String(isBusy));
  }

  /**
   * @param {ReturnType<typeof makeCard>} card
   * @param {Exercise} exercise
   * @param {number} index
   */
  function update(card, { title, question, applies, busy, judged, answer }, index) {
    card.title.textContent = `Exercise ${index + 1}. ${title}`;
    card.question.textContent = question;
    card.buttons.hidden = !applies;
    card.said.className = `sv-ex-said ${busy || !judged ? "" : `sv-ex-${judged.kind}`}`;
    card.said.textContent = busy || (judged ? MARKS[judged.kind] + judged.words : "");
    const told = JSON.stringify(answer);
    if (card.answer.dataset.told === told) return; // or it would be read again
    if (!card.isTold) card.answer.hidden = false;
    card.isTold = Boolean(answer);
    card.answer.dataset.told = told;
    nameReveal(card);
    card.answer.replaceChildren(
      ...paragraphs(answer?.words ?? []),
      ...(answer?.table ? [makeTable(answer.table)] : []),
    );
  }

  onValue({ props, watch }, (/** @type {Exercise[]} */ exercises) => {
    if (!exercises) return;
    if (!cards.length) {
      cards = exercises.map((_, number) => makeCard(number));
      root.append(
        make("h3", {}, "Three exercises, on this photo"),
        make("div", { class: "sv-learn-more" }, ...cards.map(({ box }) => box)),
        back,
      );
    }
    exercises.forEach((exercise, index) => update(cards[index], exercise, index));
    lock(exercises.some(({ busy }) => busy));
  });
}
