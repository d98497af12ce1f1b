// Less detail, the map, the mask and faces: their controls, what they request, and what the server replies.

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

/**
 * Another comparison starts with all detail, or as it was left; of the same one only the newest request counts.
 * @param {string} run
 * @param {Adjusted | undefined} found
 */
function receiveAdjusted(run, found) {
  state.adjusted = found;
  if (run === state.run && (found?.number ?? 0) < state.requested) return;
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

/** The files of what is shown were deleted: show what was last received, which nothing can change any more (`canAdjust`). */
function giveUp() {
  clearTimeout(requesting);
  const { detail, mapped, number } = adjusted() ?? { detail: 1, mapped: false, number: 0 };
  change({ detail, mapped, requested: number, masking: false, boxed: false });
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
  adjustBar.hidden = state.example || !props.savable || !state.images.length; // there before it is of use: it would push the images down
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
