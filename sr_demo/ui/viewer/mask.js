// A mask that people paint in the comparison viewer: where nothing may be invented. Canvases in, canvases out.
//
// `viewer.py` puts this text between `geometry.js` and `viewer.js`; like there, `masks` is the only name it adds.
//
//   master  a small canvas, as wide or high as SIDE, that is opaque white where people have painted, else transparent
//   faces   how much detail is allowed in faces and elsewhere, for each pixel of the master; null where none are kept
//
// Places are fractions of the image that the methods were given: { x: 0, y: 0 } is its upper left corner.

/**
 * @typedef {{ left: number, top: number, width: number, height: number }} Rectangle
 * @typedef {{ canvas: HTMLCanvasElement, pen: CanvasRenderingContext2D, empty: boolean }} Master
 */

const masks = (() => {
  const SIDE = 512;

  /** @type {(canvas: HTMLCanvasElement) => CanvasRenderingContext2D} */
  const penOf = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));

  /** @type {(width: number, height: number) => { canvas: HTMLCanvasElement, pen: CanvasRenderingContext2D }} */
  function sheet(width, height) {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    return { canvas, pen: penOf(canvas) };
  }

  /** @type {() => Master} */
  const make = () => ({ ...sheet(1, 1), empty: true });

  /**
   * Give the master the shape of an image; what was painted is gone where that changes.
   * @type {(master: Master, ratio: number) => void}
   */
  function fit(master, ratio) {
    const width = Math.max(Math.round(ratio < 1 ? SIDE * ratio : SIDE), 1);
    const height = Math.max(Math.round(ratio < 1 ? SIDE : SIDE / ratio), 1);
    if (master.canvas.width === width && master.canvas.height === height) return;
    Object.assign(master.canvas, { width, height });
    master.empty = true;
  }

  /** @type {(master: Master) => void} */
  function clear({ canvas, pen }) {
    pen.clearRect(0, 0, canvas.width, canvas.height);
  }

  /** @type {(master: Master) => Uint8ClampedArray} */
  const pixels = ({ canvas, pen }) => pen.getImageData(0, 0, canvas.width, canvas.height).data;

  /**
   * What share of the image is painted, and with that whether anything is.
   * @type {(master: Master) => number}
   */
  function share(master) {
    const data = pixels(master);
    let sum = 0;
    for (let index = 3; index < data.length; index += 4) sum += data[index];
    master.empty = !sum;
    return sum / (255 * (data.length / 4));
  }

  /** @type {(master: Master, erase: boolean, draw: () => void) => void} */
  function paint(master, erase, draw) {
    const { pen } = master;
    pen.globalCompositeOperation = erase ? "destination-out" : "source-over";
    pen.fillStyle = pen.strokeStyle = "#fff";
    draw();
    pen.globalCompositeOperation = "source-over";
    if (!erase) master.empty = false;
  }

  /**
   * A stroke of a round brush, whose width is a fraction of the longer side of the image.
   * @type {(master: Master, from: Point, to: Point, brush: number, erase: boolean) => void}
   */
  function stroke(master, from, to, brush, erase) {
    const { canvas, pen } = master;
    paint(master, erase, () => {
      pen.lineWidth = Math.max(brush * Math.max(canvas.width, canvas.height), 2);
      pen.lineCap = "round";
      pen.beginPath();
      pen.moveTo(from.x * canvas.width, from.y * canvas.height);
      pen.lineTo(to.x * canvas.width, to.y * canvas.height);
      pen.stroke();
    });
  }

  /** @type {(master: Master, rectangle: Rectangle, erase: boolean) => void} */
  function fill(master, { left, top, width, height }, erase) {
    const { canvas, pen } = master;
    paint(master, erase, () => (
      pen.fillRect(left * canvas.width, top * canvas.height, width * canvas.width, height * canvas.height)
    ));
  }

  /** @type {(master: Master) => ImageData} */
  const snapshot = ({ canvas, pen }) => pen.getImageData(0, 0, canvas.width, canvas.height);

  /** @type {(master: Master, before: ImageData) => void} */
  const restore = ({ pen }, before) => pen.putImageData(before, 0, 0);

  /**
   * White on black, as the server takes it; "" where nothing is painted.
   * @type {(master: Master) => string}
   */
  function address(master) {
    if (master.empty) return "";
    const { canvas, pen } = sheet(master.canvas.width, master.canvas.height);
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(master.canvas, 0, 0);
    return canvas.toDataURL("image/png");
  }

  /** @type {(url: string) => Promise<HTMLImageElement>} */
  async function loaded(url) {
    const image = new Image();
    image.src = url;
    await image.decode();
    return image;
  }

  /**
   * The brightness of an image for each pixel of the master, 0 to 1.
   * @type {(master: Master, image: HTMLImageElement) => Float32Array}
   */
  function brightness(master, image) {
    const { canvas, pen } = sheet(master.canvas.width, master.canvas.height);
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
    return Float32Array.from({ length: data.length / 4 }, (_, index) => data[4 * index] / 255);
  }

  /**
   * Paint what `address` has made.
   * @type {(master: Master, image: HTMLImageElement) => void}
   */
  function take(master, image) {
    const found = brightness(master, image);
    const { pen, canvas } = master;
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
    found.forEach((value, index) => data.set([255, 255, 255, Math.round(255 * value)], 4 * index));
    pen.putImageData(new ImageData(data, canvas.width, canvas.height), 0, 0);
    share(master);
  }

  /**
   * An image as opaque as detail is shown: at each pixel the lowest of the limits, which are the slider, the mask and faces.
   * @type {(master: Master, faces: Float32Array | null, detail: number) => string}
   */
  function shown(master, faces, detail) {
    const { canvas, pen } = sheet(master.canvas.width, master.canvas.height);
    const painted = pixels(master);
    const made = pen.createImageData(canvas.width, canvas.height);
    for (let index = 0; index < made.data.length / 4; index += 1) {
      const least = Math.min(detail, 1 - painted[4 * index + 3] / 255, faces ? faces[index] : 1);
      made.data[4 * index + 3] = Math.round(255 * least);
    }
    pen.putImageData(made, 0, 0);
    return canvas.toDataURL("image/png");
  }

  /**
   * Draw what is painted as stripes, which no photo has, and the rectangle that would be painted next.
   * @type {(master: Master, onto: HTMLCanvasElement, next: Rectangle | null) => void}
   */
  function show(master, onto, next) {
    const { width, height } = master.canvas;
    if (onto.width !== width || onto.height !== height) Object.assign(onto, { width, height });
    const pen = penOf(onto);
    pen.clearRect(0, 0, width, height);
    pen.globalCompositeOperation = "source-over";
    pen.drawImage(master.canvas, 0, 0);
    pen.globalCompositeOperation = "source-in";
    pen.fillStyle = pen.createPattern(stripes(), "repeat") ?? "#06c8";
    pen.fillRect(0, 0, width, height);
    pen.globalCompositeOperation = "source-over";
    if (!next) return;
    for (const [colour, offset] of /** @type {[string, number][]} */ ([["#000", 0], ["#fff", 6]])) {
      Object.assign(pen, { lineWidth: 2, strokeStyle: colour, lineDashOffset: offset });
      pen.setLineDash([6, 6]);
      pen.strokeRect(next.left * width, next.top * height, next.width * width, next.height * height);
    }
  }

  function stripes() {
    const { canvas, pen } = sheet(12, 12);
    pen.fillStyle = "rgb(0 90 200 / 45%)";
    pen.fillRect(0, 0, 12, 12);
    Object.assign(pen, { strokeStyle: "rgb(255 255 255 / 80%)", lineWidth: 2 });
    for (const start of [-12, 0, 12]) {
      pen.beginPath();
      pen.moveTo(start - 1, -1);
      pen.lineTo(start + 13, 13);
      pen.stroke();
    }
    return canvas;
  }

  return Object.freeze({
    make, fit, clear, share, stroke, fill, snapshot, restore, address, loaded, brightness, take, shown, show,
  });
})();
