// What every page has: data that its scripts hand over, light and dark, keys.
"use strict";

var report = {
  data: {},
  page: JSON.parse(document.getElementById("page").textContent),

  // A page opened from a disk may load scripts, not JSON: each file of data calls this.
  receive(kind, value) {
    report.data[kind] = Array.isArray(value) ? value : Object.assign(report.data[kind] || {}, value);
  },

  // An element with attributes and children; text is only ever text.
  element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      made.setAttribute(key, value === true ? "" : value);
    }
    for (const child of children) made.append(child);
    return made;
  },

  // A number for a person: few digits, a true minus sign.
  number(value, digits = 3) {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    const size = Math.abs(value);
    const text =
      size !== 0 && (size < 0.001 || size >= 1e6)
        ? value.toExponential(digits - 1)
        : size >= 1000 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(digits));
    return text.replace("-", "−");
  },

  share(value) {
    if (value === 0) return "0 %";
    const percent = 100 * value;
    return (percent >= 1 ? percent.toFixed(1) : String(+percent.toPrecision(2))) + " %";
  },
};

(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const store = {
    get() { try { return localStorage.getItem("report-theme"); } catch { return null; } },
    set(value) { try { localStorage.setItem("report-theme", value); } catch { /* private window */ } },
  };
  const dark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const label = () => {
    if (!button) return;
    button.textContent = dark() ? "Light" : "Dark";
    button.setAttribute("aria-label", dark() ? "Switch to light colours" : "Switch to dark colours");
  };
  if (store.get()) root.dataset.theme = store.get();
  label();
  if (button) button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    store.set(root.dataset.theme);
    label();
  });

  // Keys act only where no field is being typed into.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const field = event.target.closest("input, select, textarea");
    if (field) {
      if (event.key === "Escape") field.blur();
      return;
    }
    if (event.key === "/") {
      const search = document.querySelector("input[type=search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else if (event.key === "t" && button) {
      button.click();
    } else {
      const rel = { p: "prev", n: "next", u: "up" }[event.key];
      const link = rel && document.querySelector(`a[rel~="${rel}"]`);
      if (link) link.click();
    }
  });
})();
