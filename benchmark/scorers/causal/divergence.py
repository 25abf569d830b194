"""Divergence of two next-token distributions, and how well one predicts the text."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

# Logits looked at together. On CPU more would only leave the processor's caches.
CPU_LOGITS = 1 << 19
CUDA_LOGITS = 1 << 27
# Half the difference of two log probabilities below which the series is the exacter formula.
SMALL = 0.5
LOWEST = -1e4
LOG_2 = 0.6931471805599453


def jensen_shannon(
    log_p: Float[Tensor, "*shape d_vocab"], log_q: Float[Tensor, "*shape d_vocab"]
) -> Float[Tensor, "*shape"]:
    """Return the Jensen-Shannon divergence of distributions given by their log probabilities, in
    nats.

    JSD(p || q) = ½ KL(p || m) + ½ KL(q || m) with m = ½ (p + q), between 0 and log 2. What the
    textbook formula subtracts is nearly equal where p and q are close, as they are when one neuron
    changes. Here each token's share is written with t = ½ (log q - log p):
    ½ [q (t - log cosh t) - p (t + log cosh t)], which for small t is
    √(p q) (½ t² + t⁶/144 - t⁸/720 + ...). No share is negative, and equal distributions give
    exactly 0.

    Source: Lin 1991, "Divergence measures based on the Shannon entropy".
    """
    t = (log_q - log_p).mul_(0.5)
    square = t * t
    series = (square * (-1 / 360)).add_(1 / 72).mul_(square).mul_(square).add_(1).mul_(square)
    series.mul_((log_p + log_q).mul_(0.5).exp_()).mul_(0.5)
    if square.numel() and float(square.max()) > SMALL**2:
        large = square > SMALL**2
        at, of_p, of_q = t[large], log_p[large].exp(), log_q[large].exp()
        # log cosh t = |t| - rest; |t| is taken together with t before anything is rounded.
        rest = LOG_2 - torch.log1p(torch.exp(-2 * at.abs()))
        up, down = 2 * at.clamp(min=0), 2 * at.clamp(max=0)
        series[large] = 0.5 * (of_q * (down + rest) - of_p * (up - rest))
    return series.sum(-1)


@dataclass(frozen=True)
class Reference:
    """What the untouched subject says on some contexts.

    Attributes:
        tokens: token ids, `[b, ctx]`.
        scored: positions whose next-token distribution is compared, `[b, ctx]`.
        log_probabilities: of the next token, `[b, ctx, d_vocab]`.
    """

    tokens: Int[Tensor, "b ctx"]
    scored: Bool[Tensor, "b ctx"]
    log_probabilities: Float[Tensor, "b ctx d_vocab"]

    def divergence(
        self, rows: Int[Tensor, " r"], logits: Float[Tensor, "r ctx d_vocab"]
    ) -> Float[Tensor, " r"]:
        """Sum over a context's scored positions of the divergence of logits from the subject's.

        Args:
            rows: which context each of the logits is of.
            logits: the changed subject's.
        """
        sums = torch.zeros(len(rows), dtype=torch.float64)
        for part in _parts(logits):
            at = rows[part].to(logits.device)
            changed = log_probabilities(logits[part])
            divergence = jensen_shannon(self.log_probabilities[at], changed)
            sums[part] = (divergence * self.scored[at]).sum(1, dtype=torch.float64).cpu()
        return sums


def cross_entropy(
    tokens: Int[Tensor, "r ctx"],
    predicted: Bool[Tensor, "r ctx"],
    logits: Float[Tensor, "r ctx d_vocab"],
) -> Float[Tensor, " r"]:
    """Sum over a context's positions of the negative log probability of the next token, nats.

    Args:
        tokens: token ids.
        predicted: positions that count; never the last one of a context.
        logits: the subject's, on the same device.
    """
    sums = torch.zeros(len(tokens), dtype=torch.float64)
    for part in _parts(logits):
        chosen = log_probabilities(logits[part, :-1])
        losses = -chosen.gather(2, tokens[part, 1:, None])[..., 0]
        sums[part] = (losses * predicted[part, :-1]).sum(1, dtype=torch.float64).cpu()
    return sums


def log_probabilities(logits: Float[Tensor, "*shape d_vocab"]) -> Float[Tensor, "*shape d_vocab"]:
    """Log probabilities in float32, whatever the subject's precision; an impossible token's is low.

    Finite everywhere, because the difference of two infinities is not a number.
    """
    return torch.log_softmax(logits, dim=-1, dtype=torch.float32).clamp_(min=LOWEST)


def _parts(logits: Tensor) -> list[slice]:
    """Return rows of logits in parts of bounded size."""
    at_once = CUDA_LOGITS if logits.is_cuda else CPU_LOGITS
    size = max(1, at_once // max(1, logits[0].numel())) if len(logits) else 1
    return [slice(start, start + size) for start in range(0, len(logits), size)]
