// Translates a document that is drawn as HTML (`marked`, `attribute` and `word` in `__init__.py`), now and whenever it changes.
// `text.js` stands in front of it.

/**
 * `before` runs before each translation. Returns what translates everything again, for words that have come since.
 * @type {(before: () => void) => () => void}
 */
const translateDocument = (before) => {
  const ATTRIBUTES = ["title", "aria-label", "alt"];
  const SELECTOR = ["[data-text]", ...ATTRIBUTES.map((name) => `[data-text-${name}]`)].join();
  /** @type {WeakMap<Element, { text: string, shown: string }>} What was written last: browsers normalize HTML. */
  const written = new WeakMap();

  /** @type {(text: string) => string} */
  const escaped = (text) => {
    const node = document.createElement("i");
    node.textContent = text;
    return node.innerHTML;
  };

  /** @type {(node: HTMLElement, key: string) => void} */
  const fill = (node, key) => {
    const values = Object.fromEntries(Object.entries(node.dataset).map(([name, value]) => [name, escaped(word(value ?? ""))]));
    const text = say(key, values);
    const last = written.get(node);
    if (last?.text === text && last.shown === node.innerHTML) return;
    node.innerHTML = text; // our own files; the values are escaped
    written.set(node, { text, shown: node.innerHTML });
  };

  /** What the server sends in English stands in these; also what Gradio draws in them, its messages, boxes and progress. */
  const WORDS = ".sr-words, .sr-methods, .toast-wrap, .upload-container, .wrap .meta-text, .wrap .meta-text-center";
  /** Names that Gradio's own parts have for screen readers: English in every language. */
  const NAMES = "[aria-label]:not(.upload-container, [type=file]), [title]"; // those are named by `box_names.js`
  /** @typedef {{ english: string, shown: string, round: number }} Written What was written, and for which words. */
  /** @type {WeakMap<Node, Written>} Of texts. */
  const texts = new WeakMap();
  /** @type {WeakMap<Element, Record<string, Written>>} Of attributes, by their names. */
  const attributes = new WeakMap();
  let round = 0;

  /** @type {(last: Written | undefined, now: string) => string | undefined} What is to be looked up; undefined: nothing. */
  const wanted = (last, now) => {
    if (last?.shown !== now) return now;
    return last.round === round ? undefined : last.english;
  };

  /** @type {(node: Text) => void} */
  const wordText = (node) => {
    const parent = node.parentElement, source = wanted(texts.get(node), node.data), english = source?.trim();
    if (source === undefined || !english || parent?.closest("[data-text], script, style")) return;
    const lines = parent?.closest(".sr-methods") ? english : english.replace(/\s*\n\s*/g, " "); // HTML wraps its sentences
    const found = word(lines);
    const shown = found === lines && parent?.closest(".sr-problem") ? say("problem_lead", { message: lines }) : found;
    if (shown !== lines) node.data = source.replace(english, () => shown);
    texts.set(node, { english: source, shown: node.data, round });
  };

  /** @type {(node: Element) => void} */
  const wordAttributes = (node) => {
    const all = attributes.get(node) ?? {};
    for (const name of ATTRIBUTES) {
      const value = node.getAttribute(name);
      const english = value && !node.hasAttribute(`data-text-${name}`) ? wanted(all[name], value) : undefined;
      if (!english) continue;
      const shown = word(english);
      if (shown !== value) node.setAttribute(name, shown);
      all[name] = { english, shown, round };
      attributes.set(node, all);
    }
  };

  const words = () => {
    if (language === "en") return;
    for (const root of document.querySelectorAll(WORDS)) {
      const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
      for (let node = walker.currentNode; node; node = /** @type {Node} */ (walker.nextNode())) {
        if (node instanceof Text) wordText(node);
        else if (node instanceof Element) wordAttributes(node);
      }
    }
    for (const node of document.querySelectorAll(NAMES)) wordAttributes(node);
  };

  const translate = () => {
    before();
    words();
    for (const node of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(SELECTOR))) {
      if (node.dataset.text && knows(node.dataset.text)) fill(node, node.dataset.text);
      for (const name of ATTRIBUTES) {
        const key = node.getAttribute(`data-text-${name}`);
        if (key && knows(key) && node.getAttribute(name) !== say(key)) node.setAttribute(name, say(key));
      }
    }
  };

  translate();
  new MutationObserver(translate).observe(document.body, {
    childList: true, subtree: true, characterData: true, attributes: true,
    attributeFilter: [...ATTRIBUTES, ...ATTRIBUTES.map((name) => `data-text-${name}`), "data-text"],
  });
  return () => {
    round += 1;
    translate();
  };
};
