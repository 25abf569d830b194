"""The waves over a block find what the authors' steps find, one exemplar after the other."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.interface import Evidence, Exemplars, Failure
from benchmark.subject import load_subject
from explainers.n2g import N2G
from explainers.n2g.settings import AUTHORS, Settings
from explainers.proposers.subject import SubjectProposer
from tests.explainers.planted_rules import Sizes, contexts, evidence_of_rules, planted
from tests.explainers.rule_subject import BOS, RuleSubject, evidence_of
from tests.perf.slow_n2g import search, slow_n2g
from tests.perf.workload import TinyWorkload


def assert_same(evidence, subject, augmenter="none", **options):
    """Compare paths and values; both are given the same exemplars."""
    chosen = Settings(**options)
    proposer = SubjectProposer(subject, chosen.substitutes) if augmenter == "subject" else None
    explanations = N2G(augmenter=augmenter, **options).measured(evidence, subject)
    slow = slow_n2g(evidence, subject, chosen, weak=False, proposer=proposer)
    for one, expected in zip(explanations, slow, strict=True):
        if isinstance(one, Failure):
            assert expected == {}
            continue
        found = {path.tokens: path.activation for path in one.paths}
        assert found == pytest.approx(expected, rel=1e-4)
    return explanations, slow


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A random subject and evidence of all its layers."""
    return TinyWorkload(tmp_path_factory.mktemp("tiny"))


@pytest.mark.parametrize(
    "options",
    [{}, {"cutoff": 2}, {"mask_token": 5, "combine": "max"}, {"pivot_threshold": 1.0, "after": 0}],
)
@pytest.mark.parametrize("call_tokens", [1, 128])
def test_it_finds_the_same_paths(tiny, monkeypatch, options, call_tokens):
    # Calls that cost nothing make it worth its while to run what masked contexts share once.
    monkeypatch.setattr("benchmark.subject.prefix_cache.CPU_CALL_TOKENS", call_tokens)
    for evidence in tiny.evidence:
        _, slow = assert_same(evidence, tiny.subject, **options)
        assert slow == slow_n2g(evidence, tiny.subject, Settings(**options))


@pytest.mark.parametrize("augmenter", ["none", "subject"])
@pytest.mark.parametrize("options", [{}, dict(AUTHORS), {"weak": True}, {"remeasure": False}])
def test_a_model_is_explained_as_by_the_authors_steps(tiny, options, augmenter):
    for evidence in tiny.evidence[:1]:
        few = evidence.select(torch.arange(2))
        assert_same(few, tiny.subject, augmenter, substitutes=2, **options)


@pytest.fixture(scope="module")
def rules():
    """The planted subject and exemplars of its rules."""
    subject = planted()
    sizes = Sizes(explain=600, exemplars=5)
    return subject, evidence_of_rules(subject, contexts(subject, sizes.explain, 3), sizes)


@pytest.mark.parametrize("augmenter", ["none", "subject"])
@pytest.mark.parametrize("options", [{}, dict(AUTHORS)])
def test_planted_neurons_are_explained_as_by_the_authors_steps(rules, options, augmenter):
    subject, evidence = rules
    explanations, slow = assert_same(evidence, subject, augmenter, **options)
    assert sum(len(one.paths) for one in explanations) > 2 * len(explanations)
    if options.get("match") == "literal":
        text = contexts(subject, 3, 7)
        for one, paths in zip(explanations, slow, strict=True):
            expected = [
                [search(paths, row[: end + 1].tolist()) for end in range(len(row))] for row in text
            ]
            truth = one.max_activation * torch.tensor(expected)
            assert torch.allclose(one.simulate(text), truth, rtol=1e-4)


@pytest.fixture(scope="module")
def builtin():
    """The built-in subject, and its strongest neurons of two layers on a source file."""
    subject = load_subject(
        {"name": "solu-tiny", "kind": "builtin", "source": "solu_tiny"}, device="cpu"
    )
    ids = subject.tokenizer.encode(Path(textwrap.__file__).read_text("utf-8"))
    text = torch.tensor(ids[: len(ids) // 23 * 23]).reshape(-1, 23)[:80]
    tokens = torch.cat([torch.full((len(text), 1), subject.bos), text], 1)
    return subject, [strongest(subject, tokens, layer) for layer in (0, subject.n_layers - 1)]


def strongest(subject, tokens, layer, n=2, k=5):
    """Evidence of the neurons with the largest activations, from all contexts."""
    activations = subject.activations(tokens, layer)
    activations[:, 0] = 0
    neurons = activations.amax((0, 1)).topk(n).indices
    own = activations[..., neurons].permute(2, 0, 1)
    rows = own.amax(-1).topk(k, dim=1).indices
    exemplars = own[torch.arange(n)[:, None], rows]
    maximum = own.amax((1, 2))
    return Evidence(
        layer=layer,
        neurons=neurons,
        bos=subject.bos,
        max_activation=maximum,
        mean_activation=own.mean((1, 2)),
        firing_threshold=maximum / 2,
        exemplars=Exemplars(tokens[rows], exemplars, exemplars.argmax(-1)),
        sample=None,
    )


@pytest.mark.parametrize("options", [{}, dict(AUTHORS)])
def test_the_builtin_subject_is_explained_as_by_the_authors_steps(builtin, options):
    subject, blocks = builtin
    for evidence in blocks:
        explanations, _ = assert_same(evidence, subject, "subject", substitutes=2, **options)
        assert any(one.paths for one in explanations)


def mixed(*weights):
    """A neuron that adds up weights of the last tokens, each by its id."""

    def rule(tokens):
        recent = zip(reversed(tokens), weights, strict=False)
        return sum(weight * (token % 4) for token, weight in recent)

    return rule


ONE_AT_A_TIME = [{}, dict(AUTHORS), *({name: value} for name, value in AUTHORS.items())]


# Toy activations are small whole numbers: no part of one that single precision rounds is a
# threshold, or the two could round it to different sides.
@settings(max_examples=20)
@given(
    texts=st.lists(st.lists(st.integers(0, 7), min_size=9, max_size=9), min_size=1, max_size=4),
    weights=st.lists(st.sampled_from([-2, 0, 1, 2, 5]), min_size=1, max_size=4),
    options=st.sampled_from(ONE_AT_A_TIME),
    changed=st.fixed_dictionaries(
        {},
        optional={
            "pivot_threshold": st.sampled_from([0.41, 0.91, 1.0]),
            "after": st.integers(0, 3),
            "rescale": st.booleans(),
            "remeasure": st.booleans(),
            "prune_threshold": st.sampled_from([0.26, 0.91]),
            "importance_threshold": st.sampled_from([0.21, 0.5]),
            "augment_threshold": st.sampled_from([0.31, 0.61]),
            "activation_threshold": st.sampled_from([0.21, 0.71]),
            "cutoff": st.integers(1, 8),
        },
    ),
    augmenter=st.sampled_from(["none", "subject"]),
)
def test_toy_neurons_are_explained_as_by_the_authors_steps(
    texts, weights, options, changed, augmenter
):
    subject = RuleSubject(mixed(*weights), mixed(3, 0, *weights), len)
    evidence = evidence_of(subject, [[BOS, *text] for text in texts])
    options = {**options, **changed, "mask_token": 4, "substitutes": 2}
    if options.get("augment_threshold", 1) <= options.get("importance_threshold", 0.75):
        options["augment_threshold"] = 0.79  # what is substituted is important
    options.setdefault("augment_threshold", 0.79)
    assert_same(evidence, subject, augmenter, **options)
