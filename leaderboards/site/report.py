"""The whole report: groups of runs measured again and written page by page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from benchmark.config.run_config import RunConfig
from benchmark.graphs import OffersGraph, to_svg
from benchmark.interface import Explanation
from benchmark.results import Run, benchmark_version
from benchmark.results.columns import HEADLINE
from benchmark.terminal.progress import progress
from benchmark.token_text import visible_token
from leaderboards.site.encoding import data_script, rounded
from leaderboards.site.group_pages import explainer_page, layer_page
from leaderboards.site.groups import Group, group_runs
from leaderboards.site.measure import Measured, NeuronData
from leaderboards.site.neuron_file import neuron_file
from leaderboards.site.neuron_page import Place, neuron_page
from leaderboards.site.output import check_output, copy_assets, new_report
from leaderboards.site.overview import overview_page
from leaderboards.site.renderer import Renderer
from leaderboards.site.similar import Neighbour
from leaderboards.site.tokens import KEPT

# Neurons whose contexts share a file: a page loads one such file.
CHUNK = 8
TOKENS_IN_LAYER_TABLE = 4
# Tokens of all neurons that the search knows, some 20 bytes each; and the fewest of one neuron.
SEARCHED, LEAST_SEARCHED = 400_000, 8

logger = logging.getLogger(__name__)

Configure = Callable[[Run], RunConfig]
Key = tuple[int, int]


@dataclass(frozen=True)
class Report:
    """A written report: where it is, and how many pages and bytes it has."""

    folder: Path
    n_neurons: int
    n_pages: int
    n_bytes: int


def build_report(
    runs: Sequence[Run],
    folder: Path,
    configure: Configure,
    trust: Collection[str] = (),
    pages: int | None = None,
) -> Report:
    """Write a report of finished runs as pages that open from the disk.

    The explanations are simulated again on the runs' own text, so subject and corpus must be at
    hand; what was measured before comes from the cache. A report that is there already is
    replaced when the new one is whole.

    Args:
        runs: finished runs, of one subject and corpus or of several.
        folder: where the report goes.
        configure: the configuration to measure a run with: its own, but for what changes no
            number.
        trust: classes that may be imported besides built-in explainers and installed plug-ins.
        pages: how many neurons of a layer have a page, from the best to the worst predicted; None
            for all.

    Raises:
        BenchmarkError: no runs, another folder in the way, or a subject or corpus that is not
            that of its run.
    """
    groups = group_runs(runs, pages)
    check_output(folder)
    renderer = Renderer()
    about = {
        "benchmark_version": benchmark_version(),
        "runs": [run.record.run_id for run in runs],
    }
    with new_report(folder, about) as made:
        copy_assets(made)
        for group in groups:
            _write_group(made / group.slug, group, renderer, configure(group.first), trust)
        _write(made / "index.html", overview_page(renderer, runs, groups))
        _write(made / "search.html", _search_page(renderer, groups))
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return Report(
        folder,
        sum(group.n_neurons for group in groups),
        sum(path.suffix == ".html" for path in paths),
        sum(path.stat().st_size for path in paths),
    )


@dataclass
class _Pages:
    """The pages of one group while they are written, a neuron at a time."""

    folder: Path
    group: Group
    renderer: Renderer
    text_of: Callable[[int], str]
    neighbours: dict[Key, list[Neighbour]]
    chunk: dict[str, Any] = field(default_factory=dict)
    rows: list[list[Any]] = field(default_factory=list)
    tokens: dict[str, list[list[Any]]] = field(default_factory=dict)

    def add(self, data: NeuronData, number: int) -> None:
        """Write the page of a neuron, the `number`-th of its layer."""
        layer, neuron = data.key
        neurons = self.group.neurons[layer]
        last = number + 1 == len(neurons)
        place = Place(
            layer=layer,
            number=number + 1,
            total=len(neurons),
            before=neurons[number - 1] if number else None,
            after=None if last else neurons[number + 1],
            chunk=number // CHUNK,
        )
        self.chunk[f"{layer}.{neuron}"] = neuron_file(data, self.text_of)
        page = neuron_page(
            self.renderer,
            self.group,
            data,
            place,
            self.neighbours.get(data.key, []),
            self.text_of,
            self._graphs(data),
        )
        _write(self.folder / "neurons" / f"{layer}.{neuron}.html", page)
        self.rows.append(self._row(data))
        self._add_tokens(data)
        data_folder = self.folder / "data" / f"layer-{layer}"
        if last or len(self.chunk) == CHUNK:
            path = data_folder / f"neurons-{place.chunk}.js"
            _write(path, data_script("neurons", self.chunk))
            self.chunk = {}
        if last:
            index = data_script("layers", {str(layer): {"rows": self.rows}})
            _write(data_folder / "index.js", index)
            _write(
                self.folder / "layers" / f"{layer}.html",
                layer_page(self.renderer, self.group, layer),
            )
            self.rows = []

    def _graphs(self, data: NeuronData) -> dict[str, str]:
        """Draw the graphs of the explanations that offer one; their addresses by method."""
        found = {}
        for slug, shown in data.methods.items():
            drawn = _drawn(shown.explanation)
            if drawn is not None:
                name = f"{data.key[0]}.{data.key[1]}-{slug}.svg"
                # A picture of its own, in which a browser runs no script, whoever drew it.
                _write(self.folder / "graphs" / name, drawn)
                found[slug] = f"../graphs/{name}"
        return found

    def _row(self, data: NeuronData) -> list[Any]:
        """Return a neuron's row in the table of its layer."""
        statistics = data.statistics
        scores: list[float | None] = []
        for method in self.group.shown:
            shown = data.methods.get(method.slug)
            cell = shown.scores.get(HEADLINE) if shown is not None else None
            scores.append(rounded(cell.value) if cell is not None else None)
        return [
            data.key[1],
            rounded(statistics.maximum),
            rounded(statistics.firing_rate),
            int(statistics.dead),
            [self.text_of(one.token) for one in data.fired[:TOKENS_IN_LAYER_TABLE]],
            *scores,
        ]

    def _add_tokens(self, data: NeuronData) -> None:
        maximum = max(data.statistics.maximum, 1e-30)
        for one in data.fired[: searched_tokens(self.group)]:
            self.tokens.setdefault(self.text_of(one.token), []).append(
                [*data.key, rounded(one.mean / maximum, 2), one.count, one.seen]
            )


def _write_group(
    folder: Path, group: Group, renderer: Renderer, config: RunConfig, trust: Collection[str]
) -> None:
    measured = Measured(group, config, trust)
    text_of = cache(partial(visible_token, measured.subject.tokenizer))
    pages = _Pages(folder, group, renderer, text_of, measured.neighbours())
    number, layer = 0, -1
    with progress(group.n_neurons, f"{group.title}: pages", "neurons") as bar:
        for block in measured.blocks:
            number, layer = (number if block.layer == layer else 0), block.layer
            for data in measured.neurons(block):
                pages.add(data, number)
                number += 1
                bar.update(1)
    for method in group.methods:
        path = folder / "explainers" / f"{method.slug}.html"
        _write(path, explainer_page(renderer, group, method))
    # Pairs, not an object: a token may be called as what every object has, such as __proto__.
    tokens = sorted(pages.tokens.items())
    _write(folder / "data" / "tokens.js", data_script(f"tokens-{group.slug}", tokens))


def searched_tokens(group: Group) -> int:
    """Return how many tokens of each neuron the search knows: fewer of many neurons."""
    return max(LEAST_SEARCHED, min(KEPT, SEARCHED // max(1, group.n_neurons)))


def _drawn(explanation: Explanation | None) -> str | None:
    """Return the graph of an explanation as SVG, None where it has none or cannot draw it."""
    if not isinstance(explanation, OffersGraph):
        return None
    try:
        return to_svg(explanation.graph())
    except Exception as error:
        logger.warning("a graph cannot be drawn: %s: %s", type(error).__name__, error)
        return None


def _search_page(renderer: Renderer, groups: Sequence[Group]) -> str:
    page = {
        "groups": [
            {"slug": group.slug, "title": group.title, "neurons": group.neurons} for group in groups
        ]
    }
    layer, neurons = next(iter(groups[0].neurons.items()))
    kept = min(map(searched_tokens, groups))
    return renderer.page(
        "search.html", 0, page, groups=groups, example=f"{layer}.{neurons[0]}", kept=kept
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
