"""How W&B is to be used."""

from __future__ import annotations

from dataclasses import dataclass

AUTO = "auto"
ONLINE = "online"
OFFLINE = "offline"
MODES = (AUTO, ONLINE, OFFLINE)


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
