// Unit tests of the viewer's geometry, run by `tests/ui/test_viewer_script.py`: node --test viewer_geometry.test.mjs

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const source = readFileSync(new URL("../../sr_demo/ui/viewer/geometry.js", import.meta.url), "utf-8");
const geometry = new Function(`${source}\nreturn geometry;`)();

const full = { width: 800, height: 400 };
const stage = { width: 400, height: 300 };
const view = (changes = {}) => ({ scale: "fit", centre: { x: 0.5, y: 0.5 }, stage, full, part: null, ...changes });
const close = (actual, expected) => assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);

/** Which spot of the image, as fractions, lies under a point of the stage. */
function spotUnder(seen, point) {
  const { scale, x, y } = geometry.place(seen);
  return {
    x: x + (point.x - seen.stage.width / 2) / (seen.full.width * scale),
    y: y + (point.y - seen.stage.height / 2) / (seen.full.height * scale),
  };
}

test("the script adds one name to the function it runs in, and none to the page", () => {
  const before = Object.keys(globalThis).length;
  new Function(source)();
  assert.equal(Object.keys(globalThis).length, before);
  assert.ok(Object.isFrozen(geometry));
});

test("a fitted image is whole and in the middle", () => {
  assert.deepEqual(geometry.transform(view()), { scale: 0.5, left: 0, top: 50 });
  assert.equal(geometry.isZoomed(view()), false);
});

test("a comparison opens at 1:1 where whole images would be reduced, and whole where they are not", () => {
  assert.equal(geometry.opening(view()), 1, "800 x 400 in 400 x 300");
  assert.equal(geometry.opening(view({ full: { width: 400, height: 300 } })), "fit");
  assert.equal(geometry.opening(view({ full: { width: 100, height: 50 } })), "fit");
  assert.equal(geometry.opening(view({ part: [0.5, 0.25, 0.25, 0.5] })), "part", "200 x 200 pixels");
  assert.equal(geometry.opening(view({ full: { width: 8000, height: 4000 }, part: [0.5, 0.25, 0.25, 0.5] })), 1);
});

test("a part nearly fills the stage, with the rest of the image around it", () => {
  const part = [0.5, 0.25, 0.25, 0.5];
  const shown = view({ part, ...geometry.zoom(view({ part }), "part") });
  assert.deepEqual([shown.scale, shown.centre], ["part", { x: 0.625, y: 0.5 }]);
  close(geometry.place(shown).scale, 0.92 * (300 / 200));
  assert.equal(geometry.place(view({ scale: "part" })).scale, geometry.place(view()).scale, "without one it fits");
  assert.deepEqual(geometry.fullSize([{ width: 200, height: 200, part }, { width: 100, height: 50 }]), full);
});

test("a point of the stage is a spot of the image, or of the part that methods are given", () => {
  const at = { x: 100, y: 200 };
  const found = geometry.placeInPart(view(), geometry.transform(view()), at);
  assert.deepEqual(found, spotUnder(view(), at));
  const part = [0.25, 0.5, 0.5, 0.5];
  const inPart = geometry.placeInPart(view({ part }), geometry.transform(view()), at);
  assert.deepEqual(inPart, { x: (found.x - 0.25) / 0.5, y: (found.y - 0.5) / 0.5 });
});

test("scales are limited: below by all of the image or 1:1, above by the largest", () => {
  assert.equal(geometry.place(view({ scale: 0.01 })).scale, 0.5);
  assert.equal(geometry.place(view({ scale: 999 })).scale, geometry.LARGEST_SCALE);
  const small = { width: 10, height: 10 };
  assert.equal(geometry.leastScale(stage, small), 1);
  assert.equal(geometry.fitScale(stage, small), 30);
});

test("no side of the stage is empty while the image is larger than it", () => {
  const { x, y } = geometry.place(view({ scale: 1, centre: { x: -3, y: 7 } }));
  assert.deepEqual([x, y], [0.25, 1 - 300 / 800]);
  const flat = geometry.place(view({ scale: 0.6, centre: { x: 0, y: 0 } }));
  assert.equal(flat.y, 0.5, "lower than the stage: in the middle");
});

test("zooming keeps the spot under the pointer where it is", () => {
  const before = view({ scale: 2, centre: { x: 0.4, y: 0.6 } });
  const point = { x: 100, y: 220 };
  const after = { ...before, ...geometry.zoom(before, 5, point) };
  assert.equal(after.scale, 5);
  const [was, is] = [spotUnder(before, point), spotUnder(after, point)];
  close(is.x, was.x);
  close(is.y, was.y);
});

test("zooming without a pointer keeps the middle, and back to the fitted size it says fit", () => {
  const close4 = { ...view(), ...geometry.zoom(view(), 4) };
  assert.deepEqual(close4, view({ scale: 4 }));
  assert.equal(geometry.zoom(close4, 0.5).scale, "fit");
  assert.equal(geometry.zoom(close4, "fit").scale, "fit");
});

test("of an image smaller than the largest scale can fill the stage with, all is shown by fit", () => {
  const tiny = view({ full: { width: 2, height: 2 } });
  assert.equal(geometry.place(tiny).scale, 150);
  assert.equal(geometry.zoom({ ...tiny, scale: 16 }, "fit").scale, "fit");
});

test("panning moves the image by as many pixels as the pointer moved", () => {
  const before = view({ scale: 2 });
  const after = { ...before, centre: geometry.pan(before, 40, -30) };
  const [was, is] = [geometry.transform(before), geometry.transform(after)];
  assert.deepEqual([is.left - was.left, is.top - was.top], [40, -30]);
});

test("images at whole scales lie on the raster of the screen", () => {
  const { left, top } = geometry.transform(view({ scale: 1, centre: { x: 0.3337, y: 0.4441 } }));
  assert.ok(Number.isInteger(left) && Number.isInteger(top));
});

test("the lens shows the spot below its middle, at least twice as large", () => {
  const shown = geometry.transform(view({ scale: 1 }));
  const { radius, strength, left } = geometry.lens(stage, shown, { x: 120, y: 80 });
  assert.equal(strength, 2);
  assert.equal(radius, 81);
  const spot = (120 - shown.left) / shown.scale;
  assert.equal(left + spot * strength, radius);
  assert.equal(geometry.lens(stage, geometry.transform(view()), { x: 0, y: 0 }).strength, 2);
  assert.equal(geometry.lens({ width: 100, height: 100 }, shown, { x: 0, y: 0 }).radius, 48);
});

test("the grid shows images as large as it can, in few rows", () => {
  assert.equal(geometry.bestGrid(1, 1200, 700, 1).columns, 1);
  assert.equal(geometry.bestGrid(2, 1200, 700, 1).columns, 2);
  assert.equal(geometry.bestGrid(3, 1200, 700, 1).columns, 3);
  assert.equal(geometry.bestGrid(12, 1900, 800, 1).columns, 6);
  assert.equal(geometry.bestGrid(5, 259, 700, 1).columns, 1, "narrower than one pane");
  for (const count of [1, 2, 3, 7, 12, 40]) {
    const { columns, width, height } = geometry.bestGrid(count, 1000, 600, 1.5);
    assert.ok(columns >= 1 && columns <= count && width * columns <= 1000 && height > 0);
  }
});

test("one stage over the whole width is not higher than most of the window", () => {
  assert.deepEqual(geometry.layOut(3, 900, 1000, 0.5, true), { columns: 1, width: 900, height: 510 });
  assert.deepEqual(geometry.layOut(3, 900, 1000, 3, true), { columns: 1, width: 900, height: 300 });
  assert.equal(geometry.layOut(3, 1200, 900, 1, false).columns, 3);
});

test("a panorama leaves room for the handle and for messages", () => {
  for (const single of [true, false]) {
    assert.equal(geometry.layOut(3, 900, 1000, 80, single).height, 160);
    assert.equal(geometry.layOut(3, 900, 500, 80, single).height, 160);
  }
});

test("all images are laid out at the size of the widest", () => {
  assert.deepEqual(geometry.fullSize([]), { width: 1, height: 1 });
  assert.deepEqual(geometry.fullSize([{ width: 4, height: 9 }, { width: 8, height: 2 }]), { width: 8, height: 2 });
});

test("a pair is what was selected, or what comes closest while it has not arrived", () => {
  assert.deepEqual(geometry.pair(["a", "b", "c"], ["c", "a"]), ["c", "a"]);
  assert.deepEqual(geometry.pair(["a", "b"], [null, null]), ["a", "b"]);
  assert.deepEqual(geometry.pair(["a", "b"], ["c", "a"]), ["b", "a"]);
  assert.deepEqual(geometry.pair(["a", "b"], ["b", "c"]), ["b", "a"]);
  assert.deepEqual(geometry.pair(["a"], [null, null]), ["a", undefined]);
});

test("choosing the other side's image swaps the two", () => {
  assert.deepEqual(geometry.pairWith(["a", "b"], 0, "b"), ["b", "a"]);
  assert.deepEqual(geometry.pairWith(["a", "b"], 1, "c"), ["a", "c"]);
  assert.deepEqual(geometry.pairWith(["a", "b"], 0, "c"), ["c", "b"]);
});

test("the ends of the row hold", () => {
  const ids = ["a", "b", "c"];
  assert.deepEqual([geometry.neighbour(ids, "a", 1), geometry.neighbour(ids, "c", 1)], ["b", "c"]);
  assert.equal(geometry.neighbour(ids, "a", -1), "a");
});

test("two fingers zoom by how far they spread, around their middle", () => {
  const pinch = geometry.pinch({ x: 10, y: 0 }, { x: 20, y: 0 }, { x: 0, y: 0 });
  assert.deepEqual(pinch, { factor: 2, middle: { x: 10, y: 0 }, dx: 5, dy: 0 });
});

test("the wheel zooms in upwards, and a touchpad as far as its small steps say", () => {
  const wheel = (deltaY, more = {}) => geometry.wheelFactor({ deltaY, deltaMode: 0, ctrlKey: false, ...more });
  assert.ok(wheel(-100) > 1 && wheel(100) < 1);
  close(wheel(-100) * wheel(100), 1);
  assert.equal(wheel(-1000), wheel(-200), "one event has a limit");
  assert.ok(wheel(-3, { deltaMode: 1 }) > wheel(-3), "lines are longer than pixels");
  assert.ok(wheel(-10, { ctrlKey: true }) > wheel(-10));
});

test("a swipe is long and more sideways than not", () => {
  assert.deepEqual(
    [geometry.swipeStep(-60, 10), geometry.swipeStep(60, 10), geometry.swipeStep(-40, 0), geometry.swipeStep(-60, 70)],
    [1, -1, 0, 0],
  );
});
