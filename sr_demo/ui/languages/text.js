// The texts of the page for scripts. This text stands in front of every script that calls `say`.

const translations = window.gradio_config?.i18n_translations ?? {};

/** @type {(more: Record<string, Record<string, string>>) => void} Adds texts by language, for all scripts of the page. */
const addTexts = (more) => {
  for (const [name, texts] of Object.entries(more)) translations[name] = { page: { ...translations[name]?.page, ...texts } };
};

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

/**
 * What the server sends in English (a state, a caption, an error) in the language of the page. It is looked up among the texts
 * whose keys begin with `word_`; what stands for `{name}` in one is looked up in turn. Where a text is not there as a whole,
 * its parts are looked up. What is not there at all stays as it is.
 */
const word = (() => {
  /** @type {(text: string) => string} */
  const literal = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  /** `count` and `number` are numbers, `size` begins with one. A value at the beginning takes all it can: it may hold what stands behind it. */
  const pattern = (/** @type {string} */ text) => {
    /** @type {Set<string>} */
    const seen = new Set();
    const parts = text.split(/\{(\w+)\}/).map((part, index, all) => {
      if (index % 2 === 0) return literal(part);
      const again = seen.has(part);
      seen.add(part);
      const begin = part === "size" ? "\\d.*" : ".+";
      const value = part === "count" || part === "number" ? "[\\d.,]+(?: [kM])?" : `${begin}${index === 1 && !all[0] ? "" : "?"}`;
      return again ? `\\k<${part}>` : `(?<${part}>${value})`;
    });
    return new RegExp(`^${parts.join("")}$`, "s");
  };
  const FRAMES = ["word_colon", "word_title", "word_full_stop"];
  const weight = (/** @type {string} */ text) => text.replace(/\{\w+\}/g, "").length;
  /** @type {Record<string, string> | undefined} The English texts that the following two were made from. */
  let read;
  /** @type {Map<string, string>} From a text without values to its key; names of options and columns stand in sentences too. */
  let fixed = new Map();
  /** @type {{ key: string, pattern: RegExp }[]} */
  let patterns = [];
  /** @type {Map<string, string>} */
  const found = new Map();
  const readTexts = () => {
    if (read === translations.en?.page) return;
    read = translations.en?.page;
    const all = Object.entries(read ?? {});
    const english = all.filter(([key]) => key.startsWith("word_"));
    const named = all.filter(([key]) => /^(option|column)_/.test(key));
    fixed = new Map([...named, ...english].map(([key, value]) => [value, key]));
    // What begins with its own words is surer than what begins with a value.
    patterns = english.filter(([key, value]) => value.includes("{") && !FRAMES.includes(key))
      .sort(([, a], [, b]) => Number(a.startsWith("{")) - Number(b.startsWith("{")) || weight(b) - weight(a)).map(([key, value]) => ({ key, pattern: pattern(value) }));
    found.clear();
  };

  /** Where a comma is the decimal sign, spaces group the digits of a number. */
  const grouped = (/** @type {string} */ value) => (/^[\d,]+(?![\w.])/.test(value) && /^(de|fr|es|pt)/.test(language)
    ? value.replace(/(?<=\d),(?=\d{3}(?!\d))/g, "\u202f") : value);
  /** @type {(key: string, pattern: RegExp, text: string) => string | undefined} */
  const filled = (key, wanted, text) => {
    const values = Object.entries(wanted.exec(text)?.groups ?? {});
    return values.length ? say(key, Object.fromEntries(values.map(([name, value]) => [name, grouped(lookUp(value))]))) : undefined;
  };
  /** @type {(text: string) => string | undefined} */
  const whole = (text) => {
    if (fixed.has(text)) return say(/** @type {string} */ (fixed.get(text)));
    for (const { key, pattern: wanted } of patterns) {
      const shown = filled(key, wanted, text);
      if (shown !== undefined) return shown;
    }
    return undefined;
  };
  /** Parts between lines, facts, sentences, and outside of brackets. */
  const split = (/** @type {RegExp} */ between) => (/** @type {string} */ text) => (between.test(text)
    ? text.split(between).map((part, index) => (index % 2 ? part : lookUp(part))).join("") : undefined);
  /** A sentence that does not know its parts is left alone. */
  const frame = (/** @type {string} */ key, /** @type {RegExp} */ wanted) => (/** @type {string} */ text) => {
    const values = Object.values(wanted.exec(text)?.groups ?? {});
    return values.some((value) => lookUp(value) !== value) ? filled(key, wanted, text) : undefined;
  };
  /** A message that is known as a whole, behind the name of what it is about. */
  const labelled = (/** @type {string} */ text) => {
    const { name = "", message = "" } = /^(?<name>[^:]+): (?<message>.+)$/s.exec(text)?.groups ?? {};
    const what = message && whole(message);
    return what ? say("word_colon", { name: lookUp(name), what }) : undefined;
  };
  const WAYS = [
    split(/(\n| · | {3})/), whole, labelled, split(/((?<=[.!?”]) (?=[A-Z“"]))/),
    frame("word_full_stop", /^(?<what>.+)\.$/s), split(/(; (?![^(]*\)))/),
    frame("word_colon", /^(?<name>[^:]+): (?<what>.+)$/s), split(/(, (?![^(]*\)))/),
    frame("word_title", /^(?<name>[^(]+) \((?<variant>.+)\)$/s),
  ];
  /** @type {(text: string) => string} */
  const lookUp = (text) => {
    for (const way of WAYS) {
      const shown = way(text);
      if (shown !== undefined) return shown;
    }
    return text;
  };
  /** @type {(text: string) => string} */
  return (text) => {
    if (language === "en" || !text) return text;
    readTexts();
    if (found.size > 2000) found.clear(); // of a page that is open for days
    if (!found.has(text)) found.set(text, lookUp(text));
    return /** @type {string} */ (found.get(text));
  };
})();
