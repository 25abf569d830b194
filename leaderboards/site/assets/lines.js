// Lines of a complete text: a line marks the tokens that it decides, and a token marks its line.
"use strict";

report.lines = (() => {
  const box = document.getElementById("explanation");
  const articles = box ? [...box.querySelectorAll(".text")] : [];
  const about = document.getElementById("about-lines");
  const status = document.getElementById("marked");
  let data, article, rows = [], kept = null, over = null;

  const number = (row) => Number(row.dataset.line);
  const button = (row) => row.querySelector("code");

  // The line that decides a token, of the text that is chosen; null where that has no lines.
  function lineOf({ windows, at }) {
    const letters = windows.lines[article?.dataset.text];
    return letters ? report.contexts.number(letters, at, data.lines[article.dataset.text]) : null;
  }

  function mark() {
    const line = over ?? kept;
    let decided = 0;
    const tokens = document.querySelectorAll("main .context > .token");
    for (const span of tokens) {
      const its = line !== null && lineOf(span.place) === line;
      span.classList.toggle("decided", its);
      decided += its;
    }
    document.body.classList.toggle("marking", line !== null);
    for (const row of rows) {
      row.classList.toggle("marks", number(row) === line);
      button(row).setAttribute("aria-pressed", String(number(row) === kept));
    }
    if (status) status.textContent = line === null ? "" :
      `Line ${line + 1} decides ${decided} of the ${tokens.length} tokens in the contexts of this page.`;
  }

  function point(line) {
    if (over === line) return;
    over = line;
    mark();
  }

  // Of a token that is read: mark its line, bring it into sight within a box that scrolls, and
  // return its text.
  function tell(span) {
    const line = article && data ? lineOf(span.place) : null;
    for (const row of rows) row.classList.toggle("told", number(row) === line);
    const told = rows[line];
    if (line === null || !told) return null;
    if (box.scrollHeight > box.clientHeight && getComputedStyle(box).overflowY === "auto") {
      const [inner, outer] = [told.getBoundingClientRect(), box.getBoundingClientRect()];
      box.scrollTop += Math.min(0, inner.top - outer.top) + Math.max(0, inner.bottom - outer.bottom);
    }
    return button(told).textContent;
  }

  // The lines of a text; none where it is not known which tokens they decide.
  const buttonRows = (one) =>
    data.lines[one.dataset.text] ? [...one.querySelectorAll("tr[data-line]")] : [];

  function choose(slug) {
    for (const row of rows) row.classList.remove("marks", "told");
    for (const one of articles) one.hidden = one.dataset.text !== slug;
    article = articles.find((one) => one.dataset.text === slug);
    rows = buttonRows(article);
    if (about) about.hidden = !article.querySelector("tr[data-line]");
    for (const choice of box.querySelectorAll("#texts input")) choice.checked = choice.value === slug;
    release();
    const read = document.querySelector(".token.read");
    if (read) report.contexts.read(read);
  }

  function press(row) {
    const line = number(row);
    kept = kept === line ? null : line;
    over = null;
    mark();
  }

  function release() {
    kept = over = null;
    mark();
  }

  function key(event) {
    const at = rows.indexOf(rowAt(event));
    if (at < 0) return;
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (next !== undefined && rows[next]) {
      for (const row of rows) button(row).tabIndex = row === rows[next] ? 0 : -1;
      button(rows[next]).focus();
    } else if (event.key === "Enter" || event.key === " ") {
      press(rows[at]);
    } else if (next === undefined) {
      return;
    }
    event.preventDefault();
  }

  function rowAt(event) {
    const row = event.target.closest?.("tr[data-line]");
    return rows.includes(row) ? row : null;
  }

  function start(given) {
    data = given;
    if (!articles.length) return;
    for (const one of articles) {
      // A button whose text can be selected; one stop of the Tab key, arrows lead to the others.
      buttonRows(one).forEach((row, place) => {
        button(row).setAttribute("role", "button");
        button(row).tabIndex = place ? -1 : 0;
      });
    }
    const pointed = (event) => {
      const row = rowAt(event);
      point(row ? number(row) : null);
    };
    box.addEventListener("pointerover", pointed);
    box.addEventListener("pointerleave", () => point(null));
    box.addEventListener("focusin", pointed);
    box.addEventListener("focusout", () => point(null));
    box.addEventListener("keydown", key);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") release();
    });
    box.addEventListener("click", (event) => {
      const row = rowAt(event);
      if (row && String(getSelection()) === "") press(row);
    });
    box.addEventListener("change", (event) => {
      if (event.target.name === "text") choose(event.target.value);
    });
    for (const link of document.querySelectorAll("a[href^='#t-']")) {
      link.addEventListener("click", () => choose(link.getAttribute("href").slice(3)));
    }
    choose(articles[0].dataset.text);
  }

  return { start, mark, tell };
})();
