// The page of an explainer: its scores by layer and how they spread over neurons.
"use strict";

(() => {
  const { layers, correlations, colour } = report.page;
  report.tables.start(document);
  const by = document.getElementById("by-layer");
  if (by) report.plots.layers(by, layers);
  const spread = document.getElementById("spread");
  if (spread) report.plots.histogram(spread, correlations, "correlation of a neuron", colour);
})();
