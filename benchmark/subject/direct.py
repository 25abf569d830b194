"""What neurons write into the logits directly, past all layers above them.

A neuron's output weights w_out, multiplied by the unembedding W_U, say which next tokens it makes
likelier and which less likely by the shortest way. The congruence of a neuron with a token is one
entry of that product: the dot product of w_out with the token's unembedding.

Norms are folded the standard way (as TransformerLens does): the final norm's weights go into W_U,
and where it subtracts the mean of the stream, so is the mean of w_out; W_U is centred over the
vocabulary, since what raises all logits alike changes nothing. In SoLU models the LayerNorm inside
the MLP is folded into w_out likewise. The scales that norms divide by depend on the text and are
left out, so values compare tokens of a neuron and neurons of a layer, and are no logits.

Source: Miller and Neo 2023, "We Found an Neuron in GPT-2"; nostalgebraist 2020, "interpreting GPT:
the logit lens".
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from benchmark.errors import BenchmarkError
from benchmark.subject.checks import checked_layer, checked_neurons
from benchmark.subject.intervene import outward_of
from benchmark.subject.site import SOLU_SITE

if TYPE_CHECKING:
    from benchmark.subject.subject import Subject


@dataclass(frozen=True)
class DirectEffects:
    """The direct effects of some neurons of a layer, on the CPU.

    The neuron's most congruent token is `top_tokens[:, 0]`.

    Attributes:
        layer: the layer of all neurons.
        neurons: their indices, `[n]`.
        top_tokens: the token ids that each raises most, strongest first, `[n, k]`.
        top_values: by how much, `[n, k]`.
        bottom_tokens: those that each lowers most, strongest first, `[n, k]`.
        bottom_values: by how much (negative), `[n, k]`.
        cosine: of w_out and the unembedding of the most congruent token, `[n]`.
        partner_layers: the layer of that token's most congruent neuron of all layers, `[n]`.
        partner_neurons: that neuron's index, `[n]`.
    """

    layer: int
    neurons: Int[Tensor, " n"]
    top_tokens: Int[Tensor, "n k"]
    top_values: Float[Tensor, "n k"]
    bottom_tokens: Int[Tensor, "n k"]
    bottom_values: Float[Tensor, "n k"]
    cosine: Float[Tensor, " n"]
    partner_layers: Int[Tensor, " n"]
    partner_neurons: Int[Tensor, " n"]

    @property
    def mutual(self) -> Bool[Tensor, " n"]:
        """Whether each neuron is itself the one that its most congruent token is congruent with."""
        return (self.partner_layers == self.layer) & (self.partner_neurons == self.neurons)


def direct_effects(
    subject: Subject, layer: int, neurons: Int[Tensor, " n"] | Sequence[int], k: int = 10
) -> DirectEffects:
    """The direct effects of some neurons of a layer, all at once; no text is run.

    Args:
        subject: the language model.
        layer: the neurons' layer.
        neurons: their indices.
        k: how many top and bottom tokens; at most all.

    Raises:
        BenchmarkError: the subject has no such neurons or no output distribution.
    """
    layer = checked_layer(layer, subject.n_layers, subject.name)
    wanted = checked_neurons(neurons, subject.d_mlp, subject.name, subject.device)
    assert wanted is not None
    k = min(k, subject.d_vocab)
    with torch.no_grad():
        unembedding = _unembedding(subject)
        written = output_weights(subject, layer)[wanted]
        effects = written @ unembedding.T
        top, bottom = effects.topk(k), (-effects).topk(k)
        best = top.indices[:, 0]
        cosine = nn.functional.cosine_similarity(written, unembedding[best])
        tokens, place = best.unique(return_inverse=True)
        layers, partners = _most_congruent(subject, unembedding[tokens])
    return DirectEffects(
        layer=layer,
        neurons=wanted.cpu(),
        top_tokens=top.indices.cpu(),
        top_values=top.values.cpu(),
        bottom_tokens=bottom.indices.cpu(),
        bottom_values=-bottom.values.cpu(),
        cosine=cosine.cpu(),
        partner_layers=layers[place].cpu(),
        partner_neurons=partners[place].cpu(),
    )


def output_weights(subject: Subject, layer: int) -> Float[Tensor, "d_mlp d_model"]:
    """What each neuron of a layer writes into the stream, norms folded, float32.

    Raises:
        BenchmarkError: the down projection is no matrix, or there is no output distribution.
    """
    outward = outward_of(subject)
    weights = _matrix(outward.down[layer], subject.name)
    if subject.site == SOLU_SITE:
        scale, centred = norm_scale(subject._sites.modules[layer], len(weights), subject)
        weights = weights * scale[:, None]
        if centred:
            weights = weights - weights.mean(0)
    after = outward.after[layer]
    width = weights.shape[1]
    if after is not None:
        scale, centred = norm_scale(after, width, subject)
        weights = (weights - weights.mean(1, keepdim=True) if centred else weights) * scale
    if norm_scale(outward.final_norm, width, subject)[1]:
        weights = weights - weights.mean(1, keepdim=True)
    return weights


# Subjects are few and live long; theirs is the one large product of the weights alone.
_UNEMBEDDINGS: weakref.WeakKeyDictionary[Subject, Tensor] = weakref.WeakKeyDictionary()


def _unembedding(subject: Subject) -> Float[Tensor, "d_vocab d_model"]:
    """Each token's unembedding, the final norm folded in, centred over the vocabulary."""
    if subject not in _UNEMBEDDINGS:
        outward = outward_of(subject)
        tokens = _matrix(outward.unembed, subject.name).T[: subject.d_vocab]
        tokens = tokens * norm_scale(outward.final_norm, tokens.shape[1], subject)[0]
        _UNEMBEDDINGS[subject] = tokens - tokens.mean(0)
    return _UNEMBEDDINGS[subject]


def _most_congruent(
    subject: Subject, unembedded: Float[Tensor, "t d_model"]
) -> tuple[Int[Tensor, " t"], Int[Tensor, " t"]]:
    """Layer and index of the neuron, of all layers, that is most congruent with each token."""
    found = [
        (unembedded @ output_weights(subject, layer).T).max(1) for layer in range(subject.n_layers)
    ]
    layers = torch.stack([one.values for one in found]).argmax(0)
    neurons = torch.stack([one.indices for one in found])
    return layers, neurons.gather(0, layers[None])[0]


def _matrix(module: nn.Module, subject: str) -> Float[Tensor, "inputs outputs"]:
    """The matrix that a linear module multiplies its inputs by, float32."""
    weight = getattr(module, "weight", None)
    if isinstance(weight, Tensor) and weight.ndim == 2:
        # GPT-2's Conv1D keeps its matrix the other way round.
        facing = weight if type(module).__name__ == "Conv1D" else weight.T
        return facing.float()
    raise BenchmarkError(
        f"'{subject}' has a {type(module).__name__} in place of a matrix on the way from its "
        "neurons to its logits: direct effects are not known."
    )


def norm_scale(
    norm: nn.Module, width: int, subject: Subject
) -> tuple[Float[Tensor, " width"], bool]:
    """What a norm multiplies each dimension by, and whether it subtracts the mean.

    Found by asking it about a vector that is normal already, because architectures keep their
    weights in different ways (as w, as 1 + w, or not at all).
    """
    probe = torch.ones(width)
    probe[1::2] = -1
    if width % 2:  # still of mean 0 and mean square 1
        probe[-3:] = torch.tensor([1.0, -0.5, -0.5]) * 2**0.5
    probe = probe.to(subject.device, subject.dtype)
    up, down, shifted = norm(torch.stack([probe, -probe, probe + 3])[None])[0].float()
    scale = (up - down) / (2 * probe.float())
    return scale, bool((shifted - up).abs().max() <= 0.01 * up.abs().max())
