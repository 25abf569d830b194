"""Settings of N2G: every threshold and choice, and the value of each in the authors' code."""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from benchmark.errors import BenchmarkError, unknown

MEAN, MAX, FIRST = "mean", "max", "first"
COMBINE = (MEAN, MAX, FIRST)
LONGEST, LITERAL = "longest", "literal"
MATCH = (LONGEST, LITERAL)

# What the authors' code does where the default does something else. docs/n2g.md says why.
AUTHORS = MappingProxyType(
    {
        "exemplars": 10,
        "weak": True,
        "length_step": 5,
        "pivot_leads": True,
        "after_sentence": True,
        "start_probes": 0,
        "combine": FIRST,
        "merge_wildcards": True,
        "match": LITERAL,
    }
)


@dataclass(frozen=True)
class Settings:
    """The thresholds of the method, and what its paper and its authors' code choose.

    From "Neuron to Graph" (Foote et al. 2023, arXiv 2305.19911):

    Attributes:
        prune_threshold: the part of a pivot's activation that a shorter context must keep.
        augment_threshold: the importance from which on a token is substituted.
        substitutes: how many substitutes each such token gets.
        importance_threshold: a context token above this importance is literal in the trie.
        activation_threshold: only tokens above this part of the neuron's maximum enter the trie.

    From the same authors' code, with their values:

        pivot_threshold: every token with this part of an exemplar's largest activation is pruned
            on its own; 1: the largest alone.
        after: tokens after the pivot that a pruned prompt keeps, within the document.
        rescale: multiply a pruned prompt's activations by original / pruned activation of its
            pivot before they are compared with the threshold and stored.
        remeasure: measure the importances in a substituted prompt again and let every token of
            it enter that is strong enough; else its pivot enters with the importances of the
            prompt that it was made from.
        substitute_threshold: the part of the activation that a positive substitute keeps.
        cutoff: the longest context that pruning tries, in tokens with the pivot and without BOS;
            None tries every length up to the whole context.
        mask_token: the id that stands for a masked token; None takes the tokenizer's padding
            token (id 1 in the authors' code, which is that of their models), else BOS, as on
            solu-tiny.

    Where the default is not the authors' value, which `AUTHORS` holds:

        exemplars: how many exemplars are used, spread evenly over their ranks; None uses all. The
            authors use 10 of 20, drawn at random, because they test on the others.
        weak: prune also exemplars and pivots that are too weak to enter the trie; another token
            of their prompt may enter.
        length_step: try the context lengths that are multiples of this, and the whole context.
        pivot_leads: accept a shorter context only if the pivot is its strongest token.
        after_sentence: end the tokens after a pivot with its sentence.
        start_probes: pieces of other text put before a context to see whether it needs its start;
            0 never writes a start into a pattern.
        combine: how several activations at one path become one: their `mean`, their `max` or the
            `first` one met.
        merge_wildcards: merge the children of a node that has a wildcard child into that child,
            which drops tokens that are required.
        match: which path decides a prediction: the `longest` of all that match, or the one that
            is found by preferring a `literal` child to a wildcard at every step.
    """

    prune_threshold: float = 0.5
    augment_threshold: float = 0.8
    substitutes: int = 5
    importance_threshold: float = 0.75
    activation_threshold: float = 0.5
    pivot_threshold: float = 0.75
    after: int = 5
    rescale: bool = True
    remeasure: bool = True
    substitute_threshold: float = 0.5
    cutoff: int | None = 30
    mask_token: int | None = None
    exemplars: int | None = None
    weak: bool = False
    length_step: int = 1
    pivot_leads: bool = False
    after_sentence: bool = False
    start_probes: int = 4
    combine: str = MEAN
    merge_wildcards: bool = False
    match: str = LONGEST

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name.endswith("_threshold"):
                if isinstance(value, bool) or not isinstance(value, (int, float)):
                    raise _wrong(each.name, "a number", value)
                if not 0 <= value <= 1:
                    raise _wrong(each.name, "between 0 and 1", value)
            if isinstance(each.default, bool) and not isinstance(value, bool):
                raise _wrong(each.name, "true or false", value)
        for name, lowest in (
            ("substitutes", 1),
            ("after", 0),
            ("length_step", 1),
            ("start_probes", 0),
        ):
            self._check_count(name, lowest)
        self._check_count("cutoff", 1, optional=True)
        self._check_count("mask_token", 0, optional=True)
        self._check_count("exemplars", 1, optional=True)
        for name, known in (("combine", COMBINE), ("match", MATCH)):
            if getattr(self, name) not in known:
                raise unknown(f"{name} of n2g", str(getattr(self, name)), known)

    def _check_count(self, name: str, lowest: int, *, optional: bool = False) -> None:
        value = getattr(self, name)
        if value is None and optional:
            return
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            raise _wrong(name, f"a whole number of at least {lowest}", value)


def _wrong(name: str, due: str, value: Any) -> BenchmarkError:
    return BenchmarkError(f"{name} of n2g must be {due}, not {value!r}.")
