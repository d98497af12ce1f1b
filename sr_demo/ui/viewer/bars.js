// The other controls, the frame that all of it stands in, and what people change there.

/** @type {(scale: number) => string} How large a pixel is on this screen, of which a CSS pixel may take several. */
function scaleTitle(scale) {
  const pixels = Math.round(100 * scale * devicePixelRatio) / 100;
  return say(pixels === 1 ? "viewer_true_title" : "viewer_scale_title", { scale: pixels });
}

const zoomButtons = ZOOM_BUTTONS.map(([scale, text, key]) => button(text, "srv-button", {
  title: scale === "fit" ? say("viewer_fit_title") : scale === "part" ? say("viewer_part_title") : scaleTitle(scale),
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

/** @type {[string, string][]} Keys, and what they do. */
const HELP_KEYS = [
  ["+ −", say("viewer_key_zoom")], ["0", say("viewer_fit_title")], ["1 2 4", "1:1, 2×, 4×"], ["← ↑ → ↓", say("viewer_key_move")],
  ["L", say("viewer_lens")],
  .../** @type {[string, string][]} */ (props.savable ? [["M", say("viewer_mask")], ["I", say("viewer_map")], ["F", say("viewer_faces")]] : []),
];
const help = make("details", "srv-help", {},
  make("summary", "srv-button", { "aria-label": say("viewer_help"), title: say("viewer_help") }, "?"),
  make("div", "srv-help-box", {}, make("p", "", {}, say("viewer_hint_names")),
    make("dl", "", {}, ...HELP_KEYS.flatMap(([key, what]) => [make("dt", "", {}, make("kbd", "", {}, key)), make("dd", "", {}, what)]))));
help.addEventListener("focusout", ({ relatedTarget }) => { // a click elsewhere, or Escape
  if (!(relatedTarget instanceof Node && help.contains(relatedTarget))) help.open = false;
});
lensButton.after(help);

const chips = make("div", "srv-chips", { role: "group", "aria-label": say("viewer_chips") });
const slider = makeSlider();
const grid = make("div", "srv-grid");
const area = make("div", "srv-area", {
  tabindex: "0", role: "group", "aria-label": say("viewer_area"),
}, grid, slider.figure);
const hint = make("p", "srv-hint");
const live = make("p", "srv-live", { role: "status", "aria-live": "polite" });
const empty = make("p", "srv-empty");
const screenHeight = make("div", "srv-screen", { "aria-hidden": "true" }); // as high as the window: observed, since `root` is not
root.replaceChildren(empty, bar, adjustBar, chips, area, hint, live, screenHeight);

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

let announcement = 0;
/** @type {(text: string) => void} */
function announce(text) {
  clearTimeout(announcement); // a turn of the wheel is many steps: say where it ended
  announcement = setTimeout(() => { live.textContent = text; }, 300);
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

const focused = () => /** @type {Document | ShadowRoot} */ (area.getRootNode()).activeElement;

function refreshHint() {
  const active = area.contains(focused());
  root.classList.toggle("srv-active", active);
  const touch = isTwo() ? HINTS.touchTwo : HINTS.touch;
  const mouse = active ? HINTS.active : HINTS.idle; // one line each: what lies below must not move with the focus
  hint.style.visibility = ready().length ? "" : "hidden"; // of no use yet, but in its place
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
