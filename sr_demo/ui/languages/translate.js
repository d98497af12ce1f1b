// Sets the language of the page, and connects the choice of language. Runs once, with the header; `text.js` and `document.js`
// stand in front of it.
{
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
  if (language !== "en" || tabs.size) { // else all is in English already
    const again = translateDocument(renameTabs);
    /** Words that no first screen needs come after it. Without them, what they would translate stays in English. */
    const complete = async () => {
      const response = await fetch(`texts/${language}.json`);
      if (!response.ok) throw new Error(`status ${response.status}`);
      addTexts(await response.json());
      again();
    };
    const quietly = () => complete().catch(() => {});
    // Tried once more with the next click, which may open the tab that needs them.
    if (language !== "en") complete().catch(() => document.addEventListener("click", quietly, { once: true }));
  }

  const choice = /** @type {HTMLSelectElement | null} */ (element.querySelector("select.sr-language"));
  if (choice) {
    choice.value = language;
    const load = () => {
      if (choice.value === language) return;
      const address = new URL(location.href);
      address.searchParams.set("lang", choice.value);
      location.assign(address);
    };
    // A closed list changes at every arrow key: what is chosen by keys is loaded at Enter, or when the focus goes on.
    let byArrows = false;
    choice.addEventListener("pointerdown", () => { byArrows = false; });
    choice.addEventListener("keydown", ({ key }) => {
      byArrows = key !== "Enter";
      if (key === "Enter") load();
    });
    choice.addEventListener("change", () => { if (!byArrows) load(); });
    choice.addEventListener("blur", load);
  }
}
