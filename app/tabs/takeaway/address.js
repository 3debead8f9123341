// The address that reopens what is on the screen; app/tabs/takeaway/view.py makes its end.
import { make, onValue } from "../../page/common.js";
import { isPresented } from "../../page/present.js";

/** @import { AddressValue, View } from "../../page/types.d.ts" */

/** @param {View} view */
export function mount({ element, props, watch }) {
  const root = element.querySelector(".sv-address");
  const field = make("input", {
    type: "text",
    readonly: "",
    "aria-label": "Link to this very state",
  });
  const button = make("button", { type: "button", class: "sv-small" }, "Copy link");
  const done = make("span", { class: "sv-note", role: "status" });
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      done.textContent = "Copied.";
    } catch {
      done.textContent = "Press Ctrl+C to copy.";
    }
  });
  root.append(field, button, done);
  onValue({ props, watch }, (/** @type {AddressValue} */ address) => {
    if (!address) return;
    const mode = isPresented(location.search) ? "&present=1" : "";
    field.value = location.origin + location.pathname + address.query + mode;
    done.textContent = address.note;
  });
}
