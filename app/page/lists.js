// Gradio's lists of choices: Tab leaves them open over what is below, with a part of the choices.

/**
 * Close a list when Tab leaves its field, as Escape does; what was chosen stays.
 * @param {HTMLElement} host that holds the fields
 */
export function closeListsOnTab(host) {
  host.addEventListener(
    "keydown",
    (event) => {
      const field = /** @type {HTMLElement} */ (event.target);
      if (event.key !== "Tab" || !field.matches("[role=combobox][aria-expanded=true]")) return;
      event.stopPropagation(); // or gradio would open it again
      field.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    },
    true,
  );
}
