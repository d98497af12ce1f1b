// Translates what is drawn as HTML (`marked` and `attribute` in `__init__.py`), sets the language of the document, and
// connects the choice of language. Runs once, with the header of the page; `text.js` stands in front of it.
{
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
    const values = Object.fromEntries(Object.entries(node.dataset).map(([name, value]) => [name, escaped(value ?? "")]));
    const wanted = say(key, values);
    const last = written.get(node);
    if (last?.wanted === wanted && last.shown === node.innerHTML) return;
    node.innerHTML = wanted; // our own files; the values are escaped
    written.set(node, { wanted, shown: node.innerHTML });
  };

  const translate = () => {
    renameTabs();
    for (const node of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(SELECTOR))) {
      if (node.dataset.text && knows(node.dataset.text)) fill(node, node.dataset.text);
      for (const name of ATTRIBUTES) {
        const key = node.getAttribute(`data-text-${name}`);
        if (key && knows(key) && node.getAttribute(name) !== say(key)) node.setAttribute(name, say(key));
      }
    }
  };

  /** @type {Map<string, string>} From the name of a tab in the language that Gradio began in, to the one it should have. */
  const tabs = new Map();

  /** Gradio can change its language, but only its settings page calls that: the module that exports it is found here. */
  const follow = async () => {
    const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
    const address = loaded.find((name) => /\/core-[\w-]+\.js$/.test(name));
    if (address) (await import(address)).changeLocale?.(language);
    renameTabs();
  };

  /** Tabs that were not opened yet keep the name they began with. */
  const renameTabs = () => {
    for (const tab of tabs.size ? document.querySelectorAll("[role=tab], .overflow-dropdown button") : []) {
      const name = [...tab.childNodes].find((node) => tabs.has(node.textContent?.trim() ?? ""));
      if (name) name.textContent = tabs.get(name.textContent?.trim() ?? "") ?? "";
    }
  };

  const began = document.documentElement.lang;
  if (began !== language) {
    const texts = (translations[began] ?? translations[began.split("-")[0]] ?? translations.en)?.page ?? {};
    for (const [key, name] of Object.entries(texts)) {
      if (key.startsWith("tab_") && name !== say(key)) tabs.set(name, say(key));
    }
    follow();
  }
  document.documentElement.lang = language;
  document.documentElement.style.setProperty("--sr-size-label", JSON.stringify(say("size_label")));
  if (language !== "en" || tabs.size) { // else all is in English already
    translate();
    new MutationObserver(translate).observe(document.body, {
      childList: true, subtree: true, characterData: true, attributes: true,
      attributeFilter: [...ATTRIBUTES, ...ATTRIBUTES.map((name) => `data-text-${name}`), "data-text"],
    });
  }

  const choice = /** @type {HTMLSelectElement | null} */ (element.querySelector("select"));
  if (choice) {
    choice.value = language;
    choice.addEventListener("change", () => {
      const address = new URL(location.href);
      address.searchParams.set("lang", choice.value);
      location.assign(address);
    });
  }
}
