"use strict";
// Sorts a table by the column whose heading is pressed; what was not measured stays last.
const collator = new Intl.Collator(undefined, { numeric: true });

function compare(numeric) {
  return numeric ? (a, b) => Number(a) - Number(b) : collator.compare;
}

function sortBy(table, place, heading) {
  const down = heading.getAttribute("aria-sort") === "ascending";
  const by = compare(heading.dataset.kind === "number");
  const body = table.tBodies[0];
  const key = (row) => row.cells[place].dataset.key;
  const rows = Array.from(body.rows);
  const known = rows.filter((row) => key(row) !== "");
  known.sort((a, b) => (down ? -1 : 1) * by(key(a), key(b)));
  body.append(...known, ...rows.filter((row) => key(row) === ""));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
}

// Beside the page there is room for the contents; on a phone the verdict comes first.
if (matchMedia("(min-width: 72rem)").matches) document.querySelector("nav details").open = true;

for (const table of document.querySelectorAll("table.sortable")) {
  Array.from(table.tHead.rows[0].cells).forEach((heading, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sortBy(table, place, heading));
    heading.append(button);
  });
}
