// Shows the whole address of a shared comparison, and copies it. `element` outlives every new link.
{
  const link = () => /** @type {HTMLAnchorElement | null} */ (element.querySelector("a"));

  element.addEventListener("click", async (event) => {
    const button = /** @type {Element} */ (event.target).closest("button");
    const shared = link();
    if (!button || !shared) return;
    try {
      await navigator.clipboard.writeText(shared.href);
      button.textContent = say("copied");
    } catch { // not allowed, or a page without https: mark it, so that one key press copies it
      getSelection()?.selectAllChildren(shared);
    }
  });

  const complete = () => {
    for (const shared of element.querySelectorAll("a")) shared.textContent = shared.href;
  };
  // The document follows the value one frame later.
  watch("value", () => requestAnimationFrame(complete));
}
