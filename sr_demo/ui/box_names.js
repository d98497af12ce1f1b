// Names the boxes for pictures and files by their labels, for screen readers.
//
// Gradio gives every upload box the same name, "Click to upload or drop files", and the picture in a box an empty text
// alternative. Both are set again before anything else can see the change, whenever Gradio makes a part anew.

function nameBoxes() {
  for (const label of document.querySelectorAll('.block > [data-testid="block-label"]')) {
    const name = label.textContent?.trim() ?? "";
    const box = label.parentElement;
    if (!box || !name) continue;
    for (const [attribute, value] of [["role", "group"], ["aria-label", name]]) {
      if (box.getAttribute(attribute) !== value) box.setAttribute(attribute, value);
    }
    for (const control of box.querySelectorAll("button.upload-container, input[type=file]")) {
      const what = control.getAttribute("aria-label") ?? "";
      const named = `${name}: ${word(what.slice(what.lastIndexOf(": ") + 1).trim())}`; // without the name that it had before
      if (what !== named) control.setAttribute("aria-label", named);
    }
    for (const image of box.querySelectorAll("img[alt='']")) image.setAttribute("alt", name);
  }
}

new MutationObserver(nameBoxes).observe(document.body, {
  childList: true, subtree: true, attributes: true, attributeFilter: ["alt"],
});
nameBoxes();
