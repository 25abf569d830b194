"""Where a neuron of a subject can be looked at."""

from __future__ import annotations

import re

from benchmark.errors import BenchmarkError

# Neel Nanda's Neuroscope shows what these models' neurons fire on; it has no other subject of ours.
NEUROSCOPE = "https://neuroscope.io/{subject}/{layer}/{neuron}.html"
_ON_NEUROSCOPE = re.compile(r"(solu|gelu)-\d+l(-pile|-old)?|gpt2-small|pythia-70m")
_PLACES = ("subject", "layer", "neuron")


def check_template(template: str) -> None:
    """Check that a template of links can be filled in.

    Raises:
        BenchmarkError: it has other places than `{subject}`, `{layer}` and `{neuron}`.
    """
    try:
        template.format(subject="solu-8l", layer=0, neuron=0)
    except (KeyError, IndexError, ValueError, AttributeError):
        raise BenchmarkError(
            f"tracking.links={template} cannot be filled in; its places are "
            f"{', '.join(f'{{{place}}}' for place in _PLACES)}, as in "
            "https://example.org/site/neurons/{layer}.{neuron}.html."
        ) from None


def neuron_link(template: str | None, subject: str, layer: int, neuron: int) -> str | None:
    """The address of a neuron's page; None where there is no template and none is known."""
    if template is None:
        if not _ON_NEUROSCOPE.fullmatch(subject):
            return None
        template = NEUROSCOPE
    return template.format(subject=subject, layer=layer, neuron=neuron)
