"""A scorer of somebody's own, as one Python file and one YAML file."""

SOURCE = '''
from benchmark.interface import Column


class Overlap:
    """How many of a neuron's strongest tokens its explanation finds."""

    def __init__(self, part=0.5):
        self.part = part

    def columns(self):
        return [
            Column(name="toy/overlap", title="overlap", ranks=True,
                   description="share of the strongest tokens that are predicted as strong"),
            Column(name="toy/gap", higher_is_better=False, in_tables=False,
                   description="mean error on the strongest tokens"),
            Column(name="toy/silent", kind="measure", dtype="bool", summary="count",
                   higher_is_better=None, description="whether nothing is predicted"),
        ]

    def score(self, block):
        true, predicted = block.truth.activations("uniform"), block.predicted("uniform")
        least = self.part * block.max_activation[:, None, None]
        strong = (true >= least) & block.truth.scored("uniform")
        count = strong.sum((1, 2))
        return {
            "toy/overlap": (strong & (predicted >= least)).sum((1, 2)) / count,
            "toy/gap": ((true - predicted).abs() * strong).sum((1, 2)) / count,
            "toy/silent": (predicted <= 0).all(2).all(1),
        }
'''

CONFIG = """\
_target_: a_scorer_of_my_own.Overlap
description: finds the strongest tokens
part: 0.5
"""


def write_toy(folder):
    """Write both files, and return the path of the configuration."""
    (folder / "a_scorer_of_my_own.py").write_text(SOURCE)
    (folder / "toy.yaml").write_text(CONFIG)
    return folder / "toy.yaml"
