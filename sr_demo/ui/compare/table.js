// Sorts the result table by its column headings, and keeps order and columns when a new table takes its place.
// `element` is the component's root and outlives every new table.

/** What the visitor chose: all columns or the first ones, and the heading that the table is sorted by. */
const chosen = { all: false, title: "", upward: true };

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
  if (box instanceof HTMLInputElement && box.classList.contains("sr-all")) chosen.all = box.checked;
});

function restore() {
  const box = /** @type {HTMLInputElement | null} */ (element.querySelector(".sr-all"));
  if (box) box.checked = chosen.all;
  const headings = /** @type {NodeListOf<HTMLTableCellElement>} */ (element.querySelectorAll("th[aria-sort]"));
  const heading = [...headings].find((one) => titleOf(one) === chosen.title);
  if (heading) sort(heading, chosen.upward);
}
// The document follows the value one frame later.
watch("value", () => requestAnimationFrame(restore));
