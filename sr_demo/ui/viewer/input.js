// Pointers, wheel and keyboard.

/** @type {Map<number, Point>} By pointerId: where it is, in pixels of `firstStage`, so that fingers on two stages can pinch. */
const pointers = new Map();
/** @type {Element} The stage that the first pointer is on. */
let firstStage = root;
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
  if (!pointers.size) firstStage = box;
  pointers.set(event.pointerId, spot(event, firstStage));
  if (state.masking) {
    beginStroke(spot(event, box));
    return;
  }
  swipe = pointers.size === 1 ? { dx: 0, dy: 0 } : null;
  if (!swipe) shiftFront(""); // a second finger pinches
  if (state.lens && event.pointerType === "touch") moveLens(spot(event, box));
}

/** @type {(event: PointerEvent) => void} */
function onMove(event) {
  const box = around(event, ".srv-stage");
  if (!box) return;
  if (event.pointerType === "mouse" && !event.buttons) pointers.delete(event.pointerId); // released where nothing was heard of it
  const before = pointers.get(event.pointerId);
  if (state.lens && (event.pointerType !== "touch" || pointers.size === 1)) moveLens(spot(event, box));
  if (!before) return;
  const now = spot(event, firstStage);
  if (pointers.size === 2) pinch(event.pointerId, now);
  else if (state.masking) continueStroke(before, now);
  else if (!(state.lens && event.pointerType === "touch")) drag(now.x - before.x, now.y - before.y, event.pointerType);
  pointers.set(event.pointerId, now);
}

/** Forget the pointers on a stage that is removed: it never hears of their release. */
function releasePointers() {
  pointers.clear();
  swipe = null;
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
  if (/^[mif]$/i.test(event.key) && !canAdjust()) return;
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
