// What every view of the page uses. A view is a module with mount({ element, trigger, props, server, upload,
// watch }), which app/page/components.py lets gr.HTML call once for each element; see the docstring of gr.HTML.

// make("button", { type: "button", class: "x" }, "text", otherNode): a new element.
export function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "path", "line", "circle", "rect", "text", "polyline", "title"].includes(
    tag,
  );
  const node = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;

// The JSON that Python sent, now and whenever it changes; null while there is none.
export function onValue({ props, watch }, callback) {
  const read = () => callback(props.value ? JSON.parse(props.value) : null);
  watch("value", read);
  read();
}
