"""Options, what a person reads, and what is saved."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import BenchmarkError
from benchmark.interface import Evidence, Exemplars, Failure
from explainers.max_examples import MaxExamples, MaxExamplesExplanation
from tests.explainers.planted import BOS, PlantedSubject

WORDS = ["<bos>", " the", " cat", " sat", "\n", "    ", ".", " on", " mat"]


class Tokenizer:
    def decode(self, ids):
        return "".join(WORDS[token] for token in ids)


def evidence():
    tokens = torch.tensor([[BOS, 1, 2, 3, 4, 5, 2, 6], [BOS, 7, 1, 2, BOS, 1, 2, 3]])
    activations = torch.tensor(
        [[9.0, 0.0, 8.0, 2.0, 0.1, 0.0, 4.1, -1.0], [9.0, 0.0, 0.5, 6.0, 9.0, 0.0, 6.0, 0.0]]
    )
    return Evidence(
        layer=0,
        neurons=torch.tensor([3]),
        bos=BOS,
        max_activation=torch.tensor([8.0]),
        mean_activation=torch.tensor([0.1]),
        firing_threshold=torch.tensor([4.0]),
        exemplars=Exemplars(tokens[None], activations[None], torch.tensor([[2, 3]])),
        sample=None,
    )


def explained(**options):
    subject = PlantedSubject()
    subject.tokenizer = Tokenizer()
    (found,) = MaxExamples(**options).explain(evidence(), subject)
    assert subject.tokens_run == 0
    return found


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.1, 1 / 6, 20 / 3, 1.0]),
        ({"longest": 1}, [0.1, 1 / 6, 24.1 / 4, 1.0]),
        ({"longest": 2, "combine": "max"}, [0.1, 0.5, 8.0, 2.0]),
        ({"longest": 2, "combine": "min"}, [0.1, 0.0, 6.0, 0.0]),
        ({"combine": "median"}, [0.1, 0.0, 6.0, 1.0]),
        ({"shortest": 2, "resting": "zero"}, [0.0, 0.0, 20 / 3, 1.0]),
        ({"shortest": 4}, [0.1, 0.1, 0.1, 0.1]),
        ({"exemplars": 1}, [0.1, 0.0, 8.0, 2.0]),
    ],
)
def test_known_answers(options, expected):
    """The text is a word that no exemplar has, and " the cat sat", which two of them have."""
    found = explained(**options).simulate(torch.tensor([[BOS, 8, 1, 2, 3]]))[0]
    assert found[0] == pytest.approx(expected[0])
    assert found[1:].tolist() == pytest.approx(expected)


def test_what_a_person_sees():
    assert explained().describe().splitlines() == [
        "2 exemplars of 8 tokens; largest activation 8; 0.1 where nothing matches",
        "fires (at 5 tenths and above) on ·cat ×2",
        "‹token›⁷ did 7 tenths of the largest activation; unmarked ones less than 5",
        "      8  [start] the‹ cat›¹⁰ sat↵··‹ cat›⁵.",
        "      6  [start] on the‹ cat›⁷[start] the‹ cat›⁷ sat",
    ]


def test_exemplars_that_read_the_same_are_one_line():
    once = evidence()
    parts = [part for part in vars(once.exemplars).values() if part is not None]
    often = (part.repeat_interleave(9, 1) for part in parts)
    twice = Evidence(**{**vars(once), "exemplars": Exemplars(*often)})
    subject = PlantedSubject()
    subject.tokenizer = Tokenizer()
    (one,) = MaxExamples().explain(twice, subject)
    assert one.describe().splitlines()[3].endswith(". ×9")
    assert len(one.describe().splitlines()) == 5


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(1, 25))
def test_any_description_fits_a_screen(seed, ctx, k):
    rng = np.random.default_rng(seed)
    tokens = torch.from_numpy(rng.integers(1, len(WORDS), (1, k, ctx)))
    activations = torch.from_numpy(rng.normal(size=(1, k, ctx)) ** 3).float() * 1e-5
    base = vars(evidence())
    subject = PlantedSubject()
    subject.tokenizer = Tokenizer()
    one = Evidence(
        **{
            **base,
            "exemplars": Exemplars(tokens, activations, activations.argmax(-1)),
            "max_activation": activations.amax((1, 2)).clamp(min=1e-30),
        }
    )
    (found,) = MaxExamples().explain(one, subject)
    lines = found.describe().splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100
    assert "#" not in found.describe()  # every token that is shown has its text


def test_activations_that_are_not_finite_are_a_failure():
    broken = evidence()
    broken.exemplars.activations[0, 1, 2] = torch.nan
    (found,) = MaxExamples().explain(broken, PlantedSubject())
    assert isinstance(found, Failure)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"longest": 0}, "longest of max_examples must be a whole number of at least 1, not 0"),
        ({"shortest": True}, "shortest of max_examples must be a whole number"),
        ({"shortest": 3, "longest": 2}, "longest must be at least shortest"),
        ({"exemplars": 1.5}, "not 1.5"),
        ({"combine": "men"}, "did you mean 'mean'"),
        ({"resting": "median"}, "resting of max_examples 'median' is not known"),
    ],
)
def test_an_option_that_cannot_be(options, message):
    with pytest.raises(BenchmarkError, match=message):
        MaxExamples(**options)


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": [[1, 2]]},
        {"tokens": [1, 2], "activations": [1.0, 2.0]},
        {"activations": [[1.0]]},
        {"activations": np.full((2, 8), np.nan).tolist()},
        {"shape": [2, 9], "tokens": ["u1", "AAAA"], "activations": "AAAA"},
        {"shape": [1, 1], "tokens": ["u1", "no base64!"], "activations": "AAAA"},
        {"combine": "sum"},
        {"resting": float("inf")},
    ],
)
def test_a_damaged_explanation_is_refused(change):
    with pytest.raises(ValueError, match=r"shape|base64|finite|combined"):
        MaxExamplesExplanation.from_dict({**explained().to_dict(), **change})
