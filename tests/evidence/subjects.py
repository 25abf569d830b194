"""A subject whose activations are a known function of the last two tokens."""

from __future__ import annotations

import torch

from benchmark.corpus import Contexts


class TableSubject:
    """Each neuron adds a number for the token and a number for the token before it."""

    def __init__(self, n_layers=2, d_mlp=7, d_vocab=11, batch=3, seed=0, values=None):
        generator = torch.Generator().manual_seed(seed)
        shape = (n_layers, 2, d_vocab, d_mlp)
        self.table = torch.randn(shape, generator=generator)
        if values is not None:  # few distinct values make ties
            self.table = torch.randint(0, values, shape, generator=generator).float()
        self.name, self.n_layers, self.d_mlp, self.d_vocab = "table", n_layers, d_mlp, d_vocab
        self.n_ctx, self.bos, self.device, self.dtype = 64, 0, torch.device("cpu"), torch.float32
        self.site, self.fingerprint, self.batch, self.tokens_run = "table", f"table{seed}", batch, 0
        self.runs = 0

    def everything(self, tokens, layer):
        before = torch.roll(tokens, 1, dims=1)
        before[:, 0] = 0
        return self.table[layer, 0][tokens] + self.table[layer, 1][before]

    def activations(self, tokens, layer, neurons=None):
        self.tokens_run += tokens.numel()
        found = self.everything(tokens, layer)
        return found if neurons is None else found[..., neurons]

    def n_units(self, layer):
        return self.d_mlp

    def output_norms(self, layer):
        return torch.ones(self.d_mlp)

    def stream(self, tokens, layers):
        self.runs += 1
        for start in range(0, len(tokens), self.batch):
            rows = slice(start, min(start + self.batch, len(tokens)))
            self.tokens_run += tokens[rows].numel()
            yield rows, {layer: self.everything(tokens[rows], layer) for layer in layers}


def random_contexts(n=20, ctx=9, d_vocab=11, documents=6, seed=0, split="explain"):
    """Contexts in which documents begin anywhere, a BOS (0) before each."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, d_vocab, (n, ctx), generator=generator)
    tokens[:, 0] = 0
    starts = torch.zeros(n, ctx, dtype=torch.bool)
    places = torch.randperm(n * ctx, generator=generator)[: documents - 1]
    starts.view(-1)[places] = True
    starts[:, 0] = False
    starts[0, 0] = True
    document = starts.view(-1).cumsum(0).view(n, ctx) - 1
    tokens[starts] = 0
    return Contexts(split=split, bos=0, tokens=tokens, documents=document)
