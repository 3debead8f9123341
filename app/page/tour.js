// A guided tour over the page itself: a card beside one part of it after the other. Nothing is
// covered or locked meanwhile; the words follow what the page shows.
import { make } from "./common.js";
import { STOPS, moveStop, readFacts } from "./stops.js";

/** @import { Area } from "./types.d.ts" */

const KEY = "sparsevit.tour";
const GAP = 14; // CSS pixels between the card and what it is about
const EDGE = 8; // and between the card and the edge of the window
const NARROW = 820; // pixels of the window: up to here the card lies at its bottom

/**
 * Whether a visitor has seen the tour, or said not to; true where that cannot be remembered.
 * @param {() => Storage} getStore
 */
export function hasSeen(getStore) {
  try {
    return getStore().getItem(KEY) !== null;
  } catch {
    return true;
  }
}

/** @param {() => Storage} getStore */
export function noteSeen(getStore) {
  try {
    getStore().setItem(KEY, "seen");
  } catch {
    // A browser that keeps nothing asks nobody.
  }
}

/**
 * Where a card lies so that it is in the window and not over its anchor: right, left, below or
 * above, else at the bottom of the window.
 * @param {Area} anchor
 * @param {{ width: number, height: number }} card
 * @param {{ width: number, height: number }} view the window
 */
export function placeCard(anchor, card, view) {
  const [right, bottom] = [view.width - EDGE - card.width, view.height - EDGE - card.height];
  const docked = { x: (view.width - card.width) / 2, y: bottom };
  if (view.width <= NARROW) return docked;
  /** @param {number} value @param {number} most */
  const within = (value, most) => Math.min(most, Math.max(EDGE, value));
  const [x, y] = [within(anchor.x, right), within(anchor.y, bottom)];
  const spots = [
    { x: anchor.x + anchor.width + GAP, y },
    { x: anchor.x - GAP - card.width, y },
    { x, y: anchor.y + anchor.height + GAP },
    { x, y: anchor.y - GAP - card.height },
  ];
  const fits = spots.find(
    (spot) => spot.x >= EDGE && spot.x <= right && spot.y >= EDGE && spot.y <= bottom,
  );
  return fits ?? docked;
}

/**
 * @param {HTMLElement} host what the card is put into
 * @param {HTMLElement} opener gets the focus back
 */
export function makeTour(host, opener) {
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  /** @type {number} */
  let stop = null; // null while there is no tour
  /** @type {Element} */
  let anchor = null; // what the card stands beside
  let frame = 0;

  const title = make("h2", { id: "sv-tour-title" });
  const words = [make("p"), make("p")];
  const count = make("span", { class: "sv-tour-count" });
  const dots = make("span", { class: "sv-tour-dots", "aria-hidden": "true" });
  dots.append(...STOPS.map(() => make("i")));
  const skip = makeButton("Skip", end, "sv-tour-skip");
  const back = makeButton("Back", () => go(-1));
  const next = makeButton("Next", () => go(1), "sv-tour-next");
  const said = make("div", { id: "sv-tour-words", "aria-live": "polite" }, title, ...words);
  const card = make(
    "section",
    {
      class: "sv-tour-card",
      role: "dialog",
      "aria-modal": "false",
      "aria-labelledby": "sv-tour-title",
      "aria-describedby": "sv-tour-words",
    },
    said,
    make("div", { class: "sv-tour-foot" }, dots, count, skip, back, next),
  );
  const ring = make("div", { class: "sv-tour-ring", "aria-hidden": "true" });
  const resized = new ResizeObserver(requestUpdate);
  const changed = new MutationObserver(requestUpdate);

  /**
   * @param {string} text
   * @param {() => void} action
   * @param {string} [kind]
   */
  function makeButton(text, action, kind = "") {
    const button = make("button", { type: "button", class: `sv-small ${kind}` }, text);
    button.addEventListener("click", action);
    return button;
  }

  function start() {
    if (stop === null) {
      host.append(ring, card);
      host.classList.add("sv-touring");
      document.addEventListener("keydown", leaveByKey);
      window.addEventListener("resize", requestUpdate);
      document.addEventListener("scroll", requestUpdate, { capture: true, passive: true });
      changed.observe(host, { childList: true, subtree: true, characterData: true });
      resized.observe(host);
      resized.observe(card);
    }
    show(0);
    next.focus({ preventScroll: true });
  }

  function end() {
    if (stop === null) return;
    const hadFocus = card.contains(document.activeElement);
    stop = anchor = null;
    changed.disconnect();
    resized.disconnect();
    document.removeEventListener("keydown", leaveByKey);
    window.removeEventListener("resize", requestUpdate);
    document.removeEventListener("scroll", requestUpdate, { capture: true });
    host.classList.remove("sv-touring");
    card.remove();
    ring.remove();
    if (hadFocus) opener.focus();
  }

  /** @param {number} by */
  function go(by) {
    const to = moveStop(stop, by);
    if (to === null) end();
    else show(to);
  }

  /** @param {number} to */
  function show(to) {
    stop = to;
    anchor = null; // so that the next update scrolls to it
    const { tab } = STOPS[stop];
    /** @type {HTMLElement} */
    const button = tab && host.querySelector(`#sv-tabs [data-tab-id="${tab}"]`);
    if (button?.getAttribute("aria-selected") === "false") button.click();
    count.textContent = `${stop + 1} of ${STOPS.length}`;
    [...dots.children].forEach((dot, index) => dot.classList.toggle("sv-now", index === stop));
    back.disabled = stop === 0;
    if (back.disabled && document.activeElement === document.body) next.focus();
    next.textContent = stop === STOPS.length - 1 ? "Done" : "Next";
    update();
  }

  function requestUpdate() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      if (stop !== null) update();
    });
  }

  // Words and place, for what the page shows now.
  function update() {
    const found = STOPS[stop].anchor
      .map((selector) => host.querySelector(selector))
      .find((element) => element?.getClientRects().length);
    if (!found) return;
    tell();
    if (found !== anchor) {
      if (anchor) resized.unobserve(anchor);
      anchor = found;
      resized.observe(anchor);
      reveal();
    }
    const { x, y, width, height } = anchor.getBoundingClientRect();
    const view = { width: document.documentElement.clientWidth, height: window.innerHeight };
    const size = { width: card.offsetWidth, height: card.offsetHeight };
    const spot = placeCard({ x, y, width, height }, size, view);
    card.style.translate = `${Math.round(spot.x)}px ${Math.round(spot.y)}px`;
    ring.style.translate = `${x - 4}px ${y - 4}px`;
    Object.assign(ring.style, { width: `${width + 8}px`, height: `${height + 8}px` });
  }

  function tell() {
    const facts = readFacts((selector) => {
      const element = host.querySelector(selector);
      return (element?.getAttribute("aria-valuetext") ?? element?.textContent ?? "").trim();
    });
    const texts = [STOPS[stop].title, ...STOPS[stop].say(facts)];
    [title, ...words].forEach((node, index) => {
      if (node.textContent !== texts[index]) node.textContent = texts[index]; // or it is read again
    });
  }

  // Scrolls as little as brings the anchor into the window, above a card at its bottom.
  function reveal() {
    const { top, bottom } = anchor.getBoundingClientRect();
    const taken = window.innerWidth <= NARROW ? card.offsetHeight + GAP : 0;
    const lowest = window.innerHeight - EDGE - taken;
    const by = Math.min(top - GAP, Math.max(0, bottom - lowest));
    if (by || top < GAP)
      window.scrollBy({ top: by || top - GAP, behavior: still.matches ? "instant" : "smooth" });
  }

  card.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (stop + by < STOPS.length) go(by); // it ends by a button, not by one arrow too many
  });

  /** @param {KeyboardEvent} event */
  function leaveByKey(event) {
    if (event.key === "Escape" && !event.defaultPrevented) end();
  }

  return { start, end };
}
