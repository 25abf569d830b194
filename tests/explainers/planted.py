"""A subject whose neurons follow known rules, and evidence gathered from it the slow way."""

from __future__ import annotations

import torch

from benchmark.interface import Evidence, Exemplars, Sample

VOCABULARY = ["<bos>", " the", "cat", "\n", " sat", "\t", "é", "x", "y", "z"]
BOS = 0


class Tokenizer:
    def decode(self, ids):
        return "".join(VOCABULARY[token] for token in ids)


class PlantedSubject:
    """Neuron j of layer l does `table[l][token][j]`, plus half of that on the token before."""

    name = "planted"
    n_layers = 3
    n_ctx = 64
    d_vocab = len(VOCABULARY)
    bos = BOS

    def __init__(self, d_mlp: int = 7, with_context: bool = True) -> None:
        generator = torch.Generator().manual_seed(5)
        shape = (self.n_layers, self.d_vocab, d_mlp)
        self.table = torch.randn(shape, generator=generator)
        self.table[:, :, -1] = 0  # the last neuron is dead
        self.with_context = with_context
        self.tokenizer = Tokenizer()
        self.tokens_run = 0
        self.has_unembedding = True
        self.calls = []

    def activations(self, tokens, layer, neurons=None):
        self.tokens_run += tokens.numel()
        self.calls.append((layer, None if neurons is None else neurons.tolist()))
        found = self.table[layer].to(tokens.device)[tokens]
        if self.with_context:
            found = found.clone()
            found[:, 1:] += found[:, :-1] / 2
        return found if neurons is None else found[..., neurons]

    def last_activations(self, tokens, layer, rows, neurons, prefixes=None):
        columns, column = neurons.unique(return_inverse=True)
        return self.activations(tokens, layer, columns)[:, -1][rows, column]

    def likely_next(self, tokens, k):
        self.tokens_run += tokens.numel()
        return torch.arange(1, min(k, self.d_vocab - 1) + 1).expand(*tokens.shape, -1)


def random_contexts(n: int, ctx: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    # Later ids are rarer, and BOS also stands between documents.
    weights = 1 / torch.arange(1, len(VOCABULARY) + 1)
    tokens = torch.multinomial(weights, n * ctx, replacement=True, generator=generator)
    tokens = tokens.reshape(n, ctx)
    tokens[:, 0] = BOS
    return tokens


def make_evidence(
    subject, neurons=(0, 1, 2, 3, 4), layer=1, k=3, n_sample=6, n_explain=30, ctx=8, seed=0
):
    """Evidence by brute force; the sample is the first contexts, so it overlaps the exemplars."""
    neurons = torch.tensor(neurons)
    tokens = random_contexts(n_explain, ctx, seed)
    activations = subject.activations(tokens, layer, neurons)
    subject.calls.clear()
    subject.tokens_run = 0
    text = tokens != BOS
    hidden = activations.masked_fill(~text[..., None], -torch.inf)
    top = hidden.amax(1).topk(k, dim=0).indices.T
    rows = torch.arange(len(neurons))[:, None]
    exemplar_activations = activations.permute(2, 0, 1)[rows, top]
    maximum = hidden.flatten(0, 1).amax(0)
    return Evidence(
        layer=layer,
        neurons=neurons,
        bos=BOS,
        max_activation=maximum,
        mean_activation=activations[text].mean(0),
        firing_threshold=maximum / 2,
        exemplars=Exemplars(
            tokens[top], exemplar_activations, hidden.permute(2, 0, 1)[rows, top].argmax(-1)
        ),
        sample=Sample(tokens[:n_sample], activations[:n_sample]),
    )
