// Lets the boxes for pictures take any file, dropped or chosen.
//
// Gradio's own front end refuses by the type that the browser guesses from the extension, with a toast of its own: HEIC
// photos too, which many browsers do not know. What a file is, the server finds out from its content. A drop onto a picture
// that is there would moreover clear it first, and lose it where the new file is none; a chosen file does not.

const BOX = '[data-testid="image"]';

/** @param {FileList} files @returns {FileList} the same files, all of a type that Gradio's front end passes on */
function typed(files) {
  const transfer = new DataTransfer();
  for (const file of files) {
    transfer.items.add(file.type.startsWith("image/") ? file : new File([file], file.name, { type: "image/x-unknown" }));
  }
  return transfer.files;
}

/** @param {EventTarget | null} target @returns {Element | null} */
function boxOf(target) {
  return target instanceof Element ? target.closest(BOX) : null;
}

document.addEventListener("change", (event) => {
  const input = event.target;
  if (input instanceof HTMLInputElement && input.type === "file" && input.files?.length && boxOf(input)) {
    input.files = typed(input.files);
  }
}, true);

document.addEventListener("drop", (event) => {
  const input = boxOf(event.target)?.querySelector("input[type=file]");
  if (!(input instanceof HTMLInputElement) || !event.dataTransfer?.files.length) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const first = new DataTransfer();
  first.items.add(event.dataTransfer.files[0]);
  input.files = first.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}, true);
