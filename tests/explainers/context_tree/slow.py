"""The context tree by dictionaries: one neuron, one position, one run at a time."""

from __future__ import annotations

from collections import defaultdict


def observations(evidence, row, weight=1.0):
    """(context, position, activation, weight) of every position that counts for one neuron."""
    seen, contexts, sampled = [], [], []
    if evidence.sample is not None:
        contexts = [tuple(context) for context in evidence.sample.tokens.tolist()]
        sampled = evidence.sample.activations[..., row].tolist()
    for context, activations in zip(contexts, sampled, strict=True):
        seen += [(context, at, activations[at], 1.0) for at in range(len(context))]
    for tokens, activations in zip(
        evidence.exemplars.tokens[row].tolist(),
        evidence.exemplars.activations[row].tolist(),
        strict=True,
    ):
        if tuple(tokens) not in contexts:
            seen += [(tuple(tokens), at, activations[at], weight) for at in range(len(tokens))]
    return [entry for entry in seen if entry[0][entry[1]] != evidence.bos and entry[3] > 0]


def runs_at(context, at, depth):
    """The runs that end at a position, shortest first, each from the current token back."""
    return [
        tuple(context[at - distance] for distance in range(length))
        for length in range(1, min(depth, at + 1) + 1)
    ]


def slow_statistics(evidence, row, depth, weight):
    """{run: (count, sum)}, the empty run included; sums are of raw activations."""
    table = defaultdict(lambda: (0.0, 0.0))
    for context, at, activation, each in observations(evidence, row, weight):
        for run in [(), *runs_at(context, at, depth)]:
            count, total = table[run]
            table[run] = (count + each, total + each * activation)
    return dict(table)


def slow_values(table, kept, shrinkage, root=None):
    """{run: value} of the kept runs and the empty one, by recursion over the tree.

    With a `root` the empty run's value is that, whatever was seen.

    Upwards a node sums up what is said of it: by the positions that end in no kept child, and by
    each child, whose word counts the less the further a child may be from its parent. Downwards
    its value lies between that and its parent's value.
    """
    children = defaultdict(list)
    for run in sorted(kept):
        children[run[:-1]].append(run)

    def said(run):
        count, total = table[run]
        for child in children[run]:
            count, total = count - table[child][0], total - table[child][1]
        precision, weighted = max(count, 0), total
        for child in children[run]:
            own, mean = said(child)
            amount = shrinkage[len(child) - 1]
            strength = own * amount / (own + amount)
            precision, weighted = precision + strength, weighted + strength * mean
        return precision, weighted / precision if precision > 1e-12 else 0.0

    values = {(): said(())[1] if root is None else root}
    for run in sorted(kept, key=len):
        precision, mean = said(run)
        amount = shrinkage[len(run) - 1]
        values[run] = (precision * mean + amount * values[run[:-1]]) / (precision + amount)
    return values


def slow_simulation(values, contexts, depth):
    """The value of the longest known run at every position."""
    return [
        [
            values[next((run for run in runs_at(row, at, depth)[::-1] if run in values), ())]
            for at in range(len(row))
        ]
        for row in contexts
    ]


def runs_of(explanation):
    """{run: value in steps} of an explanation's tree."""
    found, above = {}, {0: ()}
    for level in explanation.levels:
        here = {}
        for node, (parent, token, value) in enumerate(
            zip(level.parents.tolist(), level.tokens.tolist(), level.values.tolist(), strict=True)
        ):
            here[node] = (*above[parent], token)
            found[here[node]] = value
        above = here
    return found
