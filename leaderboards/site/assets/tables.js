// Tables that sort by a click or a key on a heading, and show only the rows that match a filter.
"use strict";

report.tables = (() => {
  const value = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return "";
    const given = cell.dataset.value;
    if (given === undefined) return cell.textContent.trim().toLowerCase();
    return given === "" ? null : Number(given);
  };

  const compare = (one, other) => {
    if (typeof one === "number" && typeof other === "number") return one - other;
    return String(one).localeCompare(String(other), "en", { numeric: true });
  };

  function sort(table, column, descending) {
    const headings = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row, place) => [value(row, column), place, row]);
    rows.sort(([one, first], [other, second]) => {
      // What has no value stands last, whichever way the column is sorted.
      if (one === null || other === null) return (one === null) - (other === null) || first - second;
      return (descending ? -1 : 1) * compare(one, other) || first - second;
    });
    body.append(...rows.map(([, , row]) => row));
    headings.forEach((heading, place) => {
      if (!heading.querySelector("button")) return;
      heading.setAttribute(
        "aria-sort", place !== column ? "none" : descending ? "descending" : "ascending");
    });
  }

  function makeSortable(table) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      if (heading.dataset.sort === "none") return;
      const button = report.element("button", { type: "button", title: heading.title || null });
      button.append(...heading.childNodes);
      heading.append(button);
      if (!heading.hasAttribute("aria-sort")) heading.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const now = heading.getAttribute("aria-sort");
        // The first click on a column of numbers shows the largest first.
        const first = heading.dataset.sort === "number" ? "descending" : "ascending";
        const next = now === "none" ? first : now === "ascending" ? "descending" : "ascending";
        sort(table, column, next === "descending");
      });
    });
  }

  // Words must all occur in a row; a group of boxes shows the rows with one of the ticked values.
  function makeFilter(form) {
    const table = document.getElementById(form.dataset.filters);
    const status = form.querySelector("output");
    const apply = () => {
      const words = (form.querySelector("input[type=search]")?.value || "").toLowerCase().split(/\s+/);
      const groups = {};
      for (const box of form.querySelectorAll("input[type=checkbox]")) {
        (groups[box.name] ||= []).push(box);
      }
      let shown = 0;
      for (const row of table.tBodies[0].rows) {
        const text = row.textContent.toLowerCase();
        const fits = words.every((word) => text.includes(word)) &&
          Object.entries(groups).every(([name, boxes]) =>
            boxes.some((box) => box.checked && (row.dataset[name] || "") === box.value));
        row.hidden = !fits;
        shown += fits;
      }
      if (status) status.textContent = `${shown} of ${table.tBodies[0].rows.length} rows`;
    };
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
    apply();
  }

  function start(root) {
    for (const table of root.querySelectorAll("table[data-sortable]")) makeSortable(table);
    for (const form of root.querySelectorAll("form[data-filters]")) makeFilter(form);
  }

  return { start, sort };
})();
