"""A subject whose neurons are Python functions of the tokens so far, and evidence from it."""

from __future__ import annotations

import torch

from benchmark.interface import Evidence, Exemplars, Sample

BOS = 0


class Tokenizer:
    all_special_ids = (BOS,)

    def decode(self, ids):
        return "".join(f" t{token}" for token in ids)


class RuleSubject:
    """Neuron j at a position does `rules[j](tokens up to there, BOS first)`."""

    name, n_layers, n_ctx, d_vocab, bos = "rules", 1, 64, 50, BOS

    def __init__(self, *rules):
        self.rules = rules
        self.tokenizer = Tokenizer()
        self.tokens_run = 0
        self.has_unembedding = True
        self.asked = []  # every context that was run, whole

    def activations(self, tokens, layer, neurons=None):
        self.tokens_run += tokens.numel()
        self.asked += [tuple(row) for row in tokens.tolist()]
        chosen = range(len(self.rules)) if neurons is None else neurons.tolist()
        return torch.tensor(
            [
                [[float(self.rules[j](row[: p + 1])) for j in chosen] for p in range(len(row))]
                for row in tokens.tolist()
            ]
        ).reshape(*tokens.shape, len(chosen))

    def last_activations(self, tokens, layer, rows, neurons, prefixes=None):
        columns, column = neurons.unique(return_inverse=True)
        return self.activations(tokens, layer, columns)[:, -1][rows, column]

    def likely_next(self, tokens, k):
        """Always the first ids of the vocabulary, special ones included."""
        self.tokens_run += tokens.numel()
        return torch.arange(k).expand(*tokens.shape, k)


def evidence_of(subject, tokens, *, anchors=None, maximum=None, sample=None):
    """The same contexts as exemplars of every neuron; anchors are the largest text positions."""
    tokens = torch.tensor(tokens)
    n = len(subject.rules)
    activations = subject.activations(tokens, 0).permute(2, 0, 1)
    hidden = activations.masked_fill(tokens == BOS, -torch.inf)
    found = hidden.argmax(-1) if anchors is None else torch.tensor(anchors).expand(n, -1)
    top = hidden.amax((1, 2)) if maximum is None else torch.tensor([maximum] * n)
    subject.tokens_run, subject.asked = 0, []
    drawn = None
    if sample is not None:
        drawn = torch.tensor(sample)
        drawn = Sample(drawn, subject.activations(drawn, 0))
        subject.tokens_run, subject.asked = 0, []
    return Evidence(
        layer=0,
        neurons=torch.arange(n),
        bos=BOS,
        max_activation=top,
        mean_activation=activations.mean((1, 2)),
        firing_threshold=top / 2,
        exemplars=Exemplars(tokens.expand(n, *tokens.shape), activations, found),
        sample=drawn,
    )
