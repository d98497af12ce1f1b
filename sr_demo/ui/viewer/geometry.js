// Pure geometry of the comparison viewer: numbers in, numbers out, no document.
//
// `viewer.py` puts this text in front of `viewer.js`, because scripts of Gradio components have no imports. Everything is
// wrapped, so that `geometry` is the only name it adds to that function body.
//
//   full    size of a result in CSS pixels at scale 1
//   stage   size of the box an image is seen through
//   scale   CSS pixels on the screen per pixel of the result; "fit" and "part" follow the size of the stage
//   part    what some results show of the image; null where all show the whole
//   centre  the spot in the middle of the stage, as fractions of the image

/**
 * @typedef {{ x: number, y: number }} Point
 * @typedef {{ width: number, height: number }} Size
 * @typedef {number | "fit" | "part"} Scale
 * @typedef {[number, number, number, number]} Part  Left, top, width and height of a part, as fractions of the image.
 * @typedef {{ scale: Scale, centre: Point, stage: Size, full: Size, part: Part | null }} View
 * @typedef {{ scale: number, x: number, y: number }} Placement  Scale and centre as they can be shown.
 * @typedef {{ scale: number, left: number, top: number }} Transform  Corner of the image in pixels of the stage.
 * @typedef {{ columns: number, width: number, height: number }} Grid  Number of columns, and the size of one stage.
 * @typedef {string | null | undefined} Id
 */

const geometry = (() => {
  const LARGEST_SCALE = 16;
  const GAP = 12;
  const LEAST_PANE = 260;
  const LEAST_STAGE = 160; // of a panorama, so that handle, lens and messages fit
  const PANE_TEXT = 64; // height of name and scores around a stage
  const SWIPE = 48;
  const PART_SHARE = 0.92; // of the stage, so that what lies around the part is seen

  /** @type {(number: number, low: number, high: number) => number} */
  const clamp = (number, low, high) => Math.min(Math.max(number, low), high);

  /**
   * The scale at which the whole image fits into the stage.
   * @param {Size} stage
   * @param {Size} full
   */
  const fitScale = (stage, full) => Math.min(stage.width / full.width, stage.height / full.height);

  /**
   * The scale at which the part fills the stage; all of the image without one.
   * @param {Size} stage
   * @param {Size} full
   * @param {Part | null} part
   */
  const partScale = (stage, full, part) => (!part ? fitScale(stage, full)
    : PART_SHARE * fitScale(stage, { width: full.width * part[2], height: full.height * part[3] }));

  /**
   * The middle of the part, or of the image.
   * @param {Part | null} part
   * @returns {Point}
   */
  const middle = (part) => (part ? { x: part[0] + part[2] / 2, y: part[1] + part[3] / 2 } : { x: 0.5, y: 0.5 });

  /**
   * The smallest scale people can zoom out to: all of the image, or 1:1 where it is smaller than the stage.
   * @param {Size} stage
   * @param {Size} full
   */
  const leastScale = (stage, full) => Math.min(fitScale(stage, full), 1);

  /**
   * The scale a comparison opens with: what fits into the stage, but 1:1 where that would hide how the results differ.
   * @param {View} view
   * @returns {Scale}
   */
  function opening(view) {
    const whole = view.part ? "part" : "fit";
    return place({ ...view, scale: whole }).scale < 1 ? 1 : whole;
  }

  /**
   * Scale and centre as they can be shown in the present stage, so that no stage is emptier than it must be.
   * @param {View} view
   * @returns {Placement}
   */
  function place({ scale: wish, centre, stage, full, part }) {
    const scale = wish === "fit" ? fitScale(stage, full)
      : clamp(wish === "part" ? partScale(stage, full, part) : wish, leastScale(stage, full), LARGEST_SCALE);
    /** @type {(at: number, seen: number, all: number) => number} */
    const inside = (at, seen, all) => {
      const half = seen / (2 * all * scale);
      return half >= 0.5 ? 0.5 : clamp(at, half, 1 - half);
    };
    return { scale, x: inside(centre.x, stage.width, full.width), y: inside(centre.y, stage.height, full.height) };
  }

  /**
   * Zoom so that the spot under `point` (pixels of the stage) stays where it is.
   * @param {View} view
   * @param {Scale} wish
   * @param {Point} [point]  the middle of the stage if left out
   * @returns {{ scale: Scale, centre: Point }}
   */
  function zoom(view, wish, point) {
    if (wish === "part") return { scale: wish, centre: middle(view.part) };
    const { stage, full } = view;
    const now = place(view);
    const fit = fitScale(stage, full);
    const scale = wish === "fit" ? fit : clamp(wish, leastScale(stage, full), LARGEST_SCALE);
    const at = point ?? { x: stage.width / 2, y: stage.height / 2 };
    const change = 1 / now.scale - 1 / scale;
    return {
      scale: wish === "fit" || Math.abs(scale / fit - 1) < 0.001 ? "fit" : scale,
      centre: {
        x: now.x + ((at.x - stage.width / 2) / full.width) * change,
        y: now.y + ((at.y - stage.height / 2) / full.height) * change,
      },
    };
  }

  /**
   * The centre after the image was moved by `dx`, `dy` pixels of the stage.
   * @param {View} view
   * @param {number} dx
   * @param {number} dy
   * @returns {Point}
   */
  function pan(view, dx, dy) {
    const now = place(view);
    return { x: now.x - dx / (view.full.width * now.scale), y: now.y - dy / (view.full.height * now.scale) };
  }

  /**
   * Whether the image is larger than it is when fitted.
   * @param {View} view
   */
  const isZoomed = (view) => place(view).scale > fitScale(view.stage, view.full) * 1.001;

  /**
   * Where the image lies in the stage: at whole pixels, so that at 1:1 or 2x it meets the raster of the screen.
   * @param {View} view
   * @returns {Transform}
   */
  function transform(view) {
    const { scale, x, y } = place(view);
    return {
      scale,
      left: Math.round(view.stage.width / 2 - x * view.full.width * scale),
      top: Math.round(view.stage.height / 2 - y * view.full.height * scale),
    };
  }

  /**
   * Which spot of the part, or of the image, lies under a point of the stage, as fractions of it.
   * @param {View} view
   * @param {Transform} shown
   * @param {Point} at
   * @returns {Point}
   */
  function placeInPart({ full, part }, shown, at) {
    const [left, top, width, height] = part ?? [0, 0, 1, 1];
    return {
      x: ((at.x - shown.left) / (full.width * shown.scale) - left) / width,
      y: ((at.y - shown.top) / (full.height * shown.scale) - top) / height,
    };
  }

  /**
   * The lens over `at` (pixels of the stage): its radius, and where the magnified image lies in it.
   * @param {Size} stage
   * @param {Transform} shown  of the image below the lens
   * @param {Point} at
   * @returns {{ radius: number, strength: number, left: number, top: number }}
   */
  function lens(stage, shown, at) {
    const radius = Math.round(clamp(0.27 * Math.min(stage.width, stage.height), 48, 110));
    const strength = Math.max(2, 2 * shown.scale);
    /** @type {(point: number, start: number) => number} */
    const move = (point, start) => Math.round(radius - ((point - start) / shown.scale) * strength);
    return { radius, strength, left: move(at.x, shown.left), top: move(at.y, shown.top) };
  }

  /**
   * Columns that show `count` images largest without growing much beyond one screen; the fewest rows among about equals.
   * @param {number} count
   * @param {number} width  of all columns together, pixels
   * @param {number} height  that the rows should not exceed by much, pixels
   * @param {number} ratio  width / height of the images
   * @returns {Grid}
   */
  function bestGrid(count, width, height, ratio) {
    const options = [];
    const most = Math.min(count, Math.max(1, Math.floor(width / LEAST_PANE)));
    for (let columns = 1; columns <= most; columns += 1) {
      const rows = Math.ceil(count / columns);
      const paneWidth = (width - GAP * (columns - 1)) / columns;
      const share = Math.max(height / rows - PANE_TEXT, Math.min(240, paneWidth));
      const paneHeight = Math.min(Math.max(paneWidth / ratio, LEAST_STAGE), share);
      options.push({ columns, rows, width: paneWidth, height: paneHeight, shown: Math.min(paneWidth, paneHeight * ratio) });
    }
    const largest = Math.max(...options.map((option) => option.shown));
    const good = options.filter((option) => option.shown >= 0.92 * largest);
    const { columns, width: paneWidth, height: paneHeight } = good.reduce(
      (best, option) => (option.rows < best.rows ? option : best),
    );
    return { columns, width: paneWidth, height: paneHeight };
  }

  /**
   * The grid of a viewer `width` pixels wide, in a window `windowHeight` pixels high.
   * @param {number} count  images side by side; 1 on a phone and under the slider
   * @param {number} width
   * @param {number} windowHeight
   * @param {number} ratio  width / height of the images
   * @param {boolean} single  one stage over the whole width
   * @returns {Grid}
   */
  function layOut(count, width, windowHeight, ratio, single) {
    const screen = clamp(windowHeight, 500, 1100);
    const grid = single
      ? { columns: 1, width, height: Math.min(Math.max(width / ratio, LEAST_STAGE), Math.max(screen * 0.51, 240)) }
      : bestGrid(count, width, screen - 190, ratio);
    return { ...grid, height: Math.round(grid.height) };
  }

  /**
   * The size that all images are laid out at: that of the widest, so that the others show the same spot. A part counts as
   * large as the whole of which it is one.
   * @param {(Size & { part?: Part | null })[]} images
   * @returns {Size}
   */
  function fullSize(images) {
    const sizes = images.map(({ width, height, part }) => (
      part ? { width: Math.round(width / part[2]), height: Math.round(height / part[3]) } : { width, height }));
    const width = Math.max(1, ...sizes.map((size) => size.width));
    const largest = sizes.find((size) => size.width === width);
    return { width, height: largest ? largest.height : 1 };
  }

  /**
   * The selected pair, or what comes closest to it while some of it has not arrived yet.
   * @param {string[]} ids  of all images, in order
   * @param {Id[]} wanted  two ids
   * @returns {Id[]}
   */
  function pair(ids, wanted) {
    const [first, second] = wanted.map((id) => (id && ids.includes(id) ? id : null));
    const a = first ?? ids.find((id) => id !== second);
    return [a, second ?? ids.find((id) => id !== a)];
  }

  /**
   * The pair after `id` was chosen for one side; a choice of the other side's image swaps the two.
   * @param {Id[]} now
   * @param {number} side  0 or 1
   * @param {string} id
   * @returns {Id[]}
   */
  function pairWith(now, side, id) {
    if (now[1 - side] === id) return [...now].reverse();
    return side ? [now[0], id] : [id, now[1]];
  }

  /**
   * The image `step` places after `id`; the ends of the row hold.
   * @param {string[]} ids
   * @param {Id} id
   * @param {number} step
   */
  const neighbour = (ids, id, step) => ids[clamp(ids.indexOf(id ?? "") + step, 0, ids.length - 1)];

  /**
   * Factor of the zoom, and movement, of two fingers of which one went from `before` to `now`.
   * @param {Point} before
   * @param {Point} now
   * @param {Point} other  the finger that rests
   */
  function pinch(before, now, other) {
    /** @type {(point: Point) => number} */
    const spread = (point) => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
    return {
      factor: spread(now) / spread(before),
      middle: { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 },
      dx: (now.x - before.x) / 2,
      dy: (now.y - before.y) / 2,
    };
  }

  /**
   * Factor of the zoom for one event of the wheel. Touchpads send small steps with Ctrl held.
   * @param {{ deltaY: number, deltaMode: number, ctrlKey: boolean }} event
   */
  function wheelFactor({ deltaY, deltaMode, ctrlKey }) {
    const lines = deltaMode === 1 ? 24 : 1;
    const fine = ctrlKey && Math.abs(deltaY) < 50;
    return Math.exp(-clamp(deltaY * lines, -200, 200) * (fine ? 0.01 : 0.0022));
  }

  /**
   * Which way a finger swiped that moved by `dx`, `dy`: 1 to the next image, -1 to the one before, 0 for neither.
   * @param {number} dx
   * @param {number} dy
   */
  function swipeStep(dx, dy) {
    if (Math.abs(dx) <= SWIPE || Math.abs(dx) <= Math.abs(dy)) return 0;
    return dx < 0 ? 1 : -1;
  }

  return Object.freeze({
    LARGEST_SCALE, clamp, fitScale, leastScale, place, middle, opening, zoom, pan, isZoomed, transform, placeInPart, lens, bestGrid, layOut, fullSize,
    pair, pairWith, neighbour, pinch, wheelFactor, swipeStep,
  });
})();
