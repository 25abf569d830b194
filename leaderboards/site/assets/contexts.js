// Contexts as text: each token shaded by its true activation, with a bar below for every
// explainer's prediction. What is decoded here is written by leaderboards/site/encoding.py.
"use strict";

report.contexts = (() => {
  const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const DIGIT = Object.fromEntries([...ALPHABET].map((letter, value) => [letter, value]));
  const TOP = 1.25, LEVELS = 62, TOKEN_LETTERS = 3;
  const FIRST = 5; // contexts that are shown before "show all" is pressed

  const share = (letter) => (DIGIT[letter] / LEVELS) * TOP;

  function number(text, place, width) {
    let found = 0;
    for (let i = place * width; i < (place + 1) * width; i++) found = found * 64 + DIGIT[text[i]];
    return found;
  }

  const token = (text, place) => number(text, place, TOKEN_LETTERS);

  function positions(text, low, high) {
    const values = [];
    for (let i = 0; i < text.length / 2; i++) values.push(low + (number(text, i, 2) / 4095) * (high - low));
    return values;
  }

  // Spaces are shown as they are; what marks them in lists would make text hard to read.
  const spaced = (text) => text.replaceAll("·", " ");

  const LANE = 7;
  const SMALLEST = 0.04; // of the maximum: below it a bar would be a line that says nothing

  // The token again for every explainer, each line shaded by its prediction.
  function stack(span, text, predicted, methods) {
    methods.forEach((method, place) => {
      const again = report.element("span", { class: "again", "aria-hidden": "true" }, text);
      const part = Math.min(100, predicted[place] * 100).toFixed(0);
      again.style.background = `color-mix(in oklab, var(--method-${method.colour}) ${part}%, transparent)`;
      if (predicted[place] > 0.6) again.classList.add("strong");
      span.append(again);
    });
  }

  function paint(span, truth, predicted, methods, linesBelow = 0) {
    const lanes = methods.length;
    const layers = [];
    methods.forEach((method, place) => {
      const height = Math.min(1, predicted[place]) * (LANE - 2);
      if (predicted[place] >= SMALLEST) {
        const colour = `var(--method-${method.colour})`;
        layers.push(`linear-gradient(${colour},${colour}) left 0 bottom ` +
          `${(lanes - 1 - place) * LANE + 1}px / 100% ${Math.max(1, height).toFixed(1)}px no-repeat`);
      }
    });
    if (truth > 0) {
      const shade = `color-mix(in oklab, var(--truth) ${Math.min(100, truth * 100).toFixed(0)}%, transparent)`;
      const height = linesBelow ? `${100 / (linesBelow + 1)}%` : `calc(100% - ${lanes * LANE}px)`;
      layers.push(`linear-gradient(${shade},${shade}) 0 0 / 100% ${height} no-repeat`);
    }
    if (layers.length) span.style.background = layers.join(",");
  }

  function row(data, windows, place, methods, asText) {
    const { width } = windows;
    const limit = data.threshold === null ? Infinity : data.threshold / data.scale;
    const line = report.element("p", { class: "context", tabindex: "0" });
    line.style.setProperty("--lanes", asText ? 0 : methods.length);
    for (let i = 0; i < width; i++) {
      const at = place * width + i;
      const truth = share(windows.truth[at]);
      const predicted = methods.map((method) => share(windows.predicted[method.slug][at]));
      const span = report.element("span", { class: truth >= limit && truth > 0 ? "token fires" : "token" });
      const text = spaced(data.tokens[token(windows.tokens, at)]);
      span.append(asText ? report.element("span", { class: "own" }, text) : text);
      span.place = { windows, at };
      span.reading = { text: data.tokens[token(windows.tokens, at)], truth, predicted };
      if (asText) stack(span, text, predicted, methods);
      paint(span, truth, predicted, asText ? [] : methods, asText ? methods.length : 0);
      line.append(span);
    }
    return line;
  }

  function show(place, data, windows, methods, describe, { first = FIRST, asText = false } = {}) {
    const target = document.getElementById(place);
    target.replaceChildren();
    if (!windows.n) {
      target.append(report.element("p", { class: "none" }, "None."));
      return;
    }
    const list = report.element("ol", { class: "contexts" });
    for (let i = 0; i < windows.n; i++) {
      const line = row(data, windows, i, methods, asText);
      const item = report.element("li", { class: i >= first ? "more" : null });
      const caption = report.element("div", { class: "caption" }, describe(i));
      const readout = report.element("output", { class: "readout" });
      readout.scale = data.scale;
      readout.methods = methods;
      caption.append(readout);
      item.append(caption, line);
      list.append(item);
    }
    target.append(list);
    if (windows.n > first) {
      const button = report.element("button", { type: "button", class: "all", "aria-expanded": "false" },
        `Show all ${windows.n}`);
      button.addEventListener("click", () => {
        const open = list.classList.toggle("open");
        button.setAttribute("aria-expanded", String(open));
        button.textContent = open ? `Show the first ${first}` : `Show all ${windows.n}`;
      });
      target.append(button);
    }
  }

  // The numbers of the token under the pointer, or of the one that the arrow keys are at.
  function read(span) {
    const item = span.closest("li");
    const readout = item.querySelector(".readout");
    for (const other of document.querySelectorAll(".token.read")) other.classList.remove("read");
    span.classList.add("read");
    const { text, truth, predicted } = span.reading;
    const value = (part) => report.number(part * readout.scale, 2);
    readout.replaceChildren(
      report.element("b", {}, text), ` true ≈ ${value(truth)}`,
      ...readout.methods.map((method, place) => `, ${method.label} ≈ ${value(predicted[place])}`));
    const line = report.lines.tell(span);
    if (line !== null) readout.append(report.element("span", { class: "line" }, line));
  }

  function start() {
    document.addEventListener("pointerover", (event) => {
      const span = event.target.closest?.(".token");
      if (span?.reading) read(span);
    });
    document.addEventListener("keydown", (event) => {
      const line = event.target.closest?.(".context");
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!line || !step) return;
      event.preventDefault();
      const now = line.querySelector(".token.read");
      const strongest = [...line.children].reduce((best, one) =>
        one.reading.truth > best.reading.truth ? one : best);
      const next = now ? (step > 0 ? now.nextElementSibling : now.previousElementSibling) : strongest;
      if (next) read(next);
    });
  }

  return { show, start, read, number, positions, token, spaced };
})();
