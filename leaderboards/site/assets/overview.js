// The overview: the leaderboard's tables and plots.
"use strict";

(() => {
  report.tables.start(document);
  for (const board of report.page.boards) {
    const at = (name) => document.getElementById(`${board.id}-${name}`);
    if (at("means")) report.plots.intervals(at("means"), board.rows, board.metric);
    if (at("layers")) report.plots.layers(at("layers"), board.layers);
    if (at("bytes")) report.plots.quality(at("bytes"), board.rows.filter((row) => !row.control),
      { key: "bytes", front: "front", label: "bytes of an explanation", unit: "bytes" });
    if (at("characters")) report.plots.quality(at("characters"), board.rows,
      { key: "characters", front: "characters_front", label: "characters of a whole explanation", unit: "characters" });
  }
})();
