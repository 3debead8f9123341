// One result in a file of its own: the page's views over what the file holds. There is no server,
// so nothing ever changes under them; app/tabs/takeaway/interactive.py makes the file.
import { mount as mountPhoto } from "../../page/photo.js";
import { mount as mountOutputs } from "../outputs/view.js";
import { mount as mountWindows } from "../windows/view.js";

/** @import { View } from "../../page/types.d.ts" */

/** @param {string} name */
const readText = (name) => document.getElementById(`sv-${name}-value`).textContent;

/**
 * @param {string} name
 * @param {(view: View) => void} mount
 */
function show(name, mount) {
  mount({
    element: document.getElementById(`sv-${name}`),
    trigger() {},
    props: { value: readText(name), alone: true },
    server: {},
    upload: () => Promise.reject(new Error("There is no server.")),
    watch() {},
  });
}

/** Draw everything. */
export function open() {
  show("photo", mountPhoto);
  show("windows", mountWindows);
  show("outputs", mountOutputs);
  const link = /** @type {HTMLAnchorElement} */ (document.getElementById("sv-download"));
  link.href = URL.createObjectURL(new Blob([readText("result")], { type: "application/json" }));
}
