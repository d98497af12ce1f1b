// The comparison viewer. Gradio runs this text, with `geometry.js` and `mask.js` in front of it, as the body of a function with
// `element`, `props` and `watch`, once for each viewer on the page: everything below is private to one viewer.
//
// One view for all: an image is laid out at its full size (`full`, in CSS pixels) in every stage, and every stage has the
// same size, so one transform, computed once by `geometry.transform`, fits all of them. Moving changes nothing else.
//
//   stage   the box an image is seen through
//   layer   an image in a stage; the slider has two, one above the other
//   pane    one result of the grid: its stage, with name and links above and scores below
//
// Data reaches the page through textContent and attributes only: labels may hold anything a file name can.
// There are no listeners outside `root`, so nothing is left behind when Gradio removes the element.

/**
 * @typedef {{ id: string, label: string, url: string, width: number, height: number, alt: string, scores: string,
 *   note: string, difference_url: string, reference: boolean, download_url: string, status: string, fraction: number,
 *   failed: boolean, invents: boolean, faithful_url: string, detailed_url: string, invention_url: string,
 *   part: Part | null }} ViewerImage  See `viewer.py`.
 * @typedef {{ image: HTMLImageElement, around: HTMLImageElement | null, magnified: HTMLImageElement, shift: string }} Layer  Image and
 *   magnified image may have others above them: `stack`.
 * @typedef {{ box: HTMLElement, text: HTMLElement, bar: HTMLProgressElement }} StatusBox
 * @typedef {{ box: HTMLElement, layers: Layer[], boxes: HTMLElement, lens: HTMLElement,
 *   status: StatusBox }} Stage
 * @typedef {{ head: HTMLElement, foot: HTMLElement, label: HTMLElement, mark: HTMLElement, name: HTMLElement,
 *   tag: HTMLElement, as: HTMLButtonElement, save: HTMLAnchorElement, open: HTMLAnchorElement, scores: HTMLElement, note: HTMLElement }} Plate
 * @typedef {{ stage: Stage, plate: Plate, figure: HTMLElement }} Pane
 * @typedef {{ images: ViewerImage[], full: Size, stage: Size, scale: Scale, centre: Point, mode: "grid" | "two",
 *   part: Part | null, wanted: Id[], opening: Id[], marked: Id, front: Id, narrow: boolean, lens: boolean, lensAt: Point | null, difference: boolean,
 *   split: number, example: boolean, scene: string, detail: number, mapped: boolean, run: string, requested: number,
 *   masking: boolean, erasing: boolean, brush: number, boxed: boolean, faces: Part[] | null }} State  `faces`: of this run; null where
 *   they were not requested yet.
 * @typedef {Pick<State, "scale" | "centre" | "full" | "wanted" | "front">} SavedView
 */

const root = /** @type {HTMLElement} */ (element.querySelector(".srv"));
const NARROW = 560; // CSS pixels; a phone
/** @type {[Scale, string, string | null][]} */
const ZOOM_BUTTONS = [["fit", say("viewer_fit"), "0"], ["part", say("viewer_part"), null], [1, "1:1", "1"], [2, "2×", null], [4, "4×", null]];
const HINTS = {
  idle: say("viewer_hint_idle"),
  active: say("viewer_hint_active"),
  touch: say("viewer_hint_touch"),
  touchTwo: say("viewer_hint_touch_two"),
  names: ` ${say("viewer_hint_names")}`,
  one: say("viewer_hint_one"),
};

/** @type {State} */
const state = {
  images: [], full: { width: 1, height: 1 }, stage: { width: 1, height: 1 },
  scale: "fit", centre: { x: 0.5, y: 0.5 },
  mode: "grid", wanted: [null, null], opening: [null, null], marked: null, front: null, narrow: false,
  lens: false, lensAt: null, difference: false, split: 0.5, example: false,
  scene: "", part: null, detail: 1, mapped: false, run: "", requested: 0,
  masking: false, erasing: false, brush: 0.08, boxed: false, faces: null,
};
/** What people have painted: see `mask.js`. */
const painted = masks.make();
/**
 * What limits the detail besides the slider: addresses and values as the server has sent them; and `url`, an image that is as
 * opaque as detail is shown.
 * @type {{ maskUrl: string, facesUrl: string, faces: Float32Array | null, url: string }}
 */
const limits = { maskUrl: "", facesUrl: "", faces: null, url: "" };
/** @type {Map<string, SavedView>} By scene: how it was left. */
const views = new Map();
/** @type {Map<string, Pane>} By id; they outlive a value, so that no image is loaded twice. */
const panes = new Map();

// --------------------------------------------------------------------------------------------------- small helpers

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

// --------------------------------------------------------------------------------------------- what is shown where

/** @type {(id: Id) => ViewerImage} Of an id that is among the images. */
const imageOf = (id) => state.images[ids().indexOf(id ?? "")];
const hasDifference = () => state.images.some((image) => image.difference_url);
/** @type {(image: ViewerImage) => boolean} */
const showsDifference = (image) => state.difference && Boolean(image.difference_url);
/** @type {(image: ViewerImage) => string} */
const shownUrl = (image) => (showsDifference(image) ? image.difference_url : image.url);
/** The images that have arrived; the others show how far they are. */
const ready = () => state.images.filter((image) => image.url);
const isTwo = () => state.mode === "two" && ready().length > 1;
/** @type {(image: ViewerImage) => string} */
const fileName = (image) => (image.id.replace(/[^\w.-]+/g, "-").replace(/^[-.]+|-+$/g, "") || "picture")
  + (image.invents && state.detail < 1 ? `-detail-${Math.round(100 * state.detail)}` : "")
  + (image.invents && !painted.empty ? "-masked" : "")
  + (showsDifference(image) ? "-difference.png" : ".png");

/** What the images were last adjusted to: `{ detail, mapped, number, reference, spread, mask_url, faces_url }`, or nothing. */
const adjusted = () => props.value?.adjusted;
/** Whether the images do not show yet what was requested. */
const waits = () => state.requested > (adjusted()?.number ?? 0);
const canAdjust = () => Boolean(props.savable && props.value?.adjustable);
/** @type {(image: ViewerImage) => boolean} */
const isMixed = (image) => (state.detail < 1 || !painted.empty) && Boolean(image.faithful_url) && !showsDifference(image)
  && !(isLimited() && !limits.url);
/** Whether less than `state.detail` is shown in some places. */
const isLimited = () => !painted.empty || Boolean(limits.faces && state.detail < 1);

const ids = () => state.images.map((image) => image.id);
const pair = () => geometry.pair(ready().map((image) => image.id), state.wanted.some(Boolean) ? state.wanted : state.opening);

function front() {
  return ids().includes(state.front ?? "") ? state.front : state.images[0]?.id;
}

// ----------------------------------------------------------------------------------------------- zoom and position

const placed = () => geometry.place(state);
const least = () => geometry.leastScale(state.stage, state.full);
/** A phone that shows the part swipes to the next image, and scrolls the page. */
const isZoomed = () => geometry.isZoomed(state) && !(state.narrow && state.scale === "part");

/**
 * @param {Scale} wish
 * @param {Point} [point]
 */
function zoomTo(wish, point) {
  Object.assign(state, geometry.zoom(state, wish, point));
  schedule();
}

/** @type {(dx: number, dy: number) => void} */
function pan(dx, dy) {
  state.centre = geometry.pan(state, dx, dy);
  schedule();
}

// -------------------------------------------------------------------------------------------------- stage and pane

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

/** @type {(layer: Layer, shown: ViewerImage) => void} */
function fillLayer(layer, shown) {
  const { image, magnified } = layer;
  const url = shownUrl(shown);
  image.hidden = !url;
  fillAround(layer, url ? shown.part : null);
  if (!url) {
    image.removeAttribute("src");
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

/**
 * Name, links, scores and note of one image: once in every pane, twice below the slider.
 * @param {() => void} [onName]
 * @returns {Plate}
 */
function makePlate(onName) {
  const mark = make("span", "srv-mark");
  const name = make("span", "srv-name");
  const tag = make("span", "srv-tag");
  const label = onName ? button("", "srv-label", {}, onName) : make("span", "srv-label");
  label.append(mark, name);
  const save = iconLink("srv-save", "M8 2v8M4.5 7 8 10.5 11.5 7M3 13.5h10");
  const open = iconLink("srv-open", "M9.5 2.5h4v4M13.5 2.5 8 8M11.5 9.5v4h-9v-9h4");
  open.target = "_blank";
  open.rel = "noopener";
  const as = button(say("viewer_save_as"), "srv-button srv-as", { "aria-haspopup": "true" },
    () => trigger("select", { url: save.getAttribute("href"), label: name.title }));
  const head = make("div", "srv-head", {}, label, tag, make("span", "srv-links", {}, as, save, open));
  const scores = make("span", "srv-scores");
  const note = make("span", "srv-note");
  const foot = make("figcaption", "srv-foot", {}, scores, note);
  return { head, foot, label, mark, name, tag, as, save, open, scores, note };
}

/**
 * How much of the photo an image shows, where they differ in that; the first one is the photo itself.
 * @type {(image: ViewerImage) => string}
 */
function extent({ url, part }) {
  if (!state.part || !url) return "";
  if (!part) return say("viewer_of_whole");
  const photo = state.images[0];
  const size = `${Math.round(part[2] * photo.width)} × ${Math.round(part[3] * photo.height)}`;
  return say("viewer_of_part", { size });
}

/** @type {(plate: Plate, image: ViewerImage, mark: string) => void} */
function fillPlate(plate, image, mark) {
  const difference = showsDifference(image);
  write(plate.mark, mark);
  write(plate.name, image.label);
  write(plate.tag, difference ? say("viewer_tag_difference") : image.reference ? say("viewer_tag_original") : "");
  write(plate.scores, image.scores);
  write(plate.note, [extent(image), image.note].filter(Boolean).join("; "));
  plate.name.title = image.label;
  plate.save.hidden = plate.open.hidden = !image.url;
  plate.as.hidden = !image.url || !props.savable || state.example;
  if (!image.url) return;
  const what = difference ? say("viewer_difference_of", { name: image.label }) : image.label;
  for (const { link, text } of [
    { link: plate.save, text: say("viewer_download", { name: what }) }, { link: plate.open, text: say("viewer_open", { name: what }) },
  ]) {
    link.href = difference ? image.difference_url : image.download_url || image.url;
    link.title = text;
    link.setAttribute("aria-label", text);
  }
  plate.save.download = fileName(image);
  // Until the file has the detail that is shown, nothing is saved.
  plate.as.disabled = image.invents && waits();
  for (const link of [plate.save, plate.open]) link.hidden ||= plate.as.disabled;
  plate.as.title = say("viewer_save_as_title");
  plate.as.setAttribute("aria-label", say("viewer_save_as_name", { name: what }));
}

/** @type {(id: string) => Pane} */
function makePane(id) {
  const stage = makeStage(1);
  const plate = makePlate(() => markForPair(id));
  plate.label.title = say("viewer_mark");
  const pane = { stage, plate, figure: make("figure", "srv-pane", {}, plate.head, stage.box, plate.foot) };
  panes.set(id, pane);
  return pane;
}

function makeSlider() {
  const stage = makeStage(2);
  const plates = [makePlate(), makePlate()];
  const divider = make("div", "srv-divider", {
    role: "slider", tabindex: "0", "aria-orientation": "horizontal", "aria-valuemin": "0", "aria-valuemax": "100",
  }, make("span", "srv-handle", { "aria-hidden": "true" }));
  stage.box.append(divider);
  const sides = plates.map((plate) => make("div", "srv-side", {}, plate.head, plate.foot));
  const figure = make("figure", "srv-two", {}, stage.box, make("div", "srv-sides", {}, ...sides));
  return { stage, plates, divider, figure };
}

// ------------------------------------------------------------------------------------------------------- the frame

const zoomButtons = ZOOM_BUTTONS.map(([scale, text, key]) => button(text, "srv-button", {
  title: scale === "fit" ? say("viewer_fit_title") : scale === "part" ? say("viewer_part_title")
    : say(scale > 1 ? "viewer_scale_title" : "viewer_true_title", { scale }),
  ...(key ? { "aria-keyshortcuts": key } : {}),
}, () => zoomTo(scale)));
/** @type {(sign: string, name: string, key: string, factor: number) => HTMLButtonElement} */
const stepButton = (sign, name, key, factor) => button(sign, "srv-button", {
  "aria-label": name, "aria-keyshortcuts": key,
}, () => zoomBy(factor));
const zoomOut = stepButton("−", say("viewer_zoom_out"), "-", 1 / 1.5);
const zoomIn = stepButton("+", say("viewer_zoom_in"), "+", 1.5);
const level = make("span", "srv-level");
const lensButton = button(say("viewer_lens"), "srv-button", { "aria-keyshortcuts": "L", title: say("viewer_lens_title") },
  () => setLens(!state.lens));
const differenceButton = button(say("viewer_difference"), "srv-button", {}, () => change({ difference: !state.difference }));
differenceButton.append(make("span", "srv-long", {}, ` ${say("viewer_difference_to")}`));
const gridButton = button(say("viewer_all"), "srv-button", {}, () => change({ mode: "grid" }));
const twoButton = button(say("viewer_two"), "srv-button", {}, () => {
  change({ mode: "two", marked: null, wanted: pair() }); // a sharper result that arrives later must not take its place
});
const selects = [0, 1].map((side) => {
  const name = say(side ? "viewer_right" : "viewer_left");
  const node = make("select", "srv-select", { "aria-label": name });
  node.addEventListener("change", () => choose(side, node.value));
  return node;
});
const swapButton = button(say("viewer_swap"), "srv-button", { title: say("viewer_swap_title") },
  () => change({ wanted: pair().reverse() }));
const pairBar = make("div", "srv-group", {}, selects[0], swapButton, selects[1]);
const bar = make("div", "srv-bar", { role: "group", "aria-label": say("viewer_bar") },
  make("div", "srv-group srv-joined", {}, ...zoomButtons),
  make("div", "srv-group srv-joined srv-steps", {}, zoomOut, zoomIn), level,
  lensButton, differenceButton, make("div", "srv-group srv-joined srv-modes", {}, gridButton, twoButton), pairBar);
const detailInput = make("input", "srv-range", {
  type: "range", min: "0", max: "100", step: "5", "aria-label": say("viewer_detail_name"),
});
detailInput.addEventListener("input", () => adjust({ detail: Number(detailInput.value) / 100 }));
const detailLevel = make("output", "srv-percent");
const detailBox = make("label", "srv-group srv-detail", {}, make("b", "", {}, say("viewer_detail")), detailLevel,
  make("span", "srv-quiet", {}, say("viewer_detail_faithful")), detailInput, make("span", "srv-quiet", {}, say("viewer_detail_whole")));
const mapButton = button(say("viewer_map"), "srv-button", { "aria-keyshortcuts": "I" },
  () => adjust({ mapped: !state.mapped }));
const maskButton = button(say("viewer_mask"), "srv-button", { "aria-keyshortcuts": "M", title: say("viewer_mask_title") },
  () => setMasking(!state.masking));
const paintButton = button(say("viewer_mask_paint"), "srv-button", {}, () => change({ erasing: false }));
const eraseButton = button(say("viewer_mask_erase"), "srv-button", {}, () => change({ erasing: true }));
const brushInput = make("input", "srv-range srv-brush", { type: "range", min: "1", max: "30" });
brushInput.addEventListener("input", () => change({ brush: Number(brushInput.value) / 100 }));
/** @type {[string, string][]} Fields of a rectangle, with what they say at first. */
const SIDES = [
  [say("viewer_mask_left"), "25"], [say("viewer_mask_top"), "25"], [say("viewer_mask_width"), "50"], [say("viewer_mask_height"), "50"],
];
const sideInputs = SIDES.map(([words, percent]) => {
  const node = make("input", "srv-number", { type: "number", inputmode: "numeric", min: "0", max: "100", value: percent });
  for (const event of ["input", "focus", "blur"]) node.addEventListener(event, () => refresh());
  return make("label", "srv-group", {}, make("span", "srv-quiet", {}, words), node);
});
const rectangleButton = button("", "srv-button", {}, fillRectangle);
const clearButton = button(say("viewer_mask_clear"), "srv-button", {}, clearMask);
const maskShare = make("output", "srv-quiet");
const maskBar = make("div", "srv-mask-bar", { role: "group", "aria-label": say("viewer_mask") },
  make("p", "srv-quiet", {}, say("viewer_mask_help")),
  make("div", "srv-group srv-joined", {}, paintButton, eraseButton),
  make("label", "srv-group", {}, make("span", "srv-quiet", {}, say("viewer_mask_brush")), brushInput), clearButton, maskShare,
  make("div", "srv-group srv-rectangle", { role: "group", "aria-label": say("viewer_mask_rectangle") },
    make("span", "srv-quiet", {}, say("viewer_mask_rectangle")), ...sideInputs, rectangleButton));
const facesButton = button(say("viewer_faces"), "srv-button", { "aria-keyshortcuts": "F", title: say("viewer_faces_title") }, showFaces);
const facesFound = make("span", "srv-quiet", { role: "status" });
const legend = make("ul", "srv-legend", { "aria-label": say("viewer_legend") });
const adjustBar = make("div", "srv-adjust", { role: "group", "aria-label": say("viewer_adjust") },
  detailBox, mapButton, make("span", "srv-group", {}, facesButton, facesFound), maskButton, maskBar, legend);
const chips = make("div", "srv-chips", { role: "group", "aria-label": say("viewer_chips") });
const slider = makeSlider();
const grid = make("div", "srv-grid");
const area = make("div", "srv-area", {
  tabindex: "0", role: "group", "aria-label": say("viewer_area"),
}, grid, slider.figure);
const hint = make("p", "srv-hint");
const live = make("p", "srv-live", { role: "status", "aria-live": "polite" });
const empty = make("p", "srv-empty");
root.replaceChildren(empty, bar, adjustBar, chips, area, hint, live);

// --------------------------------------------------------------------------------------------- changes of the view

/** @type {(changes: Partial<State>) => void} */
function change(changes) {
  Object.assign(state, changes);
  refresh();
}

/**
 * @param {number} factor
 * @param {Point} [point]
 */
function zoomBy(factor, point) {
  zoomTo(placed().scale * factor, point);
}

/**
 * The lens starts in the middle, so that it is of use without a pointer too.
 * @type {(on: boolean) => void}
 */
function setLens(on) {
  change({ lens: on, lensAt: on ? { x: state.stage.width / 2, y: state.stage.height / 2 } : null });
  announce(say(on ? "viewer_lens_on" : "viewer_lens_off"));
}

/** @type {(id: string) => void} */
function markForPair(id) {
  if (state.marked === id) change({ marked: null });
  else if (state.marked === null) change({ marked: id });
  else {
    change({ mode: "two", wanted: [state.marked, id], marked: null });
    slider.divider.focus({ preventScroll: true }); // the clicked name is gone: keep the keyboard inside the viewer
  }
}

/** @type {(side: number, id: string) => void} */
const choose = (side, id) => change({ wanted: geometry.pairWith(pair(), side, id) });

/** @type {(split: number) => void} */
function setSplit(split) {
  state.split = geometry.clamp(split, 0, 1);
  schedule();
}

/** @type {(step: number) => void} */
function bringToFront(step) {
  const next = geometry.neighbour(ids(), front(), step);
  change({ front: next });
  announce(imageOf(next).label);
}

/**
 * Open or close the brush; what it needs is requested once.
 * @type {(on: boolean) => void}
 */
function setMasking(on) {
  if (on && !canMask()) return;
  change({ masking: on });
  if (on && !state.images.some((image) => image.faithful_url)) adjust({});
}

const canMask = () => canAdjust() && state.images.some((image) => image.invents);

/**
 * As the fields for it say.
 * @type {() => Rectangle}
 */
function rectangle() {
  const [left, top, width, height] = sideInputs.map((label) => (
    geometry.clamp(Number(/** @type {HTMLInputElement} */ (label.lastElementChild).value) / 100, 0, 1)));
  return { left, top, width: Math.min(width, 1 - left), height: Math.min(height, 1 - top) };
}

/** The rectangle while its fields have the focus, so that people see it before it is filled. */
const nextRectangle = () => (sideInputs.some((label) => label.contains(focused())) ? rectangle() : null);

function fillRectangle() {
  masks.fill(painted, rectangle(), state.erasing);
  maskChanged();
}

function clearMask() {
  masks.clear(painted);
  maskChanged();
}

/** Show what was painted at once, say how much it is, and request the files that show the same. */
function maskChanged() {
  limits.maskUrl = "painted"; // whatever the server states next is taken
  describeMask();
  announce(maskShare.textContent ?? "");
  adjust({});
  updateLimits();
}

function describeMask() {
  const percent = Math.round(100 * masks.share(painted));
  write(maskShare, painted.empty ? "" : say("viewer_mask_share", { percent: Math.max(percent, 1) }));
}

let updating = false;
let outdated = false;
/** Compute what is shown at each place: one image for all results, in use once the browser has read it. */
async function updateLimits() {
  outdated = true;
  if (updating) return;
  updating = true;
  while (outdated) {
    outdated = false;
    const url = isLimited() ? masks.shown(painted, limits.faces, state.detail) : "";
    if (url) await masks.loaded(url).catch(() => {});
    limits.url = url;
  }
  updating = false;
  refreshPanes();
  refreshSlider();
  draw();
}

/**
 * Take mask and faces as the server states them, which matters where another comparison has come, or a request was refused.
 * @type {(found: { mask_url?: string, faces_url?: string }, request: number) => Promise<void>}
 */
async function receiveLimits({ mask_url: maskUrl = "", faces_url: facesUrl = "" }, request) {
  if (limits.maskUrl === maskUrl && limits.facesUrl === facesUrl) return;
  const [mask, faces] = await Promise.all([maskUrl, facesUrl].map((url) => (url ? masks.loaded(url).catch(() => null) : null)));
  if (state.requested !== request) return; // painted meanwhile
  if (limits.maskUrl !== maskUrl) {
    if (mask) masks.take(painted, mask);
    else masks.clear(painted);
    describeMask();
  }
  Object.assign(limits, { maskUrl, facesUrl, faces: faces ? masks.brightness(painted, faces) : null });
  await updateLimits();
}

let requesting = 0;
/**
 * Show more or less detail at once, where the images for it are there, and request what shows the same in file and number.
 * @param {{ detail?: number, mapped?: boolean }} changes
 */
function adjust(changes) {
  if (!canAdjust()) return;
  state.requested = Math.max(state.requested, adjusted()?.number ?? 0) + 1;
  change(changes);
  if ("detail" in changes) updateLimits();
  clearTimeout(requesting);
  const { detail, mapped, requested: number } = state;
  const mixable = state.images.some((image) => image.faithful_url);
  // While the slider is moved, only where it comes to rest.
  requesting = setTimeout(() => trigger("input", {
    detail, mapped, number, url: ready()[0]?.url, mask: masks.address(painted),
  }), mixable ? 300 : 0);
}

/** Show or hide where faces are; they are looked for when that is wanted for the first time. */
function showFaces() {
  if (!canAdjust()) return;
  change({ boxed: !state.boxed });
  if (state.boxed && !state.faces) trigger("apply", { url: ready()[0]?.url });
}

let announcement = 0;
/** @type {(text: string) => void} */
function announce(text) {
  clearTimeout(announcement); // a turn of the wheel is many steps: say where it ended
  announcement = setTimeout(() => { live.textContent = text; }, 300);
}

// -------------------------------------------------------------------------------------- from state to the document

/**
 * Show another scene as it was left, or fitted.
 * @param {string} scene
 */
function changeScene(scene) {
  const { scale, centre, full, wanted, front } = state;
  views.set(state.scene, { scale, centre, full, wanted, front });
  /** @type {SavedView} */
  const fitted = {
    scale: state.part ? "part" : "fit", centre: geometry.middle(state.part), full, wanted: state.mode === "grid" ? [null, null] : wanted, front: null,
  };
  Object.assign(state, { scene, marked: null, ...(views.get(scene) ?? fitted) });
}

/**
 * The same image with the server's fixed words in the visitor's language.
 * @type {(image: ViewerImage) => ViewerImage}
 */
const inWords = (image) => ({
  ...image, label: word(image.label), scores: word(image.scores), status: word(image.status),
  note: word(image.note), alt: word(image.alt),
});

// A new value. The same scene means the same comparison with one more result, or another of the same photo: the view stays.
function receive() {
  const value = props.value && typeof props.value === "object" ? props.value : {};
  const images = (value.images ?? []).map(inWords);
  if (Boolean(value.example) !== state.example) {
    Object.assign(state, { example: Boolean(value.example), mode: value.example ? "two" : "grid", wanted: [null, null] });
  }
  state.opening = [value.pair?.[0] ?? null, value.pair?.[1] ?? null];
  state.part = images.find((/** @type {ViewerImage} */ image) => image.part)?.part ?? null;
  const scene = value.scene || images[0]?.url || "";
  if (scene !== state.scene) changeScene(scene);
  if ((images[0]?.url ?? "") !== state.run) Object.assign(state, { boxed: false, faces: null });
  if (value.faces) state.faces = value.faces;
  const full = geometry.fullSize(images);
  masks.fit(painted, (full.width * (state.part?.[2] ?? 1)) / (full.height * (state.part?.[3] ?? 1)));
  receiveAdjusted(images[0]?.url ?? "", value.adjusted);
  if (typeof state.scale === "number") state.scale *= state.full.width / full.width; // a larger result must not move the others
  state.full = full;
  state.images = images;
  write(empty, images.length ? "" : word(value.empty || "Nothing to show yet."));
  refresh();
}

/**
 * Another comparison starts with all detail, or as it was left; of the same one only the newest request counts.
 * @param {string} run
 * @param {{ detail: number, mapped: boolean, number: number, mask_url?: string, faces_url?: string } | undefined} found
 */
function receiveAdjusted(run, found) {
  if (run === state.run && found && found.number < state.requested) return;
  if (run !== state.run) {
    clearTimeout(requesting);
    masks.clear(painted);
    Object.assign(limits, { maskUrl: "", facesUrl: "", faces: null });
    describeMask();
  }
  const { detail, mapped, number } = found ?? { detail: 1, mapped: false, number: 0 };
  Object.assign(state, { run, detail, mapped, requested: number, masking: state.masking && canMask() });
  receiveLimits(found ?? {}, number);
}

function refresh() {
  const some = state.images.length > 0;
  for (const node of [bar, area]) node.hidden = !some;
  refreshPanes();
  refreshSlider();
  refreshBar();
  refreshAdjustBar();
  refreshChips();
  layout();
}

function refreshPanes() {
  for (const [id, pane] of panes) if (!ids().includes(id)) { pane.figure.remove(); panes.delete(id); }
  state.images.forEach((image, index) => {
    const { figure, stage, plate } = panes.get(image.id) ?? makePane(image.id);
    if (grid.children[index] !== figure) grid.insertBefore(figure, grid.children[index] ?? null);
    figure.hidden = state.narrow && image.id !== front();
    fillLayer(stage.layers[0], image);
    fillStatus(stage.status, image);
    fillPlate(plate, image, state.marked === image.id ? "A" : "");
    figure.setAttribute("aria-label", image.label); // else the caption, which are its scores, would name it
    press(plate.label, state.marked === image.id);
    plate.label.toggleAttribute("disabled", !image.url || ready().length < 2);
  });
  grid.hidden = isTwo();
}

function refreshSlider() {
  slider.figure.hidden = !isTwo();
  if (!isTwo()) return;
  const shown = pair().map(imageOf);
  slider.figure.setAttribute("aria-label", shown.map(({ label }) => label).join(` ${say("viewer_and")} `));
  shown.forEach((image, side) => {
    fillLayer(slider.stage.layers[side], image);
    fillPlate(slider.plates[side], image, side ? "B" : "A");
  });
}

function refreshBar() {
  press(lensButton, state.lens);
  press(differenceButton, state.difference && hasDifference());
  differenceButton.hidden = !hasDifference();
  zoomButtons[1].hidden = !state.part;
  press(gridButton, !isTwo());
  press(twoButton, isTwo());
  twoButton.disabled = ready().length < 2;
  pairBar.hidden = !isTwo();
  selects.forEach((node, side) => {
    fillList(node, ready(), ({ id, label }) => make("option", "", { value: id }, label));
    node.value = pair()[side] ?? "";
  });
  refreshHint();
}

/** @type {Record<string, [string, string][]>} Class of the sample, and what it means. */
const LEGENDS = {
  reference: [
    ["srv-right", say("viewer_map_right")],
    ["srv-missing", say("viewer_map_missing")],
    ["srv-invented", say("viewer_map_invented")],
  ],
  none: [["srv-invented", say("viewer_map_unsupported")]],
  spread: [["srv-invented", say("viewer_map_unsupported")], ["srv-invented", say("viewer_map_spread")]],
};

function refreshAdjustBar() {
  const invents = state.images.some((image) => image.invents);
  adjustBar.hidden = state.example || !props.savable || !(invents || canAdjust());
  detailBox.hidden = !invents;
  detailInput.disabled = mapButton.disabled = facesButton.disabled = !canAdjust();
  press(facesButton, state.boxed);
  const count = state.faces?.length;
  write(facesFound, !state.boxed ? "" : count ? say("viewer_faces_count", { count }) : count === 0 ? say("viewer_faces_none") : "…");
  const percent = Math.round(100 * state.detail);
  if (detailInput.value !== String(percent)) detailInput.value = String(percent);
  detailInput.setAttribute("aria-valuetext", percent === 100 ? say("viewer_detail_whole") : say("viewer_detail_value", { percent }));
  write(detailLevel, `${percent} %${waits() ? " …" : ""}`);
  press(mapButton, state.mapped);
  maskButton.hidden = !invents;
  maskButton.disabled = !canMask();
  press(maskButton, state.masking);
  maskBar.hidden = !state.masking;
  press(paintButton, !state.erasing);
  press(eraseButton, state.erasing);
  brushInput.value = String(Math.round(100 * state.brush));
  rectangleButton.textContent = say(state.erasing ? "viewer_mask_take_away" : "viewer_mask_add");
  clearButton.disabled = painted.empty;
  legend.hidden = !state.mapped;
  const parts = LEGENDS[adjusted()?.reference ? "reference" : adjusted()?.spread ? "spread" : "none"];
  legend.replaceChildren(...(waits() && !adjusted()?.mapped ? [make("li", "", {}, say("viewer_map_pending"))] : parts.map(
    ([kind, words]) => make("li", "", {}, make("span", `srv-sample ${kind}`, { "aria-hidden": "true" }), words),
  )));
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

const focused = () => /** @type {Document | ShadowRoot} */ (area.getRootNode()).activeElement;

function refreshHint() {
  const active = area.contains(focused());
  root.classList.toggle("srv-active", active);
  const touch = isTwo() ? HINTS.touchTwo : HINTS.touch;
  const mouse = (active ? HINTS.active : HINTS.idle) + (isTwo() ? "" : HINTS.names);
  write(hint, !state.images.length || state.masking ? "" : state.marked ? HINTS.one : state.narrow ? touch : mouse);
}

function refreshChips() {
  chips.hidden = !state.narrow || isTwo() || state.images.length < 2;
  fillList(chips, state.images, ({ id, label }) => button(label, "srv-button srv-chip", {}, () => change({ front: id })));
  for (const chip of /** @type {Iterable<HTMLElement>} */ (chips.children)) {
    const inFront = chip.dataset.id === front();
    press(chip, inFront);
    if (inFront && !chips.hidden) { // scroll the row only, never the page
      chips.scrollLeft = chip.offsetLeft - (chips.clientWidth - chip.offsetWidth) / 2;
    }
  }
}

// ---------------------------------------------------------------------------------------------------------- layout

function layout() {
  const width = root.clientWidth;
  if (!width || !state.images.length) return; // in a tab that is not open: laid out when it is
  const ratio = state.full.width / state.full.height;
  const found = geometry.layOut(state.images.length, width, window.innerHeight, ratio, state.narrow || isTwo());
  state.stage = { width: found.width, height: found.height };
  root.style.setProperty("--srv-columns", String(found.columns));
  root.style.setProperty("--srv-stage", `${state.stage.height}px`);
  schedule();
}

let frame = 0;
function schedule() {
  frame ||= requestAnimationFrame(() => { frame = 0; draw(); });
}

/** @type {() => Stage[]} */
function visibleStages() {
  if (isTwo()) return [slider.stage];
  return [...panes].filter(([id]) => !state.narrow || id === front()).map(([, pane]) => pane.stage);
}

function draw() {
  const shown = geometry.transform(state);
  const transform = `translate(${shown.left}px, ${shown.top}px) scale(${shown.scale})`;
  for (const stage of visibleStages()) {
    for (const { image, around, shift } of stage.layers) {
      transformAll(image, transform + shift);
      if (around) around.style.transform = transform;
    }
  }
  for (const stage of visibleStages()) drawBoxes(stage, shown);
  root.classList.toggle("srv-pixels", shown.scale > 1.001);
  root.classList.toggle("srv-zoomed", isZoomed());
  root.classList.toggle("srv-magnifying", state.lens);
  root.classList.toggle("srv-masking", state.masking);
  drawLens(shown);
  if (isTwo()) drawSplit();
  drawLevel(shown.scale);
}

/** @type {(image: HTMLImageElement, transform: string) => void} An image, and those above it. */
function transformAll(image, transform) {
  for (const node of image.parentElement?.children ?? []) {
    if (node instanceof HTMLElement && node.matches(".srv-image:not(.srv-around)")) node.style.transform = transform;
  }
}

/** @type {(stage: Stage, shown: Transform) => void} Around faces: as wide as ever, however large the image is shown. */
function drawBoxes({ boxes, status }, shown) {
  const faces = state.boxed && status.box.hidden ? state.faces ?? [] : [];
  while (boxes.children.length > faces.length) boxes.lastElementChild?.remove();
  faces.forEach(([left, top, width, height], index) => {
    const box = /** @type {HTMLElement} */ (boxes.children[index] ?? boxes.appendChild(make("div", "srv-face")));
    const [across, along] = [state.full.width * shown.scale, state.full.height * shown.scale];
    box.style.transform = `translate(${shown.left + left * across}px, ${shown.top + top * along}px)`;
    box.style.width = `${width * across}px`;
    box.style.height = `${height * along}px`;
  });
}

/** @type {(shown: Transform) => void} */
function drawLens(shown) {
  const at = state.lens ? state.lensAt : null;
  for (const { lens, layers } of visibleStages()) {
    lens.hidden = !at;
    if (!at) continue;
    const { radius, strength, left, top } = geometry.lens(state.stage, shown, at);
    lens.style.width = lens.style.height = `${2 * radius}px`;
    lens.style.transform = `translate(${Math.round(at.x - radius)}px, ${Math.round(at.y - radius)}px)`;
    for (const { magnified, shift } of layers) {
      transformAll(magnified, `translate(${left}px, ${top}px) scale(${strength})${shift}`);
    }
  }
}

function drawSplit() {
  const edge = state.split * state.stage.width;
  const { box, lens } = slider.stage;
  box.style.setProperty("--srv-edge", `${edge}px`);
  if (state.lensAt) { // the lens is divided where the image is
    lens.style.setProperty("--srv-edge", `${Math.max(0, edge - state.lensAt.x + lens.offsetWidth / 2)}px`);
  }
  const percent = Math.round(state.split * 100);
  const [a, b] = pair().map((id) => imageOf(id).label);
  slider.divider.setAttribute("aria-valuenow", String(percent));
  slider.divider.setAttribute("aria-valuetext", say("viewer_split", { percent, a, rest: 100 - percent, b }));
  slider.divider.setAttribute("aria-label", say("viewer_divider", { a, b }));
}

/** @type {(scale: number) => void} */
function drawLevel(scale) {
  const percent = `${Math.round(scale * 100)} %`;
  if (level.textContent !== percent) {
    if (level.textContent) announce(say(state.scale === "fit" ? "viewer_at_fit" : "viewer_at", { percent: Math.round(scale * 100) }));
    level.textContent = percent;
  }
  ZOOM_BUTTONS.forEach(([wish], index) => {
    const on = typeof wish === "string" ? state.scale === wish
      : typeof state.scale === "number" && Math.abs(scale / wish - 1) < 0.001;
    press(zoomButtons[index], on);
  });
  zoomOut.disabled = scale <= least() * 1.001;
  zoomIn.disabled = scale >= geometry.LARGEST_SCALE * 0.999;
}

// ---------------------------------------------------------------------------------------- pointer, wheel, keyboard

/** @type {Map<number, Point>} By pointerId: where it is, in pixels of its stage. */
const pointers = new Map();
/** @type {{ dx: number, dy: number } | null} */
let swipe = null;

/** @type {(event: MouseEvent, box: Element) => Point} */
function spot(event, box) {
  const rect = box.getBoundingClientRect();
  return { x: event.clientX - rect.left, y: event.clientY - rect.top };
}

/** @type {(event: Event, selector: string) => HTMLElement | null} */
const around = (event, selector) => /** @type {Element} */ (event.target).closest(selector);

/** @type {(event: PointerEvent) => void} */
function onDown(event) {
  const box = around(event, ".srv-stage");
  if (!box || event.button !== 0 || around(event, ".srv-divider")) return;
  box.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, spot(event, box));
  if (state.masking) {
    beginStroke(spot(event, box));
    return;
  }
  swipe = pointers.size === 1 ? { dx: 0, dy: 0 } : null;
  if (state.lens && event.pointerType === "touch") moveLens(spot(event, box));
}

/** @type {(event: PointerEvent) => void} */
function onMove(event) {
  const box = around(event, ".srv-stage");
  if (!box) return;
  const before = pointers.get(event.pointerId);
  const now = spot(event, box);
  if (state.lens && (event.pointerType !== "touch" || pointers.size === 1)) moveLens(now);
  if (!before) return;
  if (pointers.size === 2) pinch(event.pointerId, now);
  else if (state.masking) continueStroke(before, now);
  else if (!(state.lens && event.pointerType === "touch")) drag(now.x - before.x, now.y - before.y, event.pointerType);
  pointers.set(event.pointerId, now);
}

/** @type {(at: Point | null) => void} */
function moveLens(at) {
  state.lensAt = at;
  schedule();
}

/** @type {(dx: number, dy: number, pointerType: string) => void} */
function drag(dx, dy, pointerType) {
  if (isZoomed()) pan(dx, dy);
  else if (isTwo()) setSplit(state.split + dx / state.stage.width);
  else if (state.narrow && swipe && pointerType === "touch") {
    swipe = { dx: swipe.dx + dx, dy: swipe.dy + dy };
    shiftFront(`${swipe.dx}px 0`);
  }
}

/** @type {(translate: string) => void} */
function shiftFront(translate) {
  const pane = panes.get(front() ?? "");
  if (pane) pane.stage.box.style.translate = translate;
}

/** @type {(movedId: number, now: Point) => void} */
function pinch(movedId, now) {
  const before = pointers.get(movedId);
  const other = [...pointers].find(([id]) => id !== movedId)?.[1];
  if (!before || !other) return;
  const { factor, middle, dx, dy } = geometry.pinch(before, now, other);
  zoomBy(factor, middle);
  pan(dx, dy);
}

/**
 * What was painted before the stroke that is being painted: a second finger takes that back, since it zooms.
 * @type {ImageData | null}
 */
let beforeStroke = null;

/** @type {(at: Point) => void} */
function beginStroke(at) {
  if (pointers.size === 1) {
    beforeStroke = masks.snapshot(painted);
    continueStroke(at, at);
  } else if (beforeStroke) {
    masks.restore(painted, beforeStroke);
    beforeStroke = null;
    describeMask();
    updateLimits();
  }
}

/** @type {(from: Point, to: Point) => void} In pixels of the stage. */
function continueStroke(from, to) {
  if (!beforeStroke) return;
  const shown = geometry.transform(state);
  const [a, b] = [from, to].map((at) => geometry.placeInPart(state, shown, at));
  masks.stroke(painted, a, b, state.brush, state.erasing);
  updateLimits();
}

function endStroke() {
  if (!beforeStroke) return;
  beforeStroke = null;
  maskChanged();
}

/** @type {(event: PointerEvent) => void} */
function onUp(event) {
  if (!pointers.delete(event.pointerId)) return;
  if (!pointers.size) endStroke();
  if (!swipe) return;
  const { dx, dy } = swipe;
  swipe = null;
  if (state.narrow) shiftFront("");
  const step = event.type === "pointerup" ? geometry.swipeStep(dx, dy) : 0;
  if (step) bringToFront(step);
}

/** @type {(event: PointerEvent) => void} */
function onLeave(event) {
  if (state.lens && event.pointerType !== "touch") moveLens(null); // a lifted finger leaves the lens where it was
}

// Ctrl + wheel (which is also the pinch of a touchpad) always zooms. The bare wheel does so once the viewer has the
// focus; turned further out than "fit" it scrolls the page again, after a pause, so that the pointer is never trapped.
let lastWheel = 0;
/** @type {(event: WheelEvent) => void} */
function onWheel(event) {
  const box = around(event, ".srv-stage");
  if (!box || !(event.ctrlKey || event.metaKey || root.classList.contains("srv-active"))) return;
  const pause = event.timeStamp - lastWheel > 400;
  if (event.deltaY > 0 && !event.ctrlKey && pause && placed().scale <= least() * 1.001) return;
  lastWheel = event.timeStamp;
  event.preventDefault();
  zoomBy(geometry.wheelFactor(event), spot(event, box));
}

/** @type {(event: MouseEvent) => void} */
function onDouble(event) {
  const box = around(event, ".srv-stage");
  if (box && !state.masking && !around(event, ".srv-divider")) zoomTo(state.scale === "fit" ? 1 : "fit", spot(event, box));
}

const STEP = 60;
/** @type {Record<string, () => void>} */
const KEYS = {
  "+": () => zoomBy(1.5), "=": () => zoomBy(1.5), "-": () => zoomBy(1 / 1.5),
  0: () => zoomTo("fit"), 1: () => zoomTo(1), 2: () => zoomTo(2), 4: () => zoomTo(4),
  l: () => setLens(!state.lens), L: () => setLens(!state.lens),
  m: () => setMasking(!state.masking), M: () => setMasking(!state.masking),
  i: () => adjust({ mapped: !state.mapped }), I: () => adjust({ mapped: !state.mapped }),
  f: showFaces, F: showFaces,
  ArrowLeft: () => pan(STEP, 0), ArrowRight: () => pan(-STEP, 0),
  ArrowUp: () => pan(0, STEP), ArrowDown: () => pan(0, -STEP),
  Escape: () => /** @type {HTMLElement | null} */ (focused())?.blur(),
};

/** @type {(event: KeyboardEvent) => void} */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || around(event, "select, input")) return;
  const isArrow = event.key.startsWith("Arrow");
  if (isArrow && state.narrow && !isTwo() && !isZoomed() && /Left|Right/.test(event.key)) {
    bringToFront(event.key === "ArrowRight" ? 1 : -1);
  } else if (!Object.hasOwn(KEYS, event.key) || (isArrow && !isZoomed())) return; // arrows scroll the page then
  else KEYS[event.key]();
  event.preventDefault();
}

/** @type {(event: KeyboardEvent) => void} */
function onDividerKey(event) {
  const large = event.shiftKey ? 0.1 : 0.01;
  /** @type {Record<string, number>} */
  const steps = {
    ArrowLeft: -large, ArrowDown: -large, ArrowRight: large, ArrowUp: large, PageDown: -0.1, PageUp: 0.1,
  };
  /** @type {Record<string, number>} */
  const ends = { Home: 0, End: 1 };
  if (event.key in steps) setSplit(state.split + steps[event.key]);
  else if (event.key in ends) setSplit(ends[event.key]);
  else return;
  event.preventDefault();
  event.stopPropagation(); // arrows on the divider move the divider, not the images
}

/** @type {(event: PointerEvent) => void} */
function onDividerMove(event) {
  if (slider.divider.hasPointerCapture(event.pointerId)) {
    setSplit(spot(event, slider.stage.box).x / state.stage.width);
    event.stopPropagation();
  }
}

area.addEventListener("pointerdown", onDown);
area.addEventListener("pointermove", onMove);
area.addEventListener("pointerup", onUp);
area.addEventListener("pointercancel", onUp);
area.addEventListener("pointerleave", onLeave);
area.addEventListener("dblclick", onDouble);
area.addEventListener("focusin", refreshHint);
area.addEventListener("focusout", () => queueMicrotask(refreshHint));
area.addEventListener("wheel", onWheel, { passive: false });
// Without this, Chromium takes a moved image for a flung page and swallows the next tap, wherever that is.
area.addEventListener("touchmove", (event) => {
  if (event.cancelable && pointers.size && (isZoomed() || state.masking)) event.preventDefault();
}, { passive: false });
root.addEventListener("keydown", onKey);
slider.divider.addEventListener("keydown", onDividerKey);
slider.divider.addEventListener("pointerdown", (event) => slider.divider.setPointerCapture(event.pointerId));
slider.divider.addEventListener("pointermove", onDividerMove);

function onResize() {
  const narrow = root.clientWidth > 0 && root.clientWidth < NARROW;
  root.classList.toggle("srv-narrow", narrow);
  if (narrow === state.narrow) layout();
  else change({ narrow });
}

// One frame later: laying out changes the height of what is observed, which the browser would call an endless loop.
new ResizeObserver(() => requestAnimationFrame(onResize)).observe(root);
watch("value", receive);
receive();
