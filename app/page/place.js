// Keeps the browser's address in step with the page, so that a reload, or the one that follows a
// lost connection, opens this very state again. From the JSON of app/tabs/takeaway/view.py.
import { onValue } from "./common.js";

/** @import { AddressValue, View } from "./types.d.ts" */

/** @param {View} view */
export function mount({ props, watch }) {
  onValue({ props, watch }, (/** @type {AddressValue} */ address) => {
    if (!address) return;
    const url = new URL(location.href);
    const names = ["photo", "task", "focal", "painted", "a"]; // not always named
    for (const name of names) url.searchParams.delete(name);
    for (const [name, value] of new URLSearchParams(address.query))
      url.searchParams.set(name, value);
    history.replaceState(history.state, "", url);
  });
}
