// The whole screen for a part of the page.

/**
 * Let a button give a part the whole screen, and take it back; hidden where browsers refuse.
 * @param {HTMLElement} part
 * @param {HTMLButtonElement} button
 */
export function fillScreen(part, button) {
  function name() {
    button.title = document.fullscreenElement === part ? "Leave full screen" : "Full screen";
    button.setAttribute("aria-label", button.title);
  }
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener("click", () =>
    document.fullscreenElement === part ? document.exitFullscreen() : part.requestFullscreen(),
  );
  document.addEventListener("fullscreenchange", name);
  name();
}
