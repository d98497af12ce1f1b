// The comparison viewer. Gradio runs this text, with the other scripts in front of it (`viewer.py`), as the body of a function
// with `element`, `props` and `watch`, once for each viewer on the page: everything is private to one viewer.
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
 * Show another scene as it was left, or whole; or at 1:1 around `at` where the whole would be shown reduced.
 * @param {string} scene
 * @param {[number, number] | null} at
 */
function changeScene(scene, at) {
  const { scale, centre, full, wanted, front } = state;
  views.set(state.scene, { scale, centre, full, wanted, front });
  /** @type {SavedView} */
  const fitted = {
    scale: state.part ? "part" : "fit", centre: at ? { x: at[0], y: at[1] } : geometry.middle(state.part), full, wanted: state.mode === "grid" ? [null, null] : wanted, front: null,
  };
  const left = views.get(scene);
  Object.assign(state, { scene, marked: null, opens: Boolean(at && !left), ...(left ?? fitted) });
  dropPanes(() => true); // else those of the other scene would move to where the new ones are
}

/** @type {(isGone: (id: string) => boolean) => void} */
function dropPanes(isGone) {
  for (const [id, pane] of panes) if (isGone(id)) { pane.figure.remove(); panes.delete(id); releasePointers(); }
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
  if (value.gone) return giveUp();
  const images = (value.images ?? []).map(inWords);
  const isSame = (images[0]?.url ?? "") === state.run;
  // Replies may come in another order than requests.
  if (isSame && (value.adjusted?.number ?? 0) < (adjusted()?.number ?? 0)) {
    if (value.faces) change({ faces: value.faces });
    return;
  }
  if (Boolean(value.example) !== state.example) {
    Object.assign(state, { example: Boolean(value.example), mode: value.example ? "two" : "grid", wanted: [null, null] });
  }
  state.opening = [value.pair?.[0] ?? null, value.pair?.[1] ?? null];
  state.part = images.find((/** @type {ViewerImage} */ image) => image.part)?.part ?? null;
  const scene = value.scene || images[0]?.url || "";
  if (scene !== state.scene) changeScene(scene, value.centre ?? null);
  if (!isSame) Object.assign(state, { boxed: false, faces: null });
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
  dropPanes((id) => !ids().includes(id));
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

function onResize() {
  const narrow = root.clientWidth > 0 && root.clientWidth < NARROW;
  root.classList.toggle("srv-narrow", narrow);
  if (narrow !== state.narrow) (narrow ? hint : chips).before(adjustBar); // on a phone below the image, which it would push out of sight
  if (narrow === state.narrow) layout();
  else change({ narrow });
}

// One frame later: laying out changes the height of what is observed, which the browser would call an endless loop.
const sizes = new ResizeObserver(() => requestAnimationFrame(onResize));
for (const node of [root, screenHeight]) sizes.observe(node);
watch("value", receive);
receive();
