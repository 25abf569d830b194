// The page of a layer: its table of neurons from the layer's data, and its plot.
"use strict";

(() => {
  const { layer, methods } = report.page;
  const { rows } = report.data.layers[layer];
  const body = document.querySelector("#neurons tbody");
  const cell = (text, value) => report.element("td",
    { class: "number", "data-value": value === undefined ? null : value ?? "" }, text);
  body.append(...rows.map(([neuron, maximum, rate, dead, tokens, ...scores]) => {
    const link = report.element("a", { href: `../neurons/${layer}.${neuron}.html` }, `${layer}.${neuron}`);
    const row = report.element("tr", null,
      report.element("th", { scope: "row", "data-value": neuron }, link),
      cell(report.number(maximum), maximum),
      cell(dead ? "dead" : report.share(rate), rate),
      report.element("td", { class: "words" }, ...tokens.flatMap((token) => [report.element("code", null, token), " "])));
    scores.forEach((score, place) => {
      const made = cell(score === null ? "–" : score.toFixed(2).replace("-", "−"), score);
      if (score !== null) {
        made.classList.add("bar");
        made.style.setProperty("--share", Math.max(0, Math.min(1, score)));
        made.style.setProperty("--colour", `var(--method-${methods[place].colour})`);
      }
      row.append(made);
    });
    return row;
  }));
  report.tables.start(document);
  const figure = document.getElementById("scores");
  if (figure) report.plots.intervals(figure, report.page.means, "mean correlation");
})();
