"""Catalogue of metrics: name, direction, bounds and soundness of each, without loading torch.

To add a metric, write `metrics/<name>.py` with a function `<name>(truth, prediction)` or
`<name>(truth, prediction, threshold)`, and add its record below. Tables follow this order. A name
that ends with `_top_alpha` or `_non_firing` needs no file: it is a variant of the plain metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, cast

from metrics.errors import UnknownMetricError, UnsoundMetricError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from metrics.sums import Sums


class MetricFunction(Protocol):
    """The arithmetic of a metric: activations `[n_neurons, n_tokens]` to `[n_neurons]` float64.

    A metric that needs the firing threshold takes it, `[n_neurons]`, as its third argument.
    """

    def __call__(
        self,
        truth: Float[Tensor, "n_neurons n_tokens"],
        prediction: Float[Tensor, "n_neurons n_tokens"],
        /,
        *threshold: Float[Tensor, " n_neurons"],
    ) -> Float[Tensor, " n_neurons"]:
        """Score every neuron, NaN where the metric is null."""
        ...


@dataclass(frozen=True)
class Metric:
    """A metric's name, direction and bounds; its arithmetic is loaded on first use.

    Attributes:
        name: what configs, columns and tables call it; also its file and function.
        description: one line for a person.
        needs_threshold: whether the function takes the neurons' firing thresholds.
        higher_is_better: whether a larger value is a better simulation.
        lower: smallest possible value, None where there is none.
        upper: largest possible value, None where there is none.
        beside: the metric it must be shown with, because it misleads alone; None if it need not.
        perfect: what a prediction that equals the truth scores; None where that depends on the
            neuron.
        unsound: why it fails the sanity tests (see `metrics.sanity` and docs/metrics.md), so that
            nothing is ranked by it; None if it passes.
    """

    name: str
    description: str
    needs_threshold: bool
    higher_is_better: bool = True
    lower: float | None = 0.0
    upper: float | None = 1.0
    beside: str | None = None
    perfect: float | None = 1.0
    unsound: str | None = None

    @property
    def top_alpha(self) -> bool:
        """Whether firing means the neuron's strongest tokens, not those above a threshold."""
        return self.name.endswith(TOP_ALPHA)

    @property
    def sound(self) -> bool:
        """Return whether it passes the sanity tests; one that fails is marked and ranks nothing."""
        return self.unsound is None

    @property
    def function(self) -> MetricFunction:
        """Return the arithmetic; loads torch."""
        plain = self.name.removesuffix(TOP_ALPHA).removesuffix(NON_FIRING)
        written = getattr(import_module(f"metrics.{plain}"), plain)
        if self.top_alpha:
            from metrics.top_alpha import at_top_alpha

            return at_top_alpha(written)
        if self.name.endswith(NON_FIRING):
            from metrics.firing import at_non_firing

            return cast("MetricFunction", at_non_firing(written))
        return cast("MetricFunction", written)

    @property
    def of_sums(self) -> Callable[[Sums], Tensor] | None:
        """Return the arithmetic from sums over tokens, None where they do not decide the metric."""
        from metrics.firing import CountMetric
        from metrics.sums import counts_of

        function = self.function
        if isinstance(function, CountMetric):
            of_counts = function.of_counts
            return lambda sums: of_counts(counts_of(sums))
        module = import_module(function.__module__)
        return getattr(module, f"{self.name}_of_sums", None)


TOP_ALPHA, NON_FIRING = "_top_alpha", "_non_firing"
_MISSING = "firing that the explanation misses costs it nothing"
_EXTRA = "firing that the explanation adds costs it nothing"
_FEW_AMONG_MANY = "extra firing on a few of very many quiet tokens costs next to nothing"
_QUIET = "nearly all tokens are quiet, and any explanation is right about most of those"

_RECORDS = (
    Metric(
        name="pearson",
        description="Pearson correlation over tokens; 0 for a constant prediction.",
        needs_threshold=False,
        lower=-1.0,
    ),
    Metric(
        name="cosine",
        description="Cosine of the angle between prediction and truth, neither centred.",
        needs_threshold=False,
        lower=-1.0,
    ),
    Metric(
        name="auprc",
        description="Average precision: area under the precision-recall curve.",
        needs_threshold=True,
    ),
    Metric(
        name="f1",
        description="Harmonic mean of precision and recall of firing.",
        needs_threshold=True,
    ),
    Metric(
        name="precision",
        description="Share of the tokens predicted to fire that fire.",
        needs_threshold=True,
        beside="f1",
        unsound=_MISSING,
    ),
    Metric(
        name="recall",
        description="Share of the firing tokens that were predicted to fire.",
        needs_threshold=True,
        beside="f1",
        unsound=_EXTRA,
    ),
    Metric(
        name="iou",
        description="Intersection over union of firing and predicted firing.",
        needs_threshold=True,
    ),
    Metric(
        name="matthews",
        description="Matthews correlation of firing and predicted firing.",
        needs_threshold=True,
        lower=-1.0,
    ),
    Metric(
        name="r2",
        description="Explained variance, centred: share of the truth's variance.",
        needs_threshold=False,
        lower=None,
    ),
    Metric(
        name="openai_rsquared",
        description="OpenAI's rsquared: share of the mean square, not centred.",
        needs_threshold=False,
        lower=None,
    ),
    Metric(
        name="openai_absolute_dev_explained",
        description="Share of the truth's mean magnitude, by OpenAI's formula.",
        needs_threshold=False,
        lower=None,
    ),
    Metric(
        name="mse",
        description="Mean squared error in squared raw units; neurons differ in scale.",
        needs_threshold=False,
        higher_is_better=False,
        upper=None,
        perfect=0.0,
        unsound="neurons differ in scale, and its range is that of the largest",
    ),
    Metric(
        name="normalised_mae",
        description="Mean absolute error as a share of the largest activation.",
        needs_threshold=False,
        higher_is_better=False,
        upper=None,
        perfect=0.0,
        unsound="tokens that do not fire make up nearly all of the error",
    ),
    Metric(
        name="spearman",
        description="Spearman rank correlation; 0 for a constant prediction.",
        needs_threshold=False,
        lower=-1.0,
        unsound="the ranks of the many tokens on which nothing happens decide it",
    ),
    Metric(
        name="auroc",
        description="Chance that a firing token is predicted above a quiet one.",
        needs_threshold=True,
        unsound=_FEW_AMONG_MANY,
    ),
    Metric(
        name="accuracy",
        description="Share of tokens on which both agree about firing.",
        needs_threshold=True,
        unsound=_QUIET,
    ),
    Metric(
        name="balanced_accuracy",
        description="Mean of the recall of firing and the recall of not firing.",
        needs_threshold=True,
        unsound=_FEW_AMONG_MANY,
    ),
    Metric(
        name="f1_non_firing",
        description="Harmonic mean of precision and recall of not firing.",
        needs_threshold=True,
        unsound=_QUIET,
    ),
    Metric(
        name="precision_non_firing",
        description="Share of the tokens predicted to be quiet that are.",
        needs_threshold=True,
        beside="f1_non_firing",
        unsound=_QUIET,
    ),
    Metric(
        name="recall_non_firing",
        description="Share of the quiet tokens that were predicted to be quiet.",
        needs_threshold=True,
        beside="f1_non_firing",
        unsound=_QUIET,
    ),
    Metric(
        name="wpmi",
        description="Weighted pointwise mutual information with firing, in nats.",
        needs_threshold=True,
        lower=math.log(1e-8),
        upper=None,
        perfect=None,
        unsound="its size depends on the smallest probability that is told from none",
    ),
    Metric(
        name="mad",
        description="Mean activation where predicted to fire minus elsewhere.",
        needs_threshold=True,
        lower=None,
        upper=None,
        perfect=None,
        unsound=_MISSING,
    ),
    *(
        Metric(
            name=name + TOP_ALPHA,
            description=f"{label} with the neuron's strongest 0.5 % of tokens as firing.",
            needs_threshold=False,
            beside=beside,
            unsound=unsound,
        )
        for name, label, beside, unsound in (
            ("auprc", "AUPRC", None, None),
            ("f1", "F1", None, None),
            ("precision", "Precision", f"f1{TOP_ALPHA}", _MISSING),
            ("recall", "Recall", f"f1{TOP_ALPHA}", _EXTRA),
            ("iou", "IoU", None, None),
        )
    ),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _RECORDS})
"""Every metric by its name, in the order of the tables."""


def get(name: str) -> Metric:
    """Return the metric of that name.

    Raises:
        UnknownMetricError: if there is none; the message lists the known ones.
    """
    if name not in METRICS:
        raise UnknownMetricError(name, METRICS)
    return METRICS[name]


def ranking_key(name: str) -> Metric:
    """Return the metric of that name if explainers or neurons may be ranked by it.

    Raises:
        UnknownMetricError: if there is none; the message lists the known ones.
        UnsoundMetricError: if it fails the sanity tests; the message lists those that pass.
    """
    metric = get(name)
    if metric.unsound is not None:
        sound = [other.name for other in METRICS.values() if other.sound]
        raise UnsoundMetricError(name, metric.unsound, sound)
    return metric
