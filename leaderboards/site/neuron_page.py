"""The page of one neuron."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.evidence import DEAD_MEANS
from benchmark.results.columns import HEADLINE, NOVEL, score_column
from benchmark.token_text import counted
from leaderboards.site.groups import Group, Method
from leaderboards.site.measure import NeuronData, Shown, Statistics
from leaderboards.site.renderer import Renderer, all_columns, percent, score_sets, short
from leaderboards.site.similar import Neighbour

FIRED_SHOWN = 16


@dataclass(frozen=True)
class Place:
    """Where a neuron stands among those of its layer, and the file of its data."""

    layer: int
    number: int
    total: int
    before: int | None
    after: int | None
    chunk: int


def neuron_page(
    renderer: Renderer,
    group: Group,
    data: NeuronData,
    place: Place,
    neighbours: Sequence[Neighbour],
    text_of: Callable[[int], str],
    graphs: Mapping[str, str],
) -> str:
    """Return the HTML of a neuron's page; `graphs` are addresses of drawings by method slugs."""
    layer, neuron = data.key
    methods = [method for method in group.shown if method.slug in data.methods]
    views = [_view(method, data.methods[method.slug], graphs) for method in methods]
    page: dict[str, Any] = {
        "key": f"{layer}.{neuron}",
        "methods": [{name: one[name] for name in ("slug", "label", "colour")} for one in views],
    }
    return renderer.page(
        "neuron.html",
        2,
        page,
        group=group,
        name=f"{layer}.{neuron}",
        layer=layer,
        before=place.before,
        after=place.after,
        place=place.number,
        total=place.total,
        chunk=place.chunk,
        statistics=_statistics(data.statistics),
        n_uniform=f"{data.statistics.n_tokens_held_out:,}",
        effective_tokens=short(data.statistics.effective_tokens),
        fired=[
            {"text": text_of(one.token), "count": one.count, "seen": one.seen}
            for one in data.fired[:FIRED_SHOWN]
        ],
        neighbours=[
            {"name": f"{one.neuron[0]}.{one.neuron[1]}", "correlation": one.correlation}
            for one in neighbours
        ],
        effects=_effects(group, data, text_of),
        texts=_texts(methods, data),
        methods=views,
        sets=score_sets(all_columns(method.run for method in methods)),
    )


def _effects(
    group: Group, data: NeuronData, text_of: Callable[[int], str]
) -> dict[str, Any] | None:
    """Return the direct effect on the logits; the partner is a link where it has a page."""
    of = data.effects
    if of is None:
        return None
    layer, neuron = of.partner
    return {
        "raised": [{"text": text_of(token), "value": value} for token, value in of.raised],
        "lowered": [{"text": text_of(token), "value": value} for token, value in of.lowered],
        "cosine": of.cosine,
        "mutual": of.partner == data.key,
        "partner": f"{layer}.{neuron}",
        "has_page": neuron in group.neurons.get(layer, ()),
    }


def _view(method: Method, shown: Shown, graphs: Mapping[str, str]) -> dict[str, Any]:
    """Return a method as the template shows it."""
    return {
        "slug": method.slug,
        "label": method.label,
        "colour": method.colour,
        "control": method.control,
        "failed": shown.explanation is None,
        "error": shown.error,
        "scores": shown.scores,
        "undefined": shown.undefined,
        "positives": f"{shown.false_positives.count:,}",
        "negatives": f"{shown.false_negatives.count:,}",
        "graph": graphs.get(method.slug),
    }


def _texts(methods: Sequence[Method], data: NeuronData) -> list[dict[str, Any]]:
    """Return the texts as the template shows them, in the order in which a person reads them.

    First are complete texts whose lines are judged, then other complete ones, then the others;
    among them the one comes first that predicts this neuron best.
    """
    found = []
    for method in methods:
        text = data.texts.get(method.slug)
        if text is None:
            continue
        scores = data.methods[method.slug].scores
        r, novel = (scores.get(name) for name in (HEADLINE, score_column(NOVEL, "pearson")))
        value = r.value if r is not None and r.value is not None else -2.0
        found.append(
            (
                (not text.lines, not text.complete, -value),
                {
                    "slug": method.slug,
                    "label": method.label,
                    "colour": method.colour,
                    "control": method.control,
                    "r": r,
                    "novel": novel,
                    "of": text,
                    "n_lines": counted(len(text.text.splitlines()), "line"),
                    "n_characters": counted(len(text.text), "character"),
                    "marks": method.slug in data.decided,
                },
            )
        )
    return [text for _, text in sorted(found, key=lambda one: one[0])]


def _statistics(of: Statistics) -> list[tuple[str, str, str]]:
    """Return terms, values and what the terms mean."""
    tokens, held_out = f"{of.n_tokens:,}", f"{of.n_tokens_held_out:,}"
    rate = f"{percent(of.firing_rate)} of tokens ({of.n_firing:,})"
    fires_at = "nothing" if of.threshold is None else f"≥ {short(of.threshold)}"
    return [
        ("state", "dead" if of.dead else "alive", f"dead: {DEAD_MEANS}"),
        (
            "maximum",
            short(of.maximum),
            f"largest activation on {tokens} tokens of the explain split",
        ),
        ("held-out maximum", short(of.maximum_held_out), f"on {held_out} uniform held-out tokens"),
        ("fires at", fires_at, "the firing threshold, raw units"),
        ("firing rate", rate, f"of {held_out} uniform held-out tokens"),
        (
            "effective tokens",
            short(of.effective_tokens),
            f"of {held_out} uniform held-out tokens, those that decide a correlation: "
            "(sum of squared deviations)² / sum of their squares",
        ),
        ("mean", short(of.mean), f"over {tokens} tokens of the explain split"),
        ("standard deviation", short(of.standard_deviation), "over the same tokens"),
        ("skewness", short(of.skewness), f"over {held_out} uniform held-out tokens"),
        ("excess kurtosis", short(of.excess_kurtosis), f"over {held_out} uniform held-out tokens"),
    ]
