// Sorts the result table by its column headings, and keeps order and columns when a new table takes its place.
// `element` is the component's root and outlives every new table.

/** What the visitor chose: all columns or some, and the heading that the table is sorted by. */
const chosen = { all: false, title: "", upward: true };
/** @type {Map<string, boolean>} By key: columns that the visitor has shown or hidden. */
const columns = new Map();

/** @type {(heading: HTMLTableCellElement) => string} */
const titleOf = (heading) => heading.textContent?.trim() ?? "";

/** @type {(heading: HTMLTableCellElement, upward: boolean) => void} */
function sort(heading, upward) {
  const body = heading.closest("table")?.tBodies[0];
  if (!body) return;
  const column = heading.cellIndex;
  /** @type {(row: HTMLTableRowElement) => string | undefined} */
  const key = (row) => row.cells[column].dataset.sort;
  /** @type {(a: HTMLTableRowElement, b: HTMLTableRowElement) => number} */
  const compare = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x !== undefined && y !== undefined) return Number(x.replace("inf", "Infinity")) - Number(y.replace("inf", "Infinity"));
    return (a.cells[column].textContent ?? "").localeCompare(b.cells[column].textContent ?? "");
  };
  const rows = [...body.rows].sort((a, b) => (upward ? 1 : -1) * compare(a, b));
  for (const other of /** @type {HTMLTableRowElement} */ (heading.parentElement).cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", upward ? "ascending" : "descending");
  body.append(...rows);
}

element.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("th[aria-sort] button");
  const heading = /** @type {HTMLTableCellElement | null | undefined} */ (button?.closest("th"));
  if (!heading) return;
  Object.assign(chosen, { title: titleOf(heading), upward: heading.getAttribute("aria-sort") !== "ascending" });
  sort(heading, chosen.upward);
});

element.addEventListener("change", (event) => {
  const box = event.target;
  if (!(box instanceof HTMLInputElement)) return;
  if (box.classList.contains("sr-all")) chosen.all = box.checked;
  if (box.dataset.column) {
    columns.set(box.dataset.column, box.checked);
    show(box.dataset.column, box.checked);
  }
});

/**
 * Show a column, or leave it to the checkbox for all of them.
 * @type {(key: string, on: boolean) => void}
 */
function show(key, on) {
  const heading = /** @type {HTMLTableCellElement | null} */ (element.querySelector(`th[data-column="${key}"]`));
  const box = /** @type {HTMLInputElement | null} */ (element.querySelector(`input[data-column="${key}"]`));
  if (!heading || !box) return;
  box.checked = on;
  for (const row of heading.closest("table")?.rows ?? []) row.cells[heading.cellIndex].classList.toggle("sr-more", !on);
}

function restore() {
  const box = /** @type {HTMLInputElement | null} */ (element.querySelector(".sr-all"));
  if (box) box.checked = chosen.all;
  for (const [key, on] of columns) show(key, on);
  const headings = /** @type {NodeListOf<HTMLTableCellElement>} */ (element.querySelectorAll("th[aria-sort]"));
  const heading = [...headings].find((one) => titleOf(one) === chosen.title);
  if (heading) sort(heading, chosen.upward);
}
// The document follows the value one frame later.
watch("value", () => requestAnimationFrame(restore));
