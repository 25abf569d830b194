"""Simulation: against a slow twin, together and alone, saved and loaded, and its properties."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch

from explainers.fasttext import FastText, FastTextExplanation
from explainers.fasttext.joints import Joints
from explainers.fasttext.pieces import TOKENS_OF_A_PIECE
from explainers.fasttext.table import UNIT, Table
from explainers.fasttext.words import keys_of, tokens_of_key
from tests.explainers.fasttext.test_words import TEXTS, slow_words

JOINTS = Joints.of(TEXTS, 0)


def random_keys(rng, n, longest):
    found = {
        tuple(rng.randrange(1, len(TEXTS)) for _ in range(rng.randint(1, longest)))
        for _ in range(n)
    }
    return keys_of(sorted(found)), len(found)


def random_explanation(seed):
    rng = random.Random(seed)
    words, n_words = random_keys(rng, rng.choice((0, 3, 60)), 5)
    pieces, n_pieces = random_keys(rng, rng.choice((0, 3, 30)), TOKENS_OF_A_PIECE)
    table = Table(
        words,
        np.array([rng.randint(-50, UNIT) for _ in range(n_words)], dtype=np.int64),
        pieces,
        np.array([rng.randint(1, UNIT) for _ in range(n_pieces)], dtype=np.int64),
        rng.randint(-30, 60),
        (rng.randint(0, UNIT), rng.randint(0, UNIT), rng.randint(0, UNIT)),
        rng.uniform(0.01, 9.0),
    )
    return FastTextExplanation((), (), 0.25, 0.5, 0.9, "none", table, JOINTS)


def slow_simulate(one, tokens):
    """Word by word, in dictionaries and double precision."""
    table = one.table
    words = dict(zip(map(tokens_of_key, table.words), table.values.tolist(), strict=True))
    pieces = dict(zip(map(tokens_of_key, table.pieces), table.piece_values.tolist(), strict=True))
    result = np.zeros(tokens.shape)
    for row, context in enumerate(tokens.tolist()):
        for start, stop in slow_words([TEXTS[token] for token in context]):
            word = tuple(context[start:stop])
            inside = [
                pieces.get(word[i:j], table.rest)
                for i in range(len(word))
                for j in range(i + 1, min(len(word), i + TOKENS_OF_A_PIECE) + 1)
            ]
            value = words.get(word, max([table.rest, *inside]))
            for at in range(start, stop):
                place = 2 if at == stop - 1 else 0 if at == start else 1
                share = 1 if len(word) == 1 else table.profile[place] / UNIT
                part = table.rest + (value - table.rest) * share
                result[row, at] = part / UNIT * table.maximum
    return result


def contexts(n, length, seed):
    rng = random.Random(seed)
    tokens = [[0, *(rng.randrange(len(TEXTS)) for _ in range(length - 1))] for _ in range(n)]
    return torch.tensor(tokens)


@pytest.mark.parametrize("seed", range(12))
def test_it_is_what_looking_up_word_by_word_gives(seed):
    tokens = contexts(6, 20, seed)
    one = random_explanation(seed)
    found = one.simulate(tokens)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), slow_simulate(one, tokens), rtol=1e-5, atol=1e-6)


def test_together_alone_and_row_by_row_are_the_same_to_the_last_bit():
    many = [random_explanation(seed) for seed in range(15)]
    many.append(FastTextExplanation.from_dict(many[0].to_dict()))  # other joints, equal ones
    tokens = contexts(7, 15, 99)
    together = FastText().simulate_block(many, tokens)
    for row, one in enumerate(many):
        assert torch.equal(one.simulate(tokens), together[..., row])
        for at in range(7):
            assert torch.equal(one.simulate(tokens[at : at + 1])[0], together[at, :, row])


@pytest.mark.parametrize("seed", range(6))
def test_saved_and_loaded_nothing_is_lost(seed):
    one = random_explanation(seed)
    data = json.loads(json.dumps(one.to_dict()))
    again = FastTextExplanation.from_dict(data)
    assert again.to_dict() == data
    tokens = contexts(4, 9, seed)
    assert torch.equal(again.simulate(tokens), one.simulate(tokens))
    assert again.describe() == one.describe()


def test_what_stands_in_other_words_does_not_matter():
    """A prediction depends on the token's own word and on nothing else."""
    one = random_explanation(2)
    space, sign = TEXTS.index(" "), TEXTS.index(".")
    rng = random.Random(0)
    middle = [rng.randrange(1, len(TEXTS)) for _ in range(6)]
    found = []
    for _ in range(5):
        left = [rng.randrange(1, len(TEXTS)) for _ in range(4)]
        right = [rng.randrange(1, len(TEXTS)) for _ in range(4)]
        tokens = torch.tensor([[0, *left, sign, space, *middle, sign, space, *right]])
        found.append(one.simulate(tokens)[0, 7:13])
    assert all(torch.equal(found[0], other) for other in found[1:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_activation": float("nan")}, "not finite"),
        ({"table": [[5, 1], [6, 1]]}, "there twice"),
        ({"table": [[5]]}, "no token ids"),
        ({"table": [[5, -3]]}, "no token ids"),
        ({"pieces": [[5, 1, 2, 3, 4, 5]]}, "a piece of more than 4 tokens"),
        ({"joints": {"ids": 3, "bits": "AAAA"}}, "damaged"),
        ({"joints": "01g"}, "hexadecimal"),
        ({"joints": ""}, "hexadecimal"),
        ({"profile": [1]}, "unpack"),
    ],
)
def test_damaged_files_are_refused(change, message):
    data = {**random_explanation(1).to_dict(), **change}
    with pytest.raises(ValueError, match=message):
        FastTextExplanation.from_dict(data)
