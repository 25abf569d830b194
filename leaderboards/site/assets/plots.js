// The plots, drawn by Observable Plot as SVG in the page's own colours.
"use strict";

report.plots = (() => {
  const style = { background: "none", color: "inherit", fontFamily: "inherit", fontSize: "12px", overflow: "visible" };
  const colour = (name) => `var(--${name})`;
  const waiting = [];

  // A plot is drawn when it comes near the screen, and before the page is printed.
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) drawNow(entry.target);
  }, { rootMargin: "600px" });

  function later(figure, make) {
    figure.make = make;
    waiting.push(figure);
    watcher.observe(figure);
  }

  function drawNow(figure) {
    if (!figure.make) return;
    const make = figure.make;
    figure.make = null;
    watcher.unobserve(figure);
    const width = Math.max(260, Math.min(figure.clientWidth || 420, 900));
    const drawn = make(width);
    drawn.setAttribute("role", "img");
    drawn.setAttribute("aria-label", figure.dataset.says || "");
    figure.prepend(drawn);
  }

  addEventListener("beforeprint", () => waiting.forEach(drawNow));

  const QUIET = "predicted quiet", FIRES = "predicted to fire";

  function spectrum(figure, data, threshold) {
    const { low, high, quiet, fires } = data;
    const limit = threshold === null ? [] : [threshold];
    const step = (high - low) / quiet.length;
    const bars = [];
    const sides = [[FIRES, fires], [QUIET, quiet]];
    for (const [side, counts] of sides) {
      counts.forEach((count, place) => {
        if (!count) return;
        const from = low + place * step;
        const firing = threshold !== null && from + step / 2 >= threshold;
        bars.push({ side, count, from, to: from + step, wrong: firing !== (side === FIRES) });
      });
    }
    later(figure, (width) => Plot.plot({
      width, height: 250, style, marginLeft: 52, marginRight: 8, marginBottom: 34,
      x: { label: "true activation →", domain: [low, high], ticks: 6 },
      y: { type: "log", label: "tokens", domain: [0.6, Math.max(10, ...bars.map((bar) => bar.count)) * 2],
        ticks: 4, tickFormat: "~s" },
      fy: { domain: [FIRES, QUIET], label: null, axis: null, padding: 0.12 },
      marks: [
        Plot.frame({ stroke: colour("line") }),
        Plot.rect(bars, { fy: "side", x1: "from", x2: "to", y1: 0.6, y2: "count", insetLeft: 0.5,
          fill: (bar) => colour(bar.wrong ? "wrong" : "right"), stroke: (bar) => (bar.wrong ? colour("ink") : "none"),
          strokeWidth: 1,
          title: (bar) => `${bar.count.toLocaleString("en")} tokens, ${bar.side}\n` +
            `true activation ${report.number(bar.from, 2)} to ${report.number(bar.to, 2)}` +
            (bar.wrong ? (bar.side === FIRES ? "\nfalse positives" : "\nmissed") : ""), tip: true }),
        Plot.ruleX(limit, { stroke: colour("ink"), strokeDasharray: "4 3" }),
        Plot.text(sides.map(([side]) => side), { fy: (side) => side, text: (side) => side,
          frameAnchor: "top-right", dx: -6, dy: 6, fontWeight: 600, fill: "currentColor" }),
      ],
    }));
  }

  function scatter(figure, data, threshold, points) {
    const limit = threshold === null ? [] : [threshold];
    later(figure, (width) => Plot.plot({
      width, height: 250, style, marginLeft: 52, marginRight: 10, marginBottom: 34,
      x: { label: "true activation →", domain: [data.low, data.high], ticks: 5 },
      y: { label: "↑ predicted", domain: [data.low, data.high], ticks: 5 },
      symbol: { domain: ["right", "wrong"], range: ["circle", "times"] },
      marks: [
        Plot.frame({ stroke: colour("line") }),
        Plot.line([[data.low, data.low], [data.high, data.high]], { stroke: colour("muted"), strokeDasharray: "2 3" }),
        Plot.ruleX(limit, { stroke: colour("ink"), strokeDasharray: "4 3", strokeOpacity: 0.6 }),
        Plot.ruleY(limit, { stroke: colour("ink"), strokeDasharray: "4 3", strokeOpacity: 0.6 }),
        Plot.dot(points, { x: "truth", y: "predicted", r: 2.8, fillOpacity: 0.45,
          symbol: (point) => (point.wrong ? "wrong" : "right"),
          fill: (point) => (point.wrong ? "none" : colour("right")),
          stroke: (point) => colour(point.wrong ? "wrong" : "right"),
          title: (point) => `${point.token}\ntrue ${report.number(point.truth, 2)}, predicted ${report.number(point.predicted, 2)}`,
          tip: true }),
      ],
    }));
  }

  // Means with their intervals, one line each.
  function intervals(figure, rows, label) {
    const longest = Math.max(...rows.map((row) => row.label.length), 4);
    later(figure, (width) => Plot.plot({
      width, height: 44 + 24 * rows.length, style, marginLeft: Math.min(width * 0.45, 7 * longest + 14), marginRight: 44,
      x: { label: `${label} →`, domain: [Math.min(0, ...rows.map((row) => row.low ?? row.mean ?? 0)), 1], grid: true, ticks: 5 },
      y: { domain: rows.map((row) => row.label), label: null, padding: 0.3 },
      marks: [
        Plot.ruleX([0], { stroke: colour("line") }),
        Plot.barX(rows.filter((row) => row.mean !== null), { x: "mean", y: "label",
          fill: (row) => colour(row.control ? "control" : `method-${row.colour}`), fillOpacity: 0.75, rx: 2,
          title: (row) => `${row.label}: ${report.number(row.mean)} [${report.number(row.low)}, ${report.number(row.high)}]`, tip: true }),
        Plot.ruleY(rows.filter((row) => row.low !== null && row.low !== undefined), { y: "label", x1: "low", x2: "high",
          stroke: colour("ink"), strokeWidth: 1.5, marker: "tick" }),
        Plot.text(rows.filter((row) => row.mean !== null), { y: "label", x: (row) => Math.max(row.high ?? 0, row.mean, 0),
          text: (row) => row.mean.toFixed(2).replace("-", "−"), textAnchor: "start", dx: 6, fill: "currentColor" }),
      ],
    }));
  }

  function quality(figure, rows, across) {
    const known = rows.filter((row) => row.mean !== null && row[across.key] > 0);
    if (!known.length) { figure.hidden = true; return; }
    later(figure, (width) => Plot.plot({
      width, height: 270, style, marginLeft: 44, marginRight: 60, marginBottom: 36,
      x: { type: "log", label: `${across.label} (log) →`, ticks: 4, tickFormat: "~s",
        domain: [Math.min(...known.map((row) => row[across.key])) / 2, Math.max(...known.map((row) => row[across.key])) * 3] },
      y: { label: "↑ mean correlation", domain: [Math.min(0, ...known.map((row) => row.mean)), 1], grid: true, ticks: 5 },
      marks: [
        Plot.line(known.filter((row) => row[across.front]).sort((a, b) => a[across.key] - b[across.key]),
          { x: across.key, y: "mean", stroke: colour("muted"), strokeDasharray: "3 3" }),
        Plot.ruleX(known.filter((row) => row.low !== null), { x: across.key, y1: "low", y2: "high", stroke: colour("muted") }),
        Plot.dot(known, { x: across.key, y: "mean", r: 5, fill: (row) => colour(`method-${row.colour}`),
          stroke: colour("paper"), title: (row) => `${row.label}: ${report.number(row.mean)}, ${report.number(row[across.key])} ${across.unit}`, tip: true }),
        Plot.text(known, { x: across.key, y: "mean", text: "label", dx: 8, textAnchor: "start", fill: "currentColor",
          stroke: colour("paper"), strokeWidth: 3 }),
      ],
    }));
  }

  function layers(figure, rows) {
    later(figure, (width) => Plot.plot({
      width, height: 240, style, marginLeft: 44, marginRight: 20, marginBottom: 36,
      x: { type: "point", label: "layer →", domain: [...new Set(rows.map((row) => row.layer))] },
      y: { label: "↑ mean correlation", domain: [Math.min(0, ...rows.map((row) => row.low ?? row.mean ?? 0)), 1], grid: true, ticks: 5 },
      marks: [
        Plot.line(rows, { x: "layer", y: "mean", z: "label", stroke: (row) => colour(`method-${row.colour}`), strokeOpacity: 0.6 }),
        Plot.ruleX(rows.filter((row) => row.low !== null), { x: "layer", y1: "low", y2: "high", stroke: (row) => colour(`method-${row.colour}`), strokeWidth: 1.5 }),
        Plot.dot(rows, { x: "layer", y: "mean", r: 4, fill: (row) => colour(`method-${row.colour}`),
          title: (row) => `${row.label}, layer ${row.layer}: ${report.number(row.mean)} [${report.number(row.low)}, ${report.number(row.high)}], ${row.n} neurons`, tip: true }),
      ],
    }));
  }

  function histogram(figure, values, label, number) {
    later(figure, (width) => Plot.plot({
      width, height: 240, style, marginLeft: 44, marginRight: 12, marginBottom: 36,
      x: { label: `${label} →`, domain: [Math.min(0, ...values), 1] },
      y: { label: "↑ neurons", grid: true, ticks: 5 },
      marks: [
        Plot.rectY(values, Plot.binX({ y: "count" }, { x: (value) => value, thresholds: 24, fill: colour(`method-${number}`), fillOpacity: 0.75, tip: true })),
        Plot.ruleY([0], { stroke: colour("line") }),
      ],
    }));
  }

  return { spectrum, scatter, intervals, quality, layers, histogram };
})();
