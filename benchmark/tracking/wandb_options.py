"""Options of tracking in Weights & Biases, and the links to neurons that they choose."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmark.errors import BenchmarkError

AUTO = "auto"
ONLINE = "online"
OFFLINE = "offline"
MODES = (AUTO, ONLINE, OFFLINE)

# Neel Nanda's Neuroscope shows what these models' neurons fire on; it has no other subject of ours.
NEUROSCOPE = "https://neuroscope.io/{subject}/{layer}/{neuron}.html"
_ON_NEUROSCOPE = re.compile(r"(solu|gelu)-\d+l(-pile|-old)?|gpt2-small|pythia-70m")
_PLACES = ("subject", "layer", "neuron")


@dataclass(frozen=True)
class WandbOptions:
    """Options of `tracking=wandb`.

    Attributes:
        project: where runs go; by default what W&B's own settings say, else
            `neuron-simulator-benchmark`.
        entity: the user or team; by default W&B's own choice.
        group: runs with one group are shown together.
        tags: labels of the run.
        mode: `online`, `offline`, or `auto`: online where there are credentials, unless W&B's own
            settings say otherwise.
        links: address of a neuron's page with `{subject}`, `{layer}` and `{neuron}` in it, such as
            that of a report; by default Neuroscope's for the subjects that it shows.
        dir: the folder in which W&B keeps its folder `wandb`; by default the current one.
    """

    project: str | None = None
    entity: str | None = None
    group: str | None = None
    tags: tuple[str, ...] = ()
    mode: str = AUTO
    links: str | None = None
    dir: str | None = None


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
    """Return the address of a neuron's page; None where there is no template and none is known."""
    if template is None:
        if not _ON_NEUROSCOPE.fullmatch(subject):
            return None
        template = NEUROSCOPE
    return template.format(subject=subject, layer=layer, neuron=neuron)
