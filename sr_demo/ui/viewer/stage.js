// A stage, and what lies in it: the image, its mixture with less detail, the map, what is painted, the photo around a part.

/** @type {(count: number) => Stage} */
function makeStage(count) {
  const box = make("div", "srv-stage");
  const layers = Array.from({ length: count }, () => {
    const image = make("img", "srv-image", { draggable: "false" });
    const magnified = make("img", "srv-image", { draggable: "false", alt: "" });
    const failure = make("p", "srv-failure", { hidden: "" }, say("viewer_broken"));
    image.addEventListener("load", () => { failure.hidden = true; });
    image.addEventListener("error", () => { failure.hidden = false; });
    box.append(make("div", "srv-layer", {}, image, failure));
    return { image, around: null, magnified, shift: "" };
  });
  const boxes = make("div", "srv-layer", { "aria-hidden": "true" });
  const lens = make("div", "srv-lens", { "aria-hidden": "true", hidden: "" });
  for (const { magnified } of layers) lens.append(make("div", "srv-layer", {}, magnified));
  const text = make("p", "");
  const bar = make("progress", "", { max: "1", hidden: "" });
  const status = { box: make("div", "srv-status", { hidden: "" }, text, bar), text, bar };
  box.append(boxes, lens, status.box);
  return { box, layers, boxes, lens, status };
}

/** @type {(status: StatusBox, shown: ViewerImage) => void} */
function fillStatus({ box, text, bar }, { label, url, status, fraction, failed }) {
  box.hidden = Boolean(url);
  if (url) {
    text.textContent = "";
    return;
  }
  box.classList.toggle("srv-failed", failed);
  if (failed) box.setAttribute("role", "alert");
  else box.removeAttribute("role");
  write(text, status);
  bar.hidden = failed || fraction <= 0;
  bar.value = fraction;
  bar.setAttribute("aria-label", label);
}

/**
 * Put an image above another one, in a box that a mask can be given to, or take it away where there is no address.
 * @type {(below: HTMLImageElement, kind: "faithful" | "detailed" | "invention", url: string) => HTMLElement | null}
 */
function stack(below, kind, url) {
  const there = /** @type {HTMLElement | null} */ (below.parentElement?.querySelector(`.srv-${kind}`));
  if (!url) {
    there?.remove();
    return null;
  }
  const box = there ?? make("div", `srv-image srv-over srv-${kind}`, {}, make("img", "", { draggable: "false", alt: "" }));
  const image = /** @type {HTMLImageElement} */ (box.firstElementChild);
  if (!there) {
    image.addEventListener("load", refresh);
    below.after(box);
  }
  if (image.getAttribute("src") !== url) image.src = url;
  for (const side of /** @type {const} */ (["width", "height"])) box.style[side] = below.style[side];
  return box;
}

/** @type {(box: HTMLElement | null) => boolean} */
function isLoaded(box) {
  const image = /** @type {HTMLImageElement | null | undefined} */ (box?.firstElementChild);
  return Boolean(image?.complete && image.naturalWidth);
}

/**
 * Show as much of the detail as is allowed at each place.
 * @type {(box: HTMLElement) => void}
 */
function limit(box) {
  const limited = isLimited();
  box.style.opacity = limited ? "" : String(state.detail);
  const mask = limited ? `url("${limits.url}")` : "none";
  for (const name of ["-webkit-mask-image", "mask-image"]) {
    if (box.style.getPropertyValue(name) !== mask) box.style.setProperty(name, mask);
  }
}

/**
 * While people paint, what they have painted lies above an image.
 * @type {(layer: Layer, shown: ViewerImage) => void}
 */
function fillPainted({ image }, shown) {
  const there = /** @type {HTMLElement | null | undefined} */ (image.parentElement?.querySelector(".srv-painted"));
  if (!state.masking) {
    there?.remove();
    return;
  }
  const box = there ?? make("div", "srv-image srv-painted", { "aria-hidden": "true" }, make("canvas", ""));
  if (!there) image.after(box);
  for (const side of /** @type {const} */ (["width", "height"])) box.style[side] = image.style[side];
  const canvas = /** @type {HTMLCanvasElement} */ (box.firstElementChild);
  const [left, top, width, height] = (shown.part ? null : state.part) ?? [0, 0, 1, 1];
  Object.entries({ left, top, width, height }).forEach(([name, part]) => canvas.style.setProperty(name, `${100 * part}%`));
  masks.show(painted, canvas, nextRectangle());
}

/**
 * The images above one: a mixture of none of its detail and all of it, and the map of what was invented.
 * @type {(below: HTMLImageElement, shown: ViewerImage) => void}
 */
function fillStack(below, shown) {
  const faithful = stack(below, "faithful", shown.faithful_url);
  const detailed = stack(below, "detailed", shown.detailed_url);
  stack(below, "invention", state.mapped && !showsDifference(shown) ? shown.invention_url : "");
  const mixed = isMixed(shown);
  for (const node of [faithful, detailed]) if (node) node.hidden = !mixed;
  if (detailed) limit(detailed);
  // What is below stays until those above have arrived; then it must not shine through where they are transparent.
  const covered = mixed && [faithful, detailed].every(isLoaded);
  below.style.visibility = covered ? "hidden" : "";
}

/** @type {(image: HTMLImageElement) => void} While a result is awaited, nothing of an earlier one stays in its place. */
function clear(image) {
  image.removeAttribute("src");
  image.style.visibility = "";
  for (const node of [...(image.parentElement?.children ?? [])]) {
    if (node.matches(".srv-over, .srv-painted")) node.remove();
    else if (node instanceof HTMLElement && node.matches(".srv-failure")) node.hidden = true;
  }
}

/** @type {(layer: Layer, shown: ViewerImage) => void} */
function fillLayer(layer, shown) {
  const { image, magnified } = layer;
  const url = shownUrl(shown);
  image.hidden = !url;
  fillAround(layer, url ? shown.part : null);
  if (!url) {
    for (const node of [image, magnified]) clear(node);
    return;
  }
  if (image.getAttribute("src") !== url) image.src = url; // an equal address must not start a new load
  image.alt = showsDifference(shown) ? say("viewer_difference_alt", { alt: shown.alt }) : shown.alt;
  if (state.lens && magnified.getAttribute("src") !== url) magnified.src = url;
  const [left, top, width, height] = shown.part ?? [0, 0, 1, 1];
  layer.shift = shown.part ? ` translate(${left * state.full.width}px, ${top * state.full.height}px)` : "";
  for (const node of [image, magnified]) {
    node.style.width = `${width * state.full.width}px`;
    node.style.height = `${height * state.full.height}px`;
    fillStack(node, shown);
  }
  fillPainted(layer, shown);
}

/**
 * Around a part, show the first image that shows the whole.
 * @type {(layer: Layer, part: Part | null) => void}
 */
function fillAround(layer, part) {
  const whole = part && ready().find((image) => !image.part);
  if (layer.around) layer.around.hidden = !whole;
  if (!whole) return;
  if (!layer.around) {
    layer.around = make("img", "srv-image srv-around", { draggable: "false", alt: "" });
    layer.image.before(layer.around);
  }
  const { around } = layer;
  if (around.getAttribute("src") !== whole.url) around.src = whole.url;
  around.style.width = `${state.full.width}px`;
  around.style.height = `${state.full.height}px`;
}
