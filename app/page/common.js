// What every view of the page uses. A view is a module that exports mount({ element, trigger, props,
// server, upload, watch }); app/page/assets.py lets gr.HTML call it once for each element.

/** @import { View } from "./types.d.ts" */

const SVG = ["svg", "g", "path", "line", "circle", "rect", "text", "polyline", "title", "pattern"];

/**
 * make("button", { type: "button", class: "x" }, "text", otherNode): a new element.
 * @template {string} T
 * @param {T} tag
 * @param {Record<string, string | number | boolean>} [attributes]
 * @param {...(Node | string | number)} children
 * @returns {T extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[T] : SVGElement}
 */
export function make(tag, attributes = {}, ...children) {
  /** @type {any} */
  const node = SVG.includes(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/**
 * @param {number} share
 * @param {number} [digits]
 */
export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;

/**
 * Whether an answer is to something asked before the user last moved a control.
 * @param {{ asked: number | null }} value asked when, by the page's clock; null sets it in any case
 * @param {number} moved
 */
export const isLate = ({ asked }, moved) => asked !== null && asked < moved;

/**
 * The JSON that Python sent, now and whenever it changes; null while there is none.
 * @template T
 * @param {Pick<View, "props" | "watch">} view
 * @param {(value: T | null) => void} callback
 */
export function onValue({ props, watch }, callback) {
  const read = () => callback(props.value ? JSON.parse(props.value) : null);
  watch("value", read);
  read();
}
