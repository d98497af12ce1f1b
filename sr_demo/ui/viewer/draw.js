// Sizes and positions of what is there.

function layout() {
  const width = root.clientWidth;
  if (!width || !state.images.length) return; // in a tab that is not open: laid out when it is
  const ratio = state.full.width / state.full.height;
  const found = geometry.layOut(state.images.length, width, window.innerHeight, ratio, state.narrow || isTwo());
  state.stage = { width: found.width, height: found.height };
  if (state.opens && !state.narrow && !isTwo()) state.scale = geometry.opening(state); // a phone swipes, and shows one at a time
  state.opens = false;
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
  root.classList.toggle("srv-pixels", shown.scale * devicePixelRatio > 1.001);
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
    if (typeof wish === "number") zoomButtons[index].title = scaleTitle(wish);
  });
  zoomOut.disabled = scale <= least() * 1.001;
  zoomIn.disabled = scale >= geometry.LARGEST_SCALE * 0.999;
}
