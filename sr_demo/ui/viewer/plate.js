// Names, links and scores: in the panes of the grid, and below the slider.

/**
 * Name, links, scores and note of one image: once in every pane, twice below the slider.
 * @param {() => void} [onName]
 * @returns {Plate}
 */
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
  const as = button(say("viewer_save_as"), "srv-button srv-as", { "aria-haspopup": "true" },
    () => trigger("select", { url: save.getAttribute("href"), label: name.title }));
  const head = make("div", "srv-head", {}, label, tag, make("span", "srv-links", {}, as, save, open));
  const scores = make("span", "srv-scores");
  const note = make("span", "srv-note");
  const foot = make("figcaption", "srv-foot", {}, scores, note);
  return { head, foot, label, mark, name, tag, as, save, open, scores, note };
}

/**
 * How much of the photo an image shows, where they differ in that; the first one is the photo itself.
 * @type {(image: ViewerImage) => string}
 */
function extent({ url, part }) {
  if (!state.part || !url) return "";
  if (!part) return say("viewer_of_whole");
  const photo = state.images[0];
  const size = `${Math.round(part[2] * photo.width)} × ${Math.round(part[3] * photo.height)}`;
  return say("viewer_of_part", { size });
}

/** @type {(plate: Plate, image: ViewerImage, mark: string) => void} */
function fillPlate(plate, image, mark) {
  const difference = showsDifference(image);
  write(plate.mark, mark);
  write(plate.name, image.label);
  write(plate.tag, difference ? say("viewer_tag_difference") : "");
  write(plate.scores, image.scores);
  write(plate.note, [extent(image), image.note].filter(Boolean).join("; "));
  plate.name.title = image.label;
  plate.save.hidden = plate.open.hidden = !image.url;
  plate.as.hidden = !image.url || !props.savable || state.example;
  if (!image.url) return;
  const what = difference ? say("viewer_difference_of", { name: image.label }) : image.label;
  for (const { link, text } of [
    { link: plate.save, text: say("viewer_download", { name: what }) }, { link: plate.open, text: say("viewer_open", { name: what }) },
  ]) {
    link.href = difference ? image.difference_url : image.download_url || image.url;
    link.title = text;
    link.setAttribute("aria-label", text);
  }
  plate.save.download = fileName(image);
  // Until the file has the detail that is shown, nothing is saved.
  plate.as.disabled = image.invents && waits();
  for (const link of [plate.save, plate.open]) link.hidden ||= plate.as.disabled;
  plate.as.title = say("viewer_save_as_title");
  plate.as.setAttribute("aria-label", say("viewer_save_as_name", { name: what }));
}

/** @type {(id: string) => Pane} */
function makePane(id) {
  const stage = makeStage(1);
  const plate = makePlate(() => markForPair(id));
  plate.label.title = say("viewer_mark");
  const pane = { stage, plate, figure: make("figure", "srv-pane", {}, plate.head, stage.box, plate.foot) };
  panes.set(id, pane);
  return pane;
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
