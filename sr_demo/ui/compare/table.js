// Sorts the result table by its column headings. `element` is the component's root and outlives every new table.
element.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("th[aria-sort] button");
  const heading = button?.closest("th");
  const body = heading?.closest("table")?.tBodies[0];
  if (!heading || !body) return;
  const column = heading.cellIndex;
  const upward = heading.getAttribute("aria-sort") !== "ascending";
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
});
