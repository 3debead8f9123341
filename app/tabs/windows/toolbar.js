// The buttons above the picture of windows.
import { make } from "../../page/common.js";

/**
 * @param {string} label
 * @param {string} path
 * @param {() => void} action
 */
export function makeTool(label, path, action) {
  const icon = make(
    "svg",
    { viewBox: "0 0 16 16", "aria-hidden": "true" },
    make("path", { d: path }),
  );
  const button = make(
    "button",
    { type: "button", class: "sv-win-tool", "aria-label": label, title: label },
    icon,
  );
  button.addEventListener("click", action);
  return button;
}

/**
 * @param {HTMLElement} root what fills the screen
 * @param {{ scale(factor: number): void, fit(): void, brush(): void }} actions
 */
export function makeTools(root, { scale, fit, brush }) {
  const step = 1.5;
  const zoomOut = makeTool("Zoom out", "M3 8h10", () => scale(1 / step));
  const zoomIn = makeTool("Zoom in", "M3 8h10M8 3v10", () => scale(step));
  const zoomFit = makeTool("Fit the whole picture", "M2 4h12v8H2zM5 8h6", fit);
  const whole = makeTool("Full screen", "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4", () =>
    document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen(),
  );
  whole.hidden = !root.requestFullscreen;
  const paint = makeTool(
    "Brush: keep or skip windows yourself",
    "M9.5 3.5 12.5 6.5 6.5 12.5 2.5 13.5 3.5 9.5zM8 5l3 3",
    brush,
  );
  paint.setAttribute("aria-pressed", "false");
  const box = make(
    "div",
    { class: "sv-win-tools", role: "group", "aria-label": "Brush and zoom" },
    paint,
    zoomOut,
    zoomIn,
    zoomFit,
    whole,
  );
  return {
    box,
    paint,
    /**
     * @param {number} level
     * @param {number} most
     */
    showZoom(level, most) {
      zoomOut.disabled = zoomFit.disabled = level === 1;
      zoomIn.disabled = level === most;
    },
    /** @param {boolean} isOn */
    showBrush: (isOn) => paint.setAttribute("aria-pressed", String(isOn)),
    step,
  };
}
