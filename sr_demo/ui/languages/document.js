// Translates a document that is drawn as HTML (`marked`, `attribute` and `word` in `__init__.py`), now and whenever it changes.
// `text.js` stands in front of it.

/** @type {(before: () => void) => void} `before` runs before each translation. */
const translateDocument = (before) => {
  const ATTRIBUTES = ["title", "aria-label", "alt"];
  const SELECTOR = ["[data-text]", ...ATTRIBUTES.map((name) => `[data-text-${name}]`)].join();
  /** @type {WeakMap<Element, { wanted: string, shown: string }>} What was written last: browsers normalize HTML. */
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
    const wanted = say(key, values);
    const last = written.get(node);
    if (last?.wanted === wanted && last.shown === node.innerHTML) return;
    node.innerHTML = wanted; // our own files; the values are escaped
    written.set(node, { wanted, shown: node.innerHTML });
  };

  /** What the server sends in English stands in these; also what Gradio draws in them. */
  const WORDS = ".sr-words, .sr-methods";
  /** @type {WeakMap<Node, string>} What was written into a text last. */
  const texts = new WeakMap();
  /** @type {WeakMap<Element, Record<string, string>>} What was written into attributes last, by their names. */
  const attributes = new WeakMap();

  /** @type {(node: Text) => void} */
  const wordText = (node) => {
    const parent = node.parentElement, english = node.data.trim();
    if (!english || texts.get(node) === node.data || parent?.closest("[data-text], script, style")) return;
    const lines = parent?.closest(".sr-methods") ? english : english.replace(/\s*\n\s*/g, " "); // HTML wraps its sentences
    const found = word(lines);
    const shown = found === lines && parent?.closest(".sr-problem") ? say("problem_lead", { message: lines }) : found;
    if (shown !== lines) node.data = node.data.replace(english, () => shown);
    texts.set(node, node.data);
  };

  /** @type {(node: Element) => void} */
  const wordAttributes = (node) => {
    const last = attributes.get(node) ?? {};
    for (const name of ATTRIBUTES) {
      const value = node.getAttribute(name);
      if (!value || last[name] === value || node.hasAttribute(`data-text-${name}`)) continue;
      last[name] = word(value);
      if (last[name] !== value) node.setAttribute(name, last[name]);
      attributes.set(node, last);
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
};
