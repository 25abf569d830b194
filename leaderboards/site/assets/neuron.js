// The page of one neuron: its contexts, plots and misses.
"use strict";

(() => {
  const { key, methods } = report.page;
  const data = report.data.neurons[key];
  const { contexts, lines, plots } = report;
  const boxes = [...document.querySelectorAll("#lanes input[value]")];
  const shown = () => methods.filter((method) =>
    data.methods[method.slug] && boxes.some((box) => box.checked && box.value === method.slug));

  const value = (raw) => `${report.number(raw)} (${Math.round((100 * raw) / data.scale)} %)`;
  const caption = (windows, what) => (place) =>
    `${what} ${place + 1}: ${value(windows.peaks[place])} `;

  function showContexts() {
    const asText = document.getElementById("as-text")?.checked;
    for (const [place, what] of [["exemplars", "exemplar"], ["top", "context"]]) {
      contexts.show(place, data, data[place], shown(), caption(data[place], what), { asText });
    }
    lines.mark();
  }

  function showMisses(method) {
    const of = data.methods[method.slug];
    for (const kind of ["positives", "negatives"]) {
      const place = `${kind}-${method.slug}`;
      if (!document.getElementById(place)) continue;
      contexts.show(place, data, of[kind], [method], (at) =>
        `predicted ${value(of[kind].at[at])}, true ${value(of[kind].peaks[at])} `, { first: 2 });
    }
  }

  function showPlots(method) {
    const of = data.methods[method.slug];
    const spectrum = document.getElementById(`spectrum-${method.slug}`);
    const scatter = document.getElementById(`scatter-${method.slug}`);
    if (spectrum) plots.spectrum(spectrum, of.spectrum, data.threshold);
    if (!scatter) return;
    const { points } = of;
    const truth = contexts.positions(points.truth, points.low, points.high);
    const predicted = contexts.positions(points.predicted, points.low, points.high);
    plots.scatter(scatter, points, data.threshold, truth.map((value, place) => ({
      truth: value, predicted: predicted[place],
      token: data.tokens[contexts.token(points.tokens, place)],
      wrong: data.threshold !== null && (value >= data.threshold) !== (predicted[place] >= data.threshold),
    })));
  }

  for (const box of document.querySelectorAll("#lanes input")) box.addEventListener("change", showContexts);
  contexts.start();
  report.tables.start(document);
  showContexts();
  for (const method of methods) {
    if (!data.methods[method.slug]) continue;
    showPlots(method);
    showMisses(method);
  }
  lines.start(data);
})();
