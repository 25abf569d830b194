"""Matthews correlation coefficient of firing."""

from __future__ import annotations

from torch import Tensor

from metrics.firing import CountMetric, FiringCounts


@CountMetric
def matthews(counts: FiringCounts) -> Tensor:
    """Return Matthews correlation: the Pearson correlation of firing and predicted firing.

    (tokens hits - fired predicted) / sqrt(fired quiet predicted (tokens - predicted)), in [-1, 1];
    higher is better. It is 0 where the prediction never fires or always does, and null (NaN) where
    the truth never fires or always does.

    Source: `sklearn.metrics.matthews_corrcoef`, which it equals wherever both classes are true.
    """
    quiet = counts.of_non_firing()
    above = counts.tokens * counts.hits - counts.fired * counts.predicted
    below = ((counts.fired * quiet.fired) * (counts.predicted * quiet.predicted)).sqrt()
    one_sided = counts.predicted * quiet.predicted == 0
    scores = (above / below).masked_fill(one_sided, 0.0).clamp(-1.0, 1.0)
    return quiet.null_if_never_fired(counts.null_if_never_fired(scores))
