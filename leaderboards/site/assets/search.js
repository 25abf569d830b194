// Search: the neurons that fire on a token, or a neuron by its number.
"use strict";

(() => {
  const { groups } = report.page;
  const field = document.getElementById("query");
  const list = document.getElementById("found");
  const status = document.getElementById("status");
  const MOST = 60;

  // What somebody types: a space may stand for the mark of a space, a line end for its own.
  const typed = (text) => text.replaceAll(" ", "·").replaceAll("\\n", "↵").replaceAll("\\t", "→");

  function matches(token, wanted) {
    if (token === wanted) return 0;
    const bare = (text) => text.replace(/^·/, "");
    if (bare(token) === bare(wanted)) return 1;
    if (bare(token).toLowerCase() === bare(wanted).toLowerCase()) return 2;
    return bare(wanted).length > 1 && token.toLowerCase().includes(bare(wanted).toLowerCase()) ? 3 : -1;
  }

  // [rank of the match, token, how strongly, times, group, neuron], best first.
  function find(text) {
    const wanted = typed(text);
    const found = [];
    for (const group of groups) {
      for (const [token, entries] of report.data[`tokens-${group.slug}`] || []) {
        const rank = matches(token, wanted);
        if (rank < 0) continue;
        for (const [layer, neuron, strength, count, seen] of entries) {
          found.push({ rank, token, strength, count, seen, group, layer, neuron });
        }
      }
    }
    return found.sort((a, b) => a.rank - b.rank || b.strength * b.count / b.seen - a.strength * a.count / a.seen || b.count - a.count);
  }

  function neuron(text) {
    const parts = /^\s*(\d+)\s*[.:/]\s*(\d+)\s*$/.exec(text);
    if (!parts) return [];
    return groups.filter((group) => (group.neurons[parts[1]] || []).includes(Number(parts[2])))
      .map((group) => ({ group, layer: parts[1], neuron: parts[2] }));
  }

  const link = ({ group, layer, neuron: number }) => report.element("a",
    { href: `${group.slug}/neurons/${layer}.${number}.html` }, `${layer}.${number}`);

  function show() {
    const text = field.value;
    list.replaceChildren();
    if (!text.trim()) { status.textContent = ""; return; }
    const direct = neuron(text);
    const found = find(text);
    const many = groups.length > 1;
    for (const one of direct) {
      list.append(report.element("li", null, "neuron ", link(one), many ? ` of ${one.group.title}` : ""));
    }
    for (const one of found.slice(0, MOST)) {
      const bar = report.element("span", { class: "strength", "aria-hidden": "true" });
      bar.style.setProperty("--share", one.strength * one.count / one.seen);
      list.append(report.element("li", null, link(one), " fires on ", report.element("code", null, one.token),
        ` ${one.count} of ${one.seen} times, on average at ${Math.round(100 * one.strength)} % of its maximum`,
        many ? `, ${one.group.title}` : "", bar));
    }
    const total = direct.length + found.length;
    status.textContent = total === 0 ? `No neuron of this report fires on “${text}”.`
      : found.length > MOST ? `The first ${MOST} of ${found.length}.` : `${total} found.`;
  }

  const asked = new URLSearchParams(location.search).get("q");
  if (asked) field.value = asked;
  field.addEventListener("input", show);
  field.form.addEventListener("submit", (event) => { event.preventDefault(); show(); });
  show();
})();
