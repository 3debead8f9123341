// The page for a projector: large type, one panel at a time, moved by arrow keys or a clicker.
import { make } from "./common.js";

const FIELDS =
  "input, select, textarea, [contenteditable=true], [role=application], [role=slider], [role=tab], " +
  "[role=option], canvas[tabindex]";
const PANEL = "sv-panel"; // in the tab's own memory
const FIRST = "Photo and sliders";

/**
 * Whether a key goes to something that has a use for it. A clicker's keys move on from a slider too:
 * who has just dragged it would otherwise move it again.
 * @param {string} key
 * @param {Element} target
 */
export function isUsed(key, target) {
  const isClicker = key === "PageDown" || key === "PageUp";
  return !(isClicker && target.matches?.("input[type=range]")) && Boolean(target.closest?.(FIELDS));
}

/**
 * What a key asks of the presentation, null for nothing.
 * @param {Pick<KeyboardEvent, "key" | "defaultPrevented" | "ctrlKey" | "metaKey" | "altKey">} event
 * @param {boolean} isField whether it goes to something that has a use for it
 * @returns {"next" | "previous" | "leave" | null}
 */
export function readKey(event, isField) {
  if (isField || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey)
    return null;
  /** @type {Record<string, "next" | "previous" | "leave">} */
  const keys = {
    ArrowRight: "next",
    PageDown: "next",
    ArrowLeft: "previous",
    PageUp: "previous",
    Escape: "leave",
  };
  return keys[event.key] ?? null;
}

/**
 * The address with or without the mark that the page is presented.
 * @param {string} href
 * @param {boolean} isOn
 */
export function markAddress(href, isOn) {
  const url = new URL(href);
  if (isOn) url.searchParams.set("present", "1");
  else url.searchParams.delete("present");
  return url.href;
}

/** @param {string} search of an address */
export const isPresented = (search) => new URLSearchParams(search).get("present") === "1";

/**
 * @param {HTMLElement} host everything on the page
 * @param {HTMLElement} opener gets the focus back
 */
export function makePresenter(host, opener) {
  let panel = 0; // 0 is the photo and the sliders, 1 and more are the tabs
  let wasWhole = false; // the screen, since this began
  let isOn = false;

  const listTabs = () =>
    /** @type {HTMLElement[]} */ ([...host.querySelectorAll("#sv-tabs > .tab-wrapper [role=tab]")]);

  const name = make("h1");
  const count = make("span");
  const previous = makeButton("‹ Previous", () => move(-1));
  const next = makeButton("Next ›", () => move(1));
  const exit = makeButton("Exit", leave);
  const bar = make(
    "nav",
    { class: "sv-present-bar", "aria-label": "Presentation" },
    previous,
    make("div", { "aria-live": "polite" }, name, " ", count),
    next,
    exit,
  );

  /**
   * @param {string} text
   * @param {() => void} action
   */
  function makeButton(text, action) {
    const button = make("button", { type: "button", class: "sv-small" }, text);
    button.addEventListener("click", action);
    return button;
  }

  /** @param {boolean} isBack whether the page was presented and is loaded again */
  function enter(isBack = false) {
    if (isOn) return;
    isOn = true;
    host.append(bar);
    host.classList.add("sv-presenting");
    document.addEventListener("keydown", obey);
    document.addEventListener("fullscreenchange", watchScreen);
    history.replaceState(history.state, "", markAddress(location.href, true));
    show(isBack ? Math.min(recall(), listTabs().length) : 0);
    document.documentElement.requestFullscreen?.().catch(() => {}); // where it is allowed
  }

  function leave() {
    if (!isOn) return;
    isOn = wasWhole = false;
    bar.remove();
    host.classList.remove("sv-presenting");
    delete host.dataset.panel;
    document.removeEventListener("keydown", obey);
    document.removeEventListener("fullscreenchange", watchScreen);
    history.replaceState(history.state, "", markAddress(location.href, false));
    if (document.fullscreenElement) document.exitFullscreen();
    opener.focus();
  }

  /** @param {number} by */
  function move(by) {
    const to = panel + by;
    if (to >= 0 && to <= listTabs().length) show(to);
  }

  /** @param {number} to */
  function show(to) {
    const tabs = listTabs();
    panel = to;
    host.dataset.panel = panel ? "tab" : "controls";
    if (panel) tabs[panel - 1].click();
    name.textContent = panel ? tabs[panel - 1].textContent : FIRST;
    count.textContent = `${panel + 1} of ${tabs.length + 1}`;
    previous.disabled = panel === 0;
    next.disabled = panel === tabs.length;
    window.scrollTo({ top: 0, behavior: "instant" });
    try {
      window.sessionStorage.setItem(PANEL, String(to));
    } catch {
      // Forbidden: a reload begins with the first panel.
    }
  }

  function recall() {
    try {
      return Number(window.sessionStorage.getItem(PANEL));
    } catch {
      return 0;
    }
  }

  /** @param {KeyboardEvent} event */
  function obey(event) {
    const target = /** @type {Element} */ (event.target);
    const asked = readKey(event, isUsed(event.key, target));
    if (!asked) return;
    event.preventDefault();
    if (asked === "leave") leave();
    else move(asked === "next" ? 1 : -1);
  }

  // The browser's own key for leaving the full screen leaves the presentation too.
  function watchScreen() {
    if (document.fullscreenElement) wasWhole = true;
    else if (wasWhole) leave();
  }

  return { enter, leave };
}
