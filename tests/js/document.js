// A document just large enough for scripts that make elements and set attributes.

class Element {
  constructor(tag) {
    this.tag = tag;
    this.attributes = {};
    this.children = [];
  }

  setAttribute(name, value) {
    this.attributes[name] = String(value);
  }

  append(...children) {
    this.children.push(...children);
  }

  replaceChildren(...children) {
    this.children = children;
  }

  // Every element below this one that fits, in the order of the document.
  find(fits) {
    const below = this.children.filter((child) => child instanceof Element);
    return below.flatMap((child) => [...(fits(child) ? [child] : []), ...child.find(fits)]);
  }

  findTag(tag) {
    return this.find((element) => element.tag === tag);
  }

  findClass(name) {
    return this.find(({ attributes }) => attributes.class?.split(" ").includes(name));
  }

  get textContent() {
    return this.children.map((child) => child.textContent ?? child).join("");
  }
}

export function makeDocument() {
  return {
    createElement: (tag) => new Element(tag),
    createElementNS: (_, tag) => new Element(tag),
  };
}
