"""Column: what a scorer says about one of the columns that it adds to a run's table of scores."""

from __future__ import annotations

from dataclasses import dataclass, field

SCORE, MEASURE, BOUND, COST = "score", "measure", "bound", "cost"
KINDS = (SCORE, MEASURE, BOUND, COST)
"""What a column is.

`score`: how good the explanation of a neuron is. `measure`: another number about the neuron or its
explanation. `bound`: an end of the interval of one neuron's score. `cost`: what explaining or
simulating the neuron took; only the harness measures costs.
"""

FLOAT, INT, BOOL = "float", "int", "bool"
DTYPES = (FLOAT, INT, BOOL)

MEAN, MEAN_AND_MEDIAN, PLAIN_MEAN = "mean", "mean_and_median", "plain_mean"
COUNT, NONE = "count", ""
SUMMARIES = (MEAN, MEAN_AND_MEDIAN, PLAIN_MEAN, COUNT, NONE)
"""How a column is summarised over neurons.

`mean`: the mean with its bootstrap intervals. `mean_and_median`: both, without an interval.
`plain_mean`: the mean alone. `count`: for how many neurons it is true. Empty: not at all.
"""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table of scores, as its scorer declares it.

    Attributes:
        name: `<group>/<what>`, such as `detection/accuracy`. The group is free for a scorer to
            choose, but for those of the benchmark's own scorers.
        description: one line about it for a person, lower case, without a full stop.
        kind: one of `KINDS`.
        dtype: `float`, `int` or `bool`; missing values of a `bool` count as false.
        higher_is_better: whether a larger value is a better explanation; None where neither is.
        ranks: whether runs may be ordered by its mean.
        summary: one of `SUMMARIES`.
        weights: the column by whose values neurons count in a second mean, `<name>_weighted`,
            which tables then show instead of the first one; empty for none.
        comparable_on: keys of the configuration that must agree before two runs are compared on
            it, besides those that decide which tokens are scored. The options of a scorer that
            was chosen by name always must.
        title: heading in tables; empty for the name.
        in_tables: whether the tables of runs show it; files, pages and `show` always do.
        form: how Python formats one value for a person.
        scorer: the name that the scorer was chosen by; filled in by the harness.

    Example:
        >>> import benchmark
        >>> column = benchmark.Column(name="strong/found", title="found", ranks=True)
        >>> column.group, column.heading
        ('strong', 'found')
    """

    name: str
    description: str = ""
    kind: str = SCORE
    dtype: str = FLOAT
    higher_is_better: bool | None = True
    ranks: bool = False
    summary: str = MEAN
    weights: str = ""
    comparable_on: list[str] = field(default_factory=list)
    title: str = ""
    in_tables: bool = True
    form: str = ".3f"
    scorer: str = ""

    @property
    def group(self) -> str:
        """Return what stands before the slash: a scoring set or a scorer."""
        return self.name.partition("/")[0]

    @property
    def metric(self) -> str:
        """Return what stands behind the slash, such as `pearson`."""
        return self.name.partition("/")[2]

    @property
    def heading(self) -> str:
        """Return what tables call it."""
        return self.title or self.name

    @property
    def summary_name(self) -> str:
        """Return the name of the mean that tables show."""
        return f"{self.name}_weighted" if self.weights else self.name
