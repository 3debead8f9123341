// Two small menus: which picture is left and which is right of the handle.
import { make } from "../../page/common.js";
import { nameSide } from "./words.js";

/** @import { PictureName, OutputsValue } from "./types.d.ts" */

/** @param {(pair: [PictureName, PictureName]) => void} choose */
export function makePair(choose) {
  const menus = ["Left", "Right"].map((words) =>
    make("select", { "aria-label": `${words} of the handle` }),
  );
  const [left, right] = menus;
  const box = make(
    "div",
    { class: "sv-out-sides" },
    make("label", {}, "Left ", left),
    make("label", {}, "Right ", right),
  );
  for (const menu of menus)
    menu.addEventListener("change", () =>
      choose([/** @type {PictureName} */ (left.value), /** @type {PictureName} */ (right.value)]),
    );

  /**
   * @param {OutputsValue} data
   * @param {PictureName[]} pair
   */
  function fill(data, pair) {
    menus.forEach((menu, index) => {
      const options = data.classes.map(({ side }) =>
        make("option", { value: side }, nameSide(data, side)),
      );
      menu.replaceChildren(...options);
      menu.value = pair[index];
    });
  }

  return { box, fill };
}
