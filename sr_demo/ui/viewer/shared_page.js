// The script of a comparison in a file of its own (`shared_page.py`). In front of it stand the viewer and the table's
// sorting, as `runViewer` and `runTable`, and what translates the rest, as `runTranslation`: the texts that run on the page, with what Gradio would hand to them.
{
  /** @type {(id: string) => HTMLElement} */
  const part = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

  /**
   * An address for the bytes of a `data:` address. Browsers open and save such files, and compare their short addresses.
   * @type {(data: string) => string}
   */
  const addressOf = (data) => {
    const letters = atob(data.slice(data.indexOf(",") + 1));
    const bytes = new Uint8Array(letters.length);
    for (let index = 0; index < letters.length; index += 1) bytes[index] = letters.charCodeAt(index);
    return URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
  };

  const value = JSON.parse(part("comparison").textContent ?? "");
  for (const image of value.images) {
    image.url = addressOf(/** @type {HTMLImageElement} */ (part(image.url.slice(1))).src); // "#image-0"
  }
  part("images").remove();
  part("viewer").hidden = false;
  runViewer(part("viewer"), { value }, () => {});
  if (document.getElementById("table")) runTable(part("table"), {}, () => {});
  runTranslation();
}
