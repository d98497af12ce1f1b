// What the viewer shows, and what follows from it. Everything is private to one viewer: see `viewer.js`.

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
 *   masking: boolean, erasing: boolean, brush: number, boxed: boolean, faces: Part[] | null, opens: boolean,
 *   adjusted?: Adjusted }} State  `faces`: of this run; null where they were not requested yet. `opens`: the scale of a new
 *   scene is chosen once the size of the stages is known.
 * @typedef {{ detail: number, mapped: boolean, number: number, reference?: boolean, spread?: boolean, mask_url?: string,
 *   faces_url?: string }} Adjusted
 * @typedef {Pick<State, "scale" | "centre" | "full" | "wanted" | "front">} SavedView
 */

const root = /** @type {HTMLElement} */ (element.querySelector(".srv"));
const NARROW = 560; // CSS pixels; a phone
/** @type {[Scale, string, string | null][]} */
const ZOOM_BUTTONS = [["fit", say("viewer_fit"), "0"], ["part", say("viewer_part"), null], [1, "1:1", "1"], [2, "2×", null], [4, "4×", null]];
const HINTS = {
  idle: say(props.savable ? "viewer_hint_idle" : "viewer_hint_idle_fixed"),
  active: say(props.savable ? "viewer_hint_active" : "viewer_hint_active_fixed"),
  touch: say("viewer_hint_touch"),
  touchTwo: say("viewer_hint_touch_two"),
  one: say("viewer_hint_one"),
};

/** @type {State} */
const state = {
  images: [], full: { width: 1, height: 1 }, stage: { width: 1, height: 1 },
  scale: "fit", centre: { x: 0.5, y: 0.5 },
  mode: "grid", wanted: [null, null], opening: [null, null], marked: null, front: null, narrow: false,
  lens: false, lensAt: null, difference: false, split: 0.5, example: false,
  scene: "", part: null, detail: 1, mapped: false, run: "", requested: 0,
  masking: false, erasing: false, brush: 0.08, boxed: false, faces: null, opens: false,
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

/** What the images were last adjusted to. */
const adjusted = () => state.adjusted;
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
