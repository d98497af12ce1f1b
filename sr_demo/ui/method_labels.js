// Divides the label of each method into its name, the small print on what it is for, and its time.
//
// Gradio labels a checkbox with plain text: "name · time", a line break and the small print. Its own element stays, hidden,
// since Gradio and the translation write into it; what people see and screen readers read stands beside it.

/** @type {(className: string, ...children: (Node | string)[]) => HTMLElement} */
function span(className, ...children) {
  const node = document.createElement("span");
  node.className = className;
  node.append(...children);
  return node;
}

/** @type {WeakMap<Element, { text: string, name: HTMLElement, help: HTMLElement, time: HTMLElement, what: HTMLElement }>} */
const divided = new WeakMap();

/** @type {(whole: Element) => void} */
function divide(whole) {
  const text = whole.textContent ?? "";
  let parts = divided.get(whole);
  if (parts?.text === text) return;
  if (!parts) {
    const [name, help, time] = ["name", "help", "time"].map((part) => span(`sr-method-${part}`));
    const what = span("sr-method-what", name, " ", help);
    parts = { text, name, help, time, what };
    whole.after(span("sr-method", what, " ", time));
  }
  divided.set(whole, { ...parts, text });
  const [first = "", ...rest] = text.split("\n");
  const end = first.lastIndexOf(" · ");
  parts.name.textContent = end < 0 ? first : first.slice(0, end);
  parts.time.textContent = end < 0 ? "" : first.slice(end + 3);
  parts.help.textContent = rest.join(" ");
  parts.what.title = parts.what.textContent ?? ""; // it may be cut
}

const divideAll = () => document.querySelectorAll(".sr-methods label > span.ml-2").forEach(divide);
new MutationObserver(divideAll).observe(document.body, { childList: true, subtree: true, characterData: true });
divideAll();
