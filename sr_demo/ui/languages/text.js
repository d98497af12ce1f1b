// The texts of the page for scripts. This text stands in front of every script that calls `say`.

const translations = window.gradio_config?.i18n_translations ?? {};

/** The language of the page: as in the address (`?lang=de`), else that of the browser, else English. */
const language = (() => {
  const wish = (new URLSearchParams(location.search).get("lang") || navigator.language || "en").toLowerCase();
  /** @type {(name: string) => string} */
  const base = (name) => name.toLowerCase().split("-")[0];
  const offered = Object.keys(translations);
  return offered.find((name) => name.toLowerCase() === wish) ?? offered.find((name) => base(name) === base(wish)) ?? "en";
})();

/** @type {(key: string) => boolean} */
const knows = (key) => key in (translations.en?.page ?? {});

/**
 * A text by its key; `{name}` in it stands for a value.
 * @type {(key: string, values?: Record<string, unknown>) => string}
 */
const say = (key, values = {}) => {
  const found = translations[language]?.page[key] ?? translations.en?.page[key] ?? key;
  return found.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
};

/** A word from the server in the language of the page, where it is one of those whose keys begin with `word_`. */
const word = (() => {
  const english = translations.en?.page ?? {};
  const keys = new Map(Object.entries(english).filter(([key]) => key.startsWith("word_")).map(([key, value]) => [value, key]));
  /** @type {(text: string) => string} */
  return (text) => (keys.has(text) ? say(/** @type {string} */ (keys.get(text))) : text);
})();
