"use strict";
// A column's title sorts its table: largest first, smallest first, as it was. What is undefined
// stays at the end.
const NUMBER = /^[-+]?\d[\d,]*(\.\d+)?(e[-+]?\d+)?/i;

function keyOf(text) {
  const found = NUMBER.exec(text);
  return found ? Number(found[0].replaceAll(",", "")) : text.toLowerCase();
}

const missing = (text) => text === "" || text === "-";

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1; // numbers before words
  return a < b ? -1 : a > b ? 1 : 0;
}

function sorted(rows, column, direction) {
  const keyed = rows.map((row) => [row.cells[column].textContent.trim(), row]);
  const known = keyed.filter(([text]) => !missing(text));
  known.sort(([a], [b]) => direction * compare(keyOf(a), keyOf(b)));
  return [...known, ...keyed.filter(([text]) => missing(text))].map(([, row]) => row);
}

function sortable(table) {
  const body = table.tBodies[0], titles = [...table.tHead.rows[0].cells];
  const first = [...body.rows];
  titles.forEach((title, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = title.textContent;
    title.textContent = "";
    title.append(button);
    const start = title.classList.contains("text") ? 1 : -1;
    const way = (direction) => (direction > 0 ? "ascending" : "descending");
    button.addEventListener("click", () => {
      const before = title.getAttribute("aria-sort");
      for (const other of titles) other.removeAttribute("aria-sort");
      const direction = !before ? start : before === way(start) ? -start : 0;
      if (direction) title.setAttribute("aria-sort", way(direction));
      body.append(...(direction ? sorted(first, column, direction) : first));
    });
  });
}

document.querySelectorAll("table.sortable").forEach(sortable);
