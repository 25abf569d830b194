"""Direct effects: what neurons write into the logits directly, past all layers above them.

A neuron's output weights w_out, multiplied by the unembedding W_U, say which next tokens it makes
likelier and which less likely by the shortest way. The congruence of a neuron with a token is one
entry of that product: the dot product of w_out with the token's unembedding.

Norms are folded the standard way (as TransformerLens does): the final norm's weights go into W_U,
which is centred over the vocabulary, since what raises all logits alike changes nothing; those
between the neuron and the stream go into w_out (see `Units.output_weights`). The scales
that norms divide by depend on the text and are left out, so values compare tokens of a neuron and
neurons of a layer, and are no logits.

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

from benchmark.subject.checks import checked_layer, checked_neurons
from benchmark.subject.intervene import output_path_of
from benchmark.subject.output_path import matrix_of, norm_scale, require_matrix
from benchmark.subject.units import layers_with_units

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
        """Return whether each neuron is itself its most congruent token's most congruent neuron."""
        return (self.partner_layers == self.layer) & (self.partner_neurons == self.neurons)


def direct_effects(
    subject: Subject, layer: int, neurons: Int[Tensor, " n"] | Sequence[int], k: int = 10
) -> DirectEffects:
    """Return the direct effects of some neurons of a layer, all at once; no text is run.

    Args:
        subject: the language model.
        layer: the neurons' layer.
        neurons: their indices.
        k: how many top and bottom tokens; at most all.

    Raises:
        BenchmarkError: the subject has no such neurons or no output distribution.
    """
    layer = checked_layer(layer, subject.n_layers, subject.name)
    wanted = checked_neurons(neurons, subject.units.n_units(layer), subject.name, subject.device)
    assert wanted is not None
    k = min(k, subject.d_vocab)
    with torch.no_grad():
        unembedding = _unembedding(subject)
        written = _output_weights(subject, layer)[wanted]
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


# Subjects are few and live long; theirs is the one large product of the weights alone.
_UNEMBEDDINGS: weakref.WeakKeyDictionary[Subject, Tensor] = weakref.WeakKeyDictionary()


def _unembedding(subject: Subject) -> Float[Tensor, "d_vocab d_model"]:
    """Return each token's unembedding, the final norm folded in, centred over the vocabulary."""
    if subject not in _UNEMBEDDINGS:
        path, device = output_path_of(subject), subject.device
        matrix = require_matrix(matrix_of(path.unembed), subject.name, "unembedding")
        tokens = matrix.T[: subject.d_vocab]
        tokens = tokens * norm_scale(path.final_norm, tokens.shape[1], device, subject.dtype)[0]
        _UNEMBEDDINGS[subject] = tokens - tokens.mean(0)
    return _UNEMBEDDINGS[subject]


def _output_weights(subject: Subject, layer: int) -> Float[Tensor, "n_units d_model"]:
    """Return what each unit of a layer writes into the stream.

    Raises:
        BenchmarkError: it is not known.
    """
    weights = subject.units.output_weights(layer)
    return require_matrix(weights, subject.name, f"output weights of layer {layer}")


def _most_congruent(
    subject: Subject, unembedded: Float[Tensor, "t d_model"]
) -> tuple[Int[Tensor, " t"], Int[Tensor, " t"]]:
    """Return layer and index of the unit, of all layers, most congruent with each token."""
    layers = torch.tensor(layers_with_units(subject.units, subject.n_layers))
    best = [(unembedded @ _output_weights(subject, layer).T).max(1) for layer in layers.tolist()]
    place = torch.stack([each.values for each in best]).argmax(0)
    neurons = torch.stack([each.indices for each in best]).gather(0, place[None])[0]
    return layers.to(place.device)[place], neurons
