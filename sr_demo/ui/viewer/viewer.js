// The comparison viewer. Gradio runs this file as the body of a function with `element`, `props` and `watch`, once for
// each viewer on the page, so everything below is private to one viewer.
//
// One view for all: a picture is laid out at its full size (`full`, in CSS pixels) in every stage, and every stage has
// the same size, so one transform, computed once, fits all of them. Moving touches nothing but that transform.
//
//   scale   CSS pixels on the screen per pixel of the full-size result; "fit" follows the size of the stage
//   centre  the spot in the middle of the stage, as fractions of the picture
//   stage   the box a picture is seen through;  layer: a picture in it (the slider has two, one above the other)
//
// Data reaches the page through textContent and attributes only: labels may hold anything a file name can.
// There are no listeners outside `root`, so nothing is left behind when Gradio takes the element away.

const root = element.querySelector(".srv");
const LARGEST_SCALE = 16;
const GAP = 12;
const NARROW = 560;
const LEAST_PANE = 260;
const SWIPE = 48;
const ZOOM_BUTTONS = [["fit", "Fit", "0"], [1, "1:1", "1"], [2, "2×", null], [4, "4×", null]];
const HINTS = {
  idle: "Click a picture and the wheel zooms, Ctrl + wheel does at once. Drag to move, double-click for 1:1. "
    + "Keys: + − 0 1 L and arrows.",
  active: "The wheel zooms; Esc gives it back to the page. Drag to move, double-click for 1:1. "
    + "Keys: + − 0 1 L and arrows.",
  touch: "Pinch to zoom, drag to move, swipe for the next picture.",
  touchTwo: "Pinch to zoom. Drag the line, or anywhere while the picture fits.",
  names: " Click two names to compare them.",
  one: "Choose a second name to compare the two.",
};

const state = {
  pictures: [], full: { width: 1, height: 1 }, stage: { width: 1, height: 1 },
  scale: "fit", centre: { x: 0.5, y: 0.5 },
  mode: "grid", wanted: [null, null], marked: null, front: null, narrow: false,
  lens: false, lensAt: null, difference: false, split: 0.5,
};
const panes = new Map(); // id -> pane, kept from one value to the next so that no picture is loaded twice

// --------------------------------------------------------------------------------------------------- small helpers

const clamp = (number, low, high) => Math.min(Math.max(number, low), high);

function make(tag, className, attributes = {}, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, content] of Object.entries(attributes)) node.setAttribute(name, content);
  node.append(...children);
  return node;
}

function button(text, className, attributes, onClick) {
  const node = make("button", className, { type: "button", ...attributes }, text);
  node.addEventListener("click", onClick);
  return node;
}

function iconLink(className, path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, content] of [["viewBox", "0 0 16 16"], ["aria-hidden", "true"]]) svg.setAttribute(name, content);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return make("a", `srv-link ${className}`, {}, svg);
}

function press(node, on) {
  node.setAttribute("aria-pressed", String(on));
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = !text;
}

// --------------------------------------------------------------------------------------------- what is shown where

const pictureOf = (id) => state.pictures.find((picture) => picture.id === id);
const hasDifference = () => state.pictures.some((picture) => picture.difference_url);
const showsDifference = (picture) => state.difference && Boolean(picture.difference_url);
const shownUrl = (picture) => (showsDifference(picture) ? picture.difference_url : picture.url);
const isTwo = () => state.mode === "two" && state.pictures.length > 1;
const fileName = (picture) => (picture.id.replace(/[^\w.-]+/g, "-").replace(/^[-.]+|-+$/g, "") || "picture")
  + (showsDifference(picture) ? "-difference.png" : ".png");

// The pair people asked for, or what comes closest while some of it has not arrived yet.
function pair() {
  const ids = state.pictures.map((picture) => picture.id);
  const [first, second] = state.wanted.map((id) => (ids.includes(id) ? id : null));
  const a = first ?? ids.find((id) => id !== second);
  return [a, second ?? ids.find((id) => id !== a)];
}

function front() {
  return pictureOf(state.front)?.id ?? state.pictures[0]?.id;
}

// ----------------------------------------------------------------------------------------------- zoom and position

const fitScale = () => Math.min(state.stage.width / state.full.width, state.stage.height / state.full.height);
const least = () => Math.min(fitScale(), 1);

// Scale and centre as they can be shown in the present stage. State itself is not changed by a smaller or larger stage:
// going to the slider and back returns to the same spot.
function placed() {
  const scale = state.scale === "fit" ? fitScale() : clamp(state.scale, least(), LARGEST_SCALE);
  const inside = (at, stage, full) => {
    const half = stage / (2 * full * scale);
    return half >= 0.5 ? 0.5 : clamp(at, half, 1 - half);
  };
  return {
    scale,
    x: inside(state.centre.x, state.stage.width, state.full.width),
    y: inside(state.centre.y, state.stage.height, state.full.height),
  };
}

const isZoomed = () => placed().scale > fitScale() * 1.001;

// Zoom so that the spot under `point` (pixels of the stage) stays where it is.
function zoomTo(wish, point = { x: state.stage.width / 2, y: state.stage.height / 2 }) {
  const now = placed();
  const scale = clamp(wish === "fit" ? fitScale() : wish, least(), LARGEST_SCALE);
  const off = { x: point.x - state.stage.width / 2, y: point.y - state.stage.height / 2 };
  state.centre = {
    x: now.x + (off.x / state.full.width) * (1 / now.scale - 1 / scale),
    y: now.y + (off.y / state.full.height) * (1 / now.scale - 1 / scale),
  };
  state.scale = Math.abs(scale / fitScale() - 1) < 0.001 ? "fit" : scale;
  schedule();
}

function pan(dx, dy) {
  const now = placed();
  state.centre = {
    x: now.x - dx / (state.full.width * now.scale),
    y: now.y - dy / (state.full.height * now.scale),
  };
  schedule();
}

// -------------------------------------------------------------------------------------------------- stage and pane

function makeStage(count) {
  const box = make("div", "srv-stage");
  const layers = Array.from({ length: count }, () => {
    const picture = make("img", "srv-picture", { draggable: "false" });
    const magnified = make("img", "srv-picture", { draggable: "false", alt: "" });
    const failure = make("p", "srv-failure", { hidden: "" }, "This picture could not be loaded.");
    picture.addEventListener("load", () => { failure.hidden = true; });
    picture.addEventListener("error", () => { failure.hidden = false; });
    box.append(make("div", "srv-layer", {}, picture, failure));
    return { picture, magnified };
  });
  const lens = make("div", "srv-lens", { "aria-hidden": "true", hidden: "" });
  for (const { magnified } of layers) lens.append(make("div", "srv-layer", {}, magnified));
  box.append(lens);
  return { box, layers, lens };
}

function fillLayer({ picture, magnified }, shown) {
  const url = shownUrl(shown);
  if (picture.getAttribute("src") !== url) picture.src = url; // an equal address must not start a new load
  picture.alt = showsDifference(shown) ? `Difference to the truth. ${shown.alt}` : shown.alt;
  if (state.lens && magnified.getAttribute("src") !== url) magnified.src = url;
  for (const node of [picture, magnified]) {
    node.style.width = `${state.full.width}px`;
    node.style.height = `${state.full.height}px`;
  }
}

// Name, links, scores and note of one picture: once in every pane, twice below the slider.
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
  const head = make("div", "srv-head", {}, label, tag, make("span", "srv-links", {}, save, open));
  const scores = make("span", "srv-scores");
  const note = make("span", "srv-note");
  const foot = make("figcaption", "srv-foot", {}, scores, note);
  return { head, foot, label, mark, name, tag, save, open, scores, note };
}

function fillPlate(plate, picture, mark) {
  const difference = showsDifference(picture);
  write(plate.mark, mark);
  write(plate.name, picture.label);
  write(plate.tag, difference ? "difference" : picture.truth ? "the truth" : "");
  write(plate.scores, picture.scores);
  write(plate.note, picture.note);
  plate.name.title = picture.label;
  const what = difference ? `the difference picture of ${picture.label}` : picture.label;
  for (const [link, text] of [[plate.save, `Download ${what} as PNG`], [plate.open, `Open ${what} in full size`]]) {
    link.href = difference ? picture.difference_url : picture.download_url || picture.url;
    link.title = text;
    link.setAttribute("aria-label", text);
  }
  plate.save.download = fileName(picture);
}

function makePane(id) {
  const stage = makeStage(1);
  const plate = makePlate(() => markForPair(id));
  plate.label.title = "Compare two: choose this one and another";
  return { stage, plate, figure: make("figure", "srv-pane", {}, plate.head, stage.box, plate.foot) };
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
  title: scale === "fit" ? "Show the whole picture" : `${scale} screen pixel${scale > 1 ? "s" : ""} for each pixel`,
  ...(key ? { "aria-keyshortcuts": key } : {}),
}, () => zoomTo(scale)));
const stepButton = (sign, name, key, factor) => button(sign, "srv-button", {
  "aria-label": name, "aria-keyshortcuts": key,
}, () => zoomBy(factor));
const zoomOut = stepButton("−", "Zoom out", "-", 1 / 1.5);
const zoomIn = stepButton("+", "Zoom in", "+", 1.5);
const level = make("span", "srv-level");
const lensButton = button("Lens", "srv-button", { "aria-keyshortcuts": "L", title: "Magnify the same spot everywhere" },
  () => setLens(!state.lens));
const differenceButton = button("Difference", "srv-button", {}, () => change({ difference: !state.difference }));
differenceButton.append(make("span", "srv-long", {}, " to the truth"));
const gridButton = button("All", "srv-button", {}, () => change({ mode: "grid" }));
const twoButton = button("Compare two", "srv-button", {}, () => change({ mode: "two", marked: null }));
const selects = [0, 1].map((side) => {
  const name = side ? "Picture on the right, B" : "Picture on the left, A";
  const node = make("select", "srv-select", { "aria-label": name });
  node.addEventListener("change", () => choose(side, node.value));
  return node;
});
const swapButton = button("Swap", "srv-button", { title: "Exchange left and right" },
  () => change({ wanted: pair().reverse() }));
const pairBar = make("div", "srv-group", {}, selects[0], swapButton, selects[1]);
const bar = make("div", "srv-bar", { role: "group", "aria-label": "View" },
  make("div", "srv-group srv-joined", {}, ...zoomButtons),
  make("div", "srv-group srv-joined srv-steps", {}, zoomOut, zoomIn), level,
  lensButton, differenceButton, make("div", "srv-group srv-joined srv-modes", {}, gridButton, twoButton), pairBar);
const chips = make("div", "srv-chips", { role: "group", "aria-label": "Picture in front" });
const slider = makeSlider();
const grid = make("div", "srv-grid");
const area = make("div", "srv-area", {
  tabindex: "0", role: "group", "aria-label": "Pictures: plus and minus zoom, arrow keys move all of them together",
}, grid, slider.figure);
const hint = make("p", "srv-hint");
const live = make("p", "srv-live", { role: "status", "aria-live": "polite" });
const empty = make("p", "srv-empty");
root.replaceChildren(empty, bar, chips, area, hint, live);

// --------------------------------------------------------------------------------------------- changes of the view

function change(changes) {
  Object.assign(state, changes);
  refresh();
}

function zoomBy(factor, point) {
  zoomTo(placed().scale * factor, point);
}

// The lens starts in the middle, so that it is of use without a pointer too.
function setLens(on) {
  change({ lens: on, lensAt: on ? { x: state.stage.width / 2, y: state.stage.height / 2 } : null });
  announce(on ? "Lens on" : "Lens off");
}

function markForPair(id) {
  if (state.marked === id) change({ marked: null });
  else if (state.marked === null) change({ marked: id });
  else {
    change({ mode: "two", wanted: [state.marked, id], marked: null });
    slider.divider.focus({ preventScroll: true }); // the clicked name is gone: keep the keyboard inside the viewer
  }
}

function choose(side, id) {
  const now = pair();
  if (now[1 - side] === id) now.reverse();
  else now[side] = id;
  change({ wanted: now });
}

function setSplit(split) {
  state.split = clamp(split, 0, 1);
  schedule();
}

function bringToFront(step) {
  const ids = state.pictures.map((picture) => picture.id);
  const next = clamp(ids.indexOf(front()) + step, 0, ids.length - 1);
  change({ front: ids[next] });
  announce(pictureOf(ids[next]).label);
}

let announcement = 0;
function announce(text) {
  clearTimeout(announcement); // a turn of the wheel is many steps: say where it ended
  announcement = setTimeout(() => { live.textContent = text; }, 300);
}

// -------------------------------------------------------------------------------------- from state to the document

// A new value. The same first picture means the same comparison with one more result: the view stays as it is.
function receive() {
  const value = props.value && typeof props.value === "object" ? props.value : {};
  const pictures = value.pictures ?? [];
  if (pictures[0]?.url !== state.pictures[0]?.url) {
    Object.assign(state, { scale: "fit", centre: { x: 0.5, y: 0.5 }, marked: null, front: null });
  }
  const width = Math.max(1, ...pictures.map((picture) => picture.width));
  const largest = pictures.find((picture) => picture.width === width) ?? { width: 1, height: 1 };
  if (state.scale !== "fit") state.scale *= state.full.width / width; // a larger result must not move the others
  state.full = { width, height: largest.height };
  state.pictures = pictures;
  write(empty, pictures.length ? "" : value.empty || "Nothing to show yet.");
  refresh();
}

function refresh() {
  const some = state.pictures.length > 0;
  for (const node of [bar, area]) node.hidden = !some;
  refreshPanes();
  refreshSlider();
  refreshBar();
  refreshChips();
  layout();
}

function refreshPanes() {
  const ids = state.pictures.map((picture) => picture.id);
  for (const [id, pane] of panes) if (!ids.includes(id)) { pane.figure.remove(); panes.delete(id); }
  state.pictures.forEach((picture, index) => {
    if (!panes.has(picture.id)) panes.set(picture.id, makePane(picture.id));
    const { figure, stage, plate } = panes.get(picture.id);
    if (grid.children[index] !== figure) grid.insertBefore(figure, grid.children[index] ?? null);
    figure.hidden = state.narrow && picture.id !== front();
    fillLayer(stage.layers[0], picture);
    fillPlate(plate, picture, state.marked === picture.id ? "A" : "");
    press(plate.label, state.marked === picture.id);
    plate.label.disabled = state.pictures.length < 2;
  });
  grid.hidden = isTwo();
}

function refreshSlider() {
  slider.figure.hidden = !isTwo();
  if (!isTwo()) return;
  pair().map(pictureOf).forEach((picture, side) => {
    fillLayer(slider.stage.layers[side], picture);
    fillPlate(slider.plates[side], picture, side ? "B" : "A");
  });
}

function refreshBar() {
  const pictures = state.pictures;
  press(lensButton, state.lens);
  press(differenceButton, state.difference && hasDifference());
  differenceButton.hidden = !hasDifference();
  press(gridButton, !isTwo());
  press(twoButton, isTwo());
  twoButton.disabled = pictures.length < 2;
  pairBar.hidden = !isTwo();
  selects.forEach((node, side) => {
    fillList(node, ({ id, label }) => make("option", "", { value: id }, label));
    node.value = pair()[side] ?? "";
  });
  refreshHint();
}

// One child for each picture. Those that are right already stay, and with them focus, scroll position and an open menu.
function fillList(parent, makeItem) {
  state.pictures.forEach((picture, index) => {
    const old = parent.children[index];
    if (old?.dataset.id === picture.id && old.textContent === picture.label) return;
    const item = makeItem(picture);
    item.dataset.id = picture.id;
    if (old) old.replaceWith(item);
    else parent.append(item);
  });
  while (parent.children.length > state.pictures.length) parent.lastElementChild.remove();
}

function refreshHint() {
  const active = area.contains(area.getRootNode().activeElement);
  root.classList.toggle("srv-active", active);
  const touch = isTwo() ? HINTS.touchTwo : HINTS.touch;
  const mouse = (active ? HINTS.active : HINTS.idle) + (isTwo() ? "" : HINTS.names);
  write(hint, !state.pictures.length ? "" : state.marked ? HINTS.one : state.narrow ? touch : mouse);
}

function refreshChips() {
  chips.hidden = !state.narrow || isTwo() || state.pictures.length < 2;
  fillList(chips, ({ id, label }) => button(label, "srv-button srv-chip", {}, () => change({ front: id })));
  for (const chip of chips.children) {
    const inFront = chip.dataset.id === front();
    press(chip, inFront);
    if (inFront && !chips.hidden) { // scroll the row only, never the page
      chips.scrollLeft = chip.offsetLeft - (chips.clientWidth - chip.offsetWidth) / 2;
    }
  }
}

// ---------------------------------------------------------------------------------------------------------- layout

// Columns that show the pictures largest without growing much beyond one screen; fewest rows among about equals.
function bestGrid(count, width, height, ratio) {
  const options = [];
  for (let columns = 1; columns <= Math.min(count, Math.max(1, Math.floor(width / LEAST_PANE))); columns += 1) {
    const rows = Math.ceil(count / columns);
    const paneWidth = (width - GAP * (columns - 1)) / columns;
    const share = Math.max(height / rows - 64, Math.min(240, paneWidth));
    const paneHeight = Math.min(paneWidth / ratio, share);
    const shown = Math.min(paneWidth, paneHeight * ratio);
    options.push({ columns, rows, width: paneWidth, height: paneHeight, shown });
  }
  const largest = Math.max(...options.map((option) => option.shown));
  const good = options.filter((option) => option.shown >= 0.92 * largest);
  return good.reduce((best, option) => (option.rows < best.rows ? option : best));
}

function layout() {
  const width = root.clientWidth;
  if (!width || !state.pictures.length) return; // in a tab that is not open: laid out when it is
  const screen = clamp(window.innerHeight, 500, 1100);
  const ratio = state.full.width / state.full.height;
  let box = { columns: 1, width, height: Math.min(width / ratio, Math.max(screen * 0.72, 240)) };
  if (!state.narrow && !isTwo()) box = bestGrid(state.pictures.length, width, screen - 150, ratio);
  state.stage = { width: box.width, height: Math.round(box.height) };
  root.style.setProperty("--srv-columns", box.columns);
  root.style.setProperty("--srv-stage", `${state.stage.height}px`);
  schedule();
}

let frame = 0;
function schedule() {
  frame ||= requestAnimationFrame(() => { frame = 0; draw(); });
}

function visibleStages() {
  if (isTwo()) return [slider.stage];
  const shown = state.narrow ? [front()] : [...panes.keys()];
  return shown.filter((id) => panes.has(id)).map((id) => panes.get(id).stage);
}

function draw() {
  const { scale, x, y } = placed();
  // Whole pixels: a picture at 1:1 or 2x then lies exactly on the raster of the screen.
  const left = Math.round(state.stage.width / 2 - x * state.full.width * scale);
  const top = Math.round(state.stage.height / 2 - y * state.full.height * scale);
  const transform = `translate(${left}px, ${top}px) scale(${scale})`;
  for (const stage of visibleStages()) {
    for (const { picture } of stage.layers) picture.style.transform = transform;
  }
  root.classList.toggle("srv-pixels", scale > 1.001);
  root.classList.toggle("srv-zoomed", isZoomed());
  root.classList.toggle("srv-magnifying", state.lens);
  drawLens({ scale, left, top });
  if (isTwo()) drawSplit();
  drawLevel(scale);
}

function drawLens({ scale, left, top }) {
  const radius = Math.round(clamp(0.27 * Math.min(state.stage.width, state.stage.height), 48, 110));
  const strength = Math.max(2, 2 * scale);
  for (const { lens, layers } of visibleStages()) {
    lens.hidden = !(state.lens && state.lensAt);
    if (lens.hidden) continue;
    const at = state.lensAt;
    lens.style.width = lens.style.height = `${2 * radius}px`;
    lens.style.transform = `translate(${Math.round(at.x - radius)}px, ${Math.round(at.y - radius)}px)`;
    const move = (point, start) => Math.round(radius - ((point - start) / scale) * strength);
    for (const { magnified } of layers) {
      magnified.style.transform = `translate(${move(at.x, left)}px, ${move(at.y, top)}px) scale(${strength})`;
    }
  }
}

function drawSplit() {
  const edge = state.split * state.stage.width;
  const { box, lens } = slider.stage;
  box.style.setProperty("--srv-edge", `${edge}px`);
  if (state.lensAt) { // the lens is divided where the picture is
    lens.style.setProperty("--srv-edge", `${Math.max(0, edge - state.lensAt.x + lens.offsetWidth / 2)}px`);
  }
  const percent = Math.round(state.split * 100);
  const [a, b] = pair().map((id) => pictureOf(id).label);
  slider.divider.setAttribute("aria-valuenow", percent);
  slider.divider.setAttribute("aria-valuetext", `${percent} percent ${a}, ${100 - percent} percent ${b}`);
  slider.divider.setAttribute("aria-label", `Divider between ${a} and ${b}`);
}

function drawLevel(scale) {
  const percent = `${Math.round(scale * 100)} %`;
  if (level.textContent !== percent) {
    if (level.textContent) announce(`Zoom ${state.scale === "fit" ? "fit, " : ""}${Math.round(scale * 100)} percent`);
    level.textContent = percent;
  }
  ZOOM_BUTTONS.forEach(([wish], index) => {
    const on = wish === "fit" ? state.scale === "fit" : state.scale !== "fit" && Math.abs(scale / wish - 1) < 0.001;
    press(zoomButtons[index], on);
  });
  zoomOut.disabled = scale <= least() * 1.001;
  zoomIn.disabled = scale >= LARGEST_SCALE * 0.999;
}

// ---------------------------------------------------------------------------------------- pointer, wheel, keyboard

const pointers = new Map(); // pointerId -> where it is, in pixels of its stage
let swipe = null;

function spot(event, box) {
  const rect = box.getBoundingClientRect();
  return { x: event.clientX - rect.left, y: event.clientY - rect.top };
}

function onDown(event) {
  const box = event.target.closest(".srv-stage");
  if (!box || event.button !== 0 || event.target.closest(".srv-divider")) return;
  box.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, { ...spot(event, box), box });
  swipe = pointers.size === 1 ? { dx: 0, dy: 0 } : null;
  if (state.lens && event.pointerType === "touch") moveLens(spot(event, box));
}

function onMove(event) {
  const box = event.target.closest(".srv-stage");
  if (!box) return;
  const before = pointers.get(event.pointerId);
  const now = spot(event, box);
  if (state.lens && (event.pointerType !== "touch" || pointers.size === 1)) moveLens(now);
  if (!before) return;
  if (pointers.size === 2) pinch(event.pointerId, now);
  else if (!(state.lens && event.pointerType === "touch")) drag(now.x - before.x, now.y - before.y, event.pointerType);
  pointers.set(event.pointerId, { ...now, box });
}

function moveLens(at) {
  state.lensAt = at;
  schedule();
}

function drag(dx, dy, pointerType) {
  if (isZoomed()) pan(dx, dy);
  else if (isTwo()) setSplit(state.split + dx / state.stage.width);
  else if (state.narrow && swipe && pointerType === "touch") {
    swipe = { dx: swipe.dx + dx, dy: swipe.dy + dy };
    panes.get(front()).stage.box.style.translate = `${swipe.dx}px 0`;
  }
}

function pinch(movedId, now) {
  const [other] = [...pointers].filter(([id]) => id !== movedId).map(([, point]) => point);
  const before = pointers.get(movedId);
  const spread = (point) => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
  const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
  zoomBy(spread(now) / spread(before), middle);
  pan((now.x - before.x) / 2, (now.y - before.y) / 2);
}

function onUp(event) {
  if (!pointers.delete(event.pointerId) || !swipe) return;
  const { dx, dy } = swipe;
  swipe = null;
  if (state.narrow && panes.has(front())) panes.get(front()).stage.box.style.translate = "";
  const meant = event.type === "pointerup" && Math.abs(dx) > SWIPE && Math.abs(dx) > Math.abs(dy);
  if (meant) bringToFront(dx < 0 ? 1 : -1);
}

function onLeave(event) {
  if (state.lens && event.pointerType !== "touch") moveLens(null); // a lifted finger leaves the lens where it was
}

// Ctrl + wheel (which is also the pinch of a touchpad) always zooms. The bare wheel does so once the viewer has the
// focus; turned further out than "fit" it scrolls the page again, after a pause, so that nobody is caught in here.
let lastWheel = 0;
function onWheel(event) {
  const box = event.target.closest(".srv-stage");
  if (!box || !(event.ctrlKey || event.metaKey || root.classList.contains("srv-active"))) return;
  const pause = event.timeStamp - lastWheel > 400;
  if (event.deltaY > 0 && !event.ctrlKey && pause && placed().scale <= least() * 1.001) return;
  lastWheel = event.timeStamp;
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 24 : 1;
  const fine = event.ctrlKey && Math.abs(event.deltaY) < 50; // touchpads send small steps
  zoomBy(Math.exp(-clamp(event.deltaY * lines, -200, 200) * (fine ? 0.01 : 0.0022)), spot(event, box));
}

function onDouble(event) {
  const box = event.target.closest(".srv-stage");
  if (box && !event.target.closest(".srv-divider")) zoomTo(state.scale === "fit" ? 1 : "fit", spot(event, box));
}

const STEP = 60;
const KEYS = {
  "+": () => zoomBy(1.5), "=": () => zoomBy(1.5), "-": () => zoomBy(1 / 1.5),
  0: () => zoomTo("fit"), 1: () => zoomTo(1), 2: () => zoomTo(2), 4: () => zoomTo(4),
  l: () => setLens(!state.lens), L: () => setLens(!state.lens),
  ArrowLeft: () => pan(STEP, 0), ArrowRight: () => pan(-STEP, 0),
  ArrowUp: () => pan(0, STEP), ArrowDown: () => pan(0, -STEP),
  Escape: () => area.getRootNode().activeElement.blur(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  const isArrow = event.key.startsWith("Arrow");
  if (isArrow && state.narrow && !isTwo() && !isZoomed() && /Left|Right/.test(event.key)) {
    bringToFront(event.key === "ArrowRight" ? 1 : -1);
  } else if (!Object.hasOwn(KEYS, event.key) || (isArrow && !isZoomed())) return; // arrows scroll the page then
  else KEYS[event.key]();
  event.preventDefault();
}

function onDividerKey(event) {
  const large = event.shiftKey ? 0.1 : 0.01;
  const steps = {
    ArrowLeft: -large, ArrowDown: -large, ArrowRight: large, ArrowUp: large, PageDown: -0.1, PageUp: 0.1,
  };
  const ends = { Home: 0, End: 1 };
  if (event.key in steps) setSplit(state.split + steps[event.key]);
  else if (event.key in ends) setSplit(ends[event.key]);
  else return;
  event.preventDefault();
  event.stopPropagation(); // arrows on the divider move the divider, not the pictures
}

function onDividerMove(event) {
  if (slider.divider.hasPointerCapture(event.pointerId)) {
    setSplit(spot(event, slider.stage.box).x / state.stage.width);
    event.stopPropagation();
  }
}

for (const [type, listener] of [["pointerdown", onDown], ["pointermove", onMove], ["pointerup", onUp],
  ["pointercancel", onUp], ["pointerleave", onLeave], ["dblclick", onDouble], ["focusin", refreshHint],
  ["focusout", () => queueMicrotask(refreshHint)]]) area.addEventListener(type, listener);
area.addEventListener("wheel", onWheel, { passive: false });
// Without this, Chromium takes a moved picture for a flung page and swallows the next tap, wherever that is.
area.addEventListener("touchmove", (event) => {
  if (event.cancelable && pointers.size && isZoomed()) event.preventDefault();
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
