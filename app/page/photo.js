// The photo on the page, which every view draws over: { key, width, height, image: HTMLImageElement
// }.
import { onValue } from "./common.js";

/** @import { Photo, View } from "./types.d.ts" */

/** @type {Photo} */
let current = null;
/** @type {Set<(photo: Photo) => void>} */
const listeners = new Set();

// The photo now; null while there is none.
export const getPhoto = () => current;

/**
 * Calls back with the photo now, if there is one, and again whenever another takes its place.
 * @param {(photo: Photo) => void} callback
 */
export function onPhoto(callback) {
  listeners.add(callback);
  if (current) callback(current);
}

/** @param {Photo} photo */
function setPhoto(photo) {
  current = photo;
  for (const listener of listeners) listener(photo);
}

/**
 * Decodes the photo of app/page/photo.py and hands it to every view.
 * @param {View} view
 */
export function mount({ props, watch }) {
  onValue({ props, watch }, (/** @type {Photo} */ photo) => {
    if (!photo || photo.key === current?.key) return;
    const image = new Image();
    image.onload = () => setPhoto({ ...photo, image });
    image.src = photo.uri;
  });
}
