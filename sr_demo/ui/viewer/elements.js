// Elements of the document.

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} className
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
function make(tag, className, attributes = {}, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, content] of Object.entries(attributes)) node.setAttribute(name, content);
  node.append(...children);
  return node;
}

/** @type {(text: string, className: string, attributes: Record<string, string>, onClick: () => void) => HTMLButtonElement} */
function button(text, className, attributes, onClick) {
  const node = make("button", className, { type: "button", ...attributes }, text);
  node.addEventListener("click", onClick);
  return node;
}

/** @type {(className: string, path: string) => HTMLAnchorElement} */
function iconLink(className, path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, content] of [["viewBox", "0 0 16 16"], ["aria-hidden", "true"]]) svg.setAttribute(name, content);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return make("a", `srv-link ${className}`, {}, svg);
}

/** @type {(node: Element, on: boolean) => void} */
function press(node, on) {
  node.setAttribute("aria-pressed", String(on));
}

/** @type {(node: HTMLElement, text: string) => void} */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = !text;
}

/**
 * One child for each image. Those that are right already stay, and with them focus, scroll position and an open menu.
 * @type {(parent: HTMLElement, images: ViewerImage[], makeItem: (image: ViewerImage) => HTMLElement) => void}
 */
function fillList(parent, images, makeItem) {
  images.forEach((image, index) => {
    const old = /** @type {HTMLElement | undefined} */ (parent.children[index]);
    if (old?.dataset.id === image.id && old.textContent === image.label) return;
    const item = makeItem(image);
    item.dataset.id = image.id;
    if (old) old.replaceWith(item);
    else parent.append(item);
  });
  while (parent.children.length > images.length) parent.lastElementChild?.remove();
}
