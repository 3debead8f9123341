// Shared by the scripts of all views: app/page/components.py puts this file before each of them.
// gr.HTML calls a script once with (element, trigger, props, server, upload, watch) in scope.

// make("button", { type: "button", class: "x" }, "text", otherNode): a new element.
function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "path", "line", "circle", "rect", "text", "polyline", "title"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;

// The photo on the page, shared by all views: { key, width, height, image: HTMLImageElement }.
const sharedPhoto = (window.sparsevitPhoto ??= { current: null, listeners: new Set() });

// Calls back with the photo now, if there is one, and again whenever another takes its place.
function onPhoto(callback) {
  sharedPhoto.listeners.add(callback);
  if (sharedPhoto.current) callback(sharedPhoto.current);
}

function setPhoto(photo) {
  sharedPhoto.current = photo;
  for (const listener of sharedPhoto.listeners) listener(photo);
}

// The JSON that Python sent, now and whenever it changes; null while there is none.
function onValue(callback) {
  const read = () => callback(props.value ? JSON.parse(props.value) : null);
  watch("value", read);
  read();
}
