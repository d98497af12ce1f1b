// Keeps the keyboard where it was: a button that is disabled or hidden by its own press hands the focus on.
{
  /** @type {Record<string, string[]>} By id: which controls take the focus, one after the other, once the one before has lost it. */
  const NEXT = {
    compare: ["#stop", "#compare"], "whole-photo": ["#stop", "#compare"], stop: ["#compare"],
    "tick-these": ["#advice summary"], "share-link": ["#share-unlink"], "share-unlink": ["#share-link"],
  };
  /** @type {Element | null} The button that has opened the menu for saving. */
  let opener = null;

  /** @type {(node: Element | null) => node is HTMLElement} */
  const isUsable = (node) => node instanceof HTMLElement && node.isConnected && node.offsetParent !== null && !node.matches(":disabled");

  /** @type {(from: Element, find: () => Element | null, then?: () => void) => void} Wait until nothing has the focus that `from` had. */
  const handOn = (from, find, then = () => {}) => {
    const active = document.activeElement;
    const isLost = active === document.body || (active === from && !isUsable(from));
    if (!isLost && active !== from) return; // the visitor went on
    const next = find();
    if (isLost && isUsable(next)) {
      next.focus({ preventScroll: true });
      then();
    } else setTimeout(handOn, 100, from, find, then);
  };

  /** @type {(from: Element, names: string[]) => void} The first that can be used: where a run is refused, Stop never can. */
  const along = (from, names) => {
    const find = () => names.map((name) => document.querySelector(name)).find(isUsable) ?? null;
    handOn(from, find, () => {
      const now = /** @type {Element} */ (document.activeElement);
      const rest = names.slice(names.findIndex((name) => now.matches(name)) + 1);
      if (rest.length) along(now, rest);
    });
  };

  document.addEventListener("click", ({ target }) => {
    const pressed = target instanceof Element ? target.closest("button") : null;
    if (!pressed?.matches(":focus-visible")) return; // by a pointer
    if (pressed.id in NEXT) along(pressed, NEXT[pressed.id]);
    else if (pressed.id === "save-close") handOn(pressed, () => opener);
    else if (pressed.matches(".srv-as")) {
      opener = pressed;
      const enter = (/** @type {number} */ tries) => {
        const first = document.querySelector("#save-format input:checked");
        if (document.activeElement !== pressed) return;
        if (isUsable(first)) first.focus();
        else if (tries) setTimeout(enter, 100, tries - 1);
      };
      enter(100);
    }
  }, true);
}
