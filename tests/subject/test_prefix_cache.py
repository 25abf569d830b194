"""Shared prefixes are run once, and the activations are those of whole contexts."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmark.errors import BenchmarkError
from benchmark.interface import SharedPrefixes
from benchmark.subject import Subject, load_subject
from benchmark.subject.fast_paths import with_fast_paths
from benchmark.subject.mlp_units import MlpUnits
from benchmark.subject.prefix_cache import HELD_BATCHES, KeysValues, plan_calls, whole_cost
from benchmark.subject.site_reader import SiteReader
from tests.subject import checkpoints
from tests.subject.checkpoints import D_MLP, D_VOCAB, N_CTX

N_PREFIXES = 3


def variants(seed: int, n: int = 40, length: int = N_CTX) -> tuple[Tensor, SharedPrefixes]:
    """Contexts that begin as one of three prefixes and go on by chance."""
    rng = torch.Generator().manual_seed(seed)
    starts = torch.randint(1, D_VOCAB, (N_PREFIXES, length), generator=rng)
    of = torch.randint(N_PREFIXES, (n,), generator=rng)
    shared = torch.randint(1, length, (n,), generator=rng)
    new = torch.randint(1, D_VOCAB, (n, length), generator=rng)
    tokens = torch.where(torch.arange(length) < shared[:, None], starts[of], new)
    return tokens, SharedPrefixes(starts, of, shared)


def pairs(seed: int, n_contexts: int = 40, n: int = 90) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return (
        torch.randint(n_contexts, (n,), generator=rng),
        torch.randint(D_MLP, (n,), generator=rng),
    )


@pytest.fixture
def cheap_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call costs next to nothing, so that tiny contexts are worth their prefixes."""
    monkeypatch.setattr("benchmark.subject.prefix_cache.CPU_CALL_TOKENS", 1)


def subject_of(kind: str, folder: Path) -> Subject:
    if kind == "rotary":
        source = checkpoints.builtin_folder(folder, positional_embedding_type="rotary")
        return load_subject({"kind": "builtin", "name": kind, "source": str(source)}, device="cpu")
    if kind == "grouped":
        source = checkpoints.builtin_folder(folder, n_key_value_heads=1)
        return load_subject({"kind": "builtin", "name": kind, "source": str(source)}, device="cpu")
    if kind == "legacy":
        source = checkpoints.legacy_folder(folder)
        return load_subject({"kind": "local", "name": kind, "source": str(source)}, device="cpu")
    source = checkpoints.huggingface_folder(folder, kind)
    return load_subject({"kind": "transformers", "source": str(source)}, device="cpu")


@pytest.mark.usefixtures("cheap_calls")
@pytest.mark.parametrize("kind", ["rotary", "grouped", "legacy", "gpt2", "llama", "gpt_neox"])
def test_it_is_what_whole_contexts_give(kind: str, tmp_path: Path) -> None:
    subject = subject_of(kind, tmp_path / kind)
    for layer in range(subject.n_layers):
        tokens, prefixes = variants(layer)
        rows, neurons = pairs(layer)
        subject.passes.tokens_run = 0
        found = subject.last_activations(tokens, layer, rows, neurons, prefixes)
        assert 0 < subject.tokens_run < tokens.numel()
        whole = subject.activations(tokens, layer)[rows, -1, neurons]
        torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-4 * float(whole.abs().max()))
        # Nothing of one call is left for the next.
        torch.testing.assert_close(
            subject.activations(tokens, layer)[rows, -1, neurons], whole, rtol=0, atol=0
        )


@pytest.mark.usefixtures("cheap_calls")
@pytest.mark.parametrize("batch_tokens", [1, 20, 100])
def test_it_does_not_depend_on_the_batch(subject: Subject, batch_tokens: int) -> None:
    tokens, prefixes = variants(7)
    rows, neurons = pairs(7)
    expected = subject.last_activations(tokens, 2, rows, neurons)
    subject.limit_batch(batch_tokens)
    found = subject.last_activations(tokens, 2, rows, neurons, prefixes)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("cheap_calls")
def test_prefixes_that_nothing_begins_with_are_no_harm(subject: Subject) -> None:
    tokens, prefixes = variants(3, n=12)
    rows, neurons = pairs(3, n_contexts=12)
    more = SharedPrefixes(
        torch.cat([prefixes.tokens.flip(0), prefixes.tokens]),
        prefixes.prefix_of + N_PREFIXES,
        prefixes.n_shared,
    )
    torch.testing.assert_close(
        subject.last_activations(tokens, 1, rows, neurons, more),
        subject.last_activations(tokens, 1, rows, neurons),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.usefixtures("cheap_calls")
def test_memory_that_runs_out_halves_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = subject_of("rotary", tmp_path / "own")
    tokens, prefixes = variants(5)
    rows, neurons = pairs(5)
    expected = subject.last_activations(tokens, 1, rows, neurons)
    read = subject.reader.read

    def short_of_memory(part: Tensor, *arguments: Any, **options: Any) -> object:
        if part.numel() > 30:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return read(part, *arguments, **options)

    monkeypatch.setattr(subject.reader, "read", short_of_memory)
    found = subject.last_activations(tokens, 1, rows, neurons, prefixes)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert subject.batch_tokens <= 30


@pytest.mark.usefixtures("cheap_calls")
def test_a_past_that_does_not_fit_leaves_the_batch_of_whole_contexts_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = subject_of("rotary", tmp_path / "own")
    tokens, prefixes = variants(5, n=200)
    rows, neurons = pairs(5, n_contexts=200)
    expected = subject.last_activations(tokens, 1, rows, neurons)
    read, before = subject.reader.read, subject.batch_tokens

    def short_of_memory(part: Tensor, *arguments: Any, **options: Any) -> object:
        if options.get("options") and part.shape[1] < N_CTX and len(part) > 5:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return read(part, *arguments, **options)

    monkeypatch.setattr(subject.reader, "read", short_of_memory)
    found = subject.last_activations(tokens, 1, rows, neurons, prefixes)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert subject.batch_tokens == before


@pytest.mark.usefixtures("cheap_calls")
def test_what_one_batch_of_prefixes_left_is_let_go_before_the_next(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, prefixes = variants(6, n=60)
    rows, neurons = pairs(6, n_contexts=60)
    subject.limit_batch(N_CTX)  # one prefix at a time
    assert subject.reader.key_values is not None
    kept, held, alive = subject.reader.key_values.kept, [], []

    def watched(run: Callable[[Mapping[str, Any]], object]) -> list[tuple[Tensor, Tensor]]:
        alive.append(sum(each() is not None for each in held))
        found = kept(run)
        held.extend(weakref.ref(each) for pair in found for each in pair)
        return found

    monkeypatch.setattr(subject.reader.key_values, "kept", watched)
    subject.last_activations(tokens, 2, rows, neurons, prefixes)
    assert alive == [0] * N_PREFIXES


def test_few_contexts_run_whole(subject: Subject) -> None:
    tokens, prefixes = variants(1, n=2)
    rows, neurons = torch.arange(2), torch.arange(2)
    subject.passes.tokens_run = subject.passes.calls_run = 0
    subject.last_activations(tokens, 1, rows, neurons, prefixes)
    assert (subject.tokens_run, subject.calls_run) == (tokens.numel(), 1)


def test_nothing_is_kept_after_a_failure(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.subject.prefix_cache.CPU_CALL_TOKENS", 1)
    tokens, prefixes = variants(2)
    rows, neurons = pairs(2)
    expected = subject.last_activations(tokens, 2, rows, neurons)
    layers = subject.reader.model.layers
    own = type(layers[2].ln1).forward

    def broken(self: nn.Module, x: Tensor) -> Tensor:
        if x.shape[1] < N_CTX:
            raise ZeroDivisionError
        return own(self, x)

    monkeypatch.setattr(layers[2].ln1, "forward", broken.__get__(layers[2].ln1))
    with pytest.raises(ZeroDivisionError):
        subject.last_activations(tokens, 2, rows, neurons, prefixes)
    monkeypatch.undo()
    assert all(layer.attn.past is None and not layer.attn.keeps for layer in layers)
    torch.testing.assert_close(subject.last_activations(tokens, 2, rows, neurons), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prefix_of": torch.zeros(39, dtype=torch.long)}, "39 rows do not pair with 40"),
        ({"prefix_of": torch.full((40,), N_PREFIXES)}, "rows must be 0 to 2"),
        ({"n_shared": torch.zeros(40, dtype=torch.long)}, "share 1 to 15 tokens"),
        ({"n_shared": torch.full((40,), N_CTX)}, "share 1 to 15 tokens"),
        ({"n_shared": torch.ones(3, dtype=torch.long)}, "how many tokens it shares"),
        ({"n_shared": torch.ones(40)}, "how many tokens it shares"),
        ({"tokens": torch.full((N_PREFIXES, N_CTX), D_VOCAB)}, "vocabulary|out of range|ids"),
        (
            {"tokens": torch.zeros(N_PREFIXES, N_CTX, dtype=torch.long)},
            "does not begin as its prefix",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    subject: Subject, change: dict[str, Tensor], message: str
) -> None:
    tokens, prefixes = variants(0)
    with pytest.raises(BenchmarkError, match=message):
        subject.last_activations(
            tokens, 0, *pairs(0), SharedPrefixes(**{**vars(prefixes), **change})
        )


@given(
    shared=st.lists(st.integers(1, 29), max_size=60),
    batch_tokens=st.integers(1, 2000),
    call_cost=st.integers(1, 300),
)
def test_a_plan_runs_every_context_once_and_leaves_out_no_more_than_is_shared(
    shared: list[int], batch_tokens: int, call_cost: int
) -> None:
    ordered = np.array(sorted(shared, reverse=True), dtype=np.int64)
    plan = plan_calls(ordered, 30, batch_tokens, call_cost)
    assert [i for start, stop, _ in plan.calls for i in range(start, stop)] == list(
        range(len(ordered))
    )
    cost = 0
    for start, stop, left_out in plan.calls:
        assert left_out == ordered[start:stop].min()
        assert (stop - start) * (30 - left_out) <= batch_tokens or stop - start == 1
        assert (stop - start) * 30 <= HELD_BATCHES * batch_tokens or stop - start == 1
        cost += (stop - start) * (30 - left_out) + call_cost
    assert plan.cost == cost


def test_a_cheap_call_makes_small_ones() -> None:
    shared = np.arange(120, 0, -1)
    many = plan_calls(shared, 121, 1 << 13, 1)
    few = plan_calls(shared, 121, 1 << 16, 1 << 14)
    assert len(many.calls) > 10
    assert len(few.calls) == 1
    # Half of the square, and a little more, of what whole contexts cost.
    assert many.cost < 0.55 * whole_cost(120, 121, 1 << 13, 1)


class _Mixing(nn.Module):
    """An MLP whose positions depend on each other, as no transformer's do."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Identity()
        self.down = nn.Linear(1, 1)

    def forward(self, tokens: Tensor, **_: object) -> Tensor:
        mixed = self.mlp(tokens[..., None].float())
        result: Tensor = self.down(mixed.cumsum(1))
        return result


class _Forgetful:
    """Claims to go on after earlier tokens, and begins again."""

    def kept(self, run: Callable[[Mapping[str, Any]], object]) -> list[KeysValues]:
        run({})
        return []

    def given(
        self, _past: Sequence[KeysValues], _n_tokens: int, /
    ) -> AbstractContextManager[Mapping[str, Any]]:
        return nullcontext({})


def test_a_fast_path_that_changes_something_is_not_taken() -> None:
    model = _Mixing()
    reader = SiteReader(model, MlpUnits("site", [model.down], 1))
    reader = with_fast_paths(
        reader, 0, [model.mlp], None, _Forgetful(), torch.tensor([[1, 2, 3, 4]])
    )
    assert reader.mlps is None
    assert reader.key_values is None
    found = reader.read(torch.tensor([[1, 2, 3]]), [0], lambda neurons: neurons, last=True)
    assert found[0].tolist() == [[[6.0]]]


def test_a_fast_path_that_fails_is_not_taken() -> None:
    class Broken(_Forgetful):
        def kept(self, run: Callable[[Mapping[str, Any]], object]) -> list[KeysValues]:
            raise NotImplementedError

    model = _Mixing()
    reader = SiteReader(model, MlpUnits("site", [model.down], 1))
    reader = with_fast_paths(reader, 0, None, None, Broken(), torch.tensor([[1, 2, 3, 4]]))
    assert reader.key_values is None


def test_only_the_last_position_enters_the_mlp(subject: Subject) -> None:
    seen = []
    layers = subject.reader.model.layers
    handles = [
        layer.mlp.fc_in.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
        for layer in layers
    ]
    tokens, _ = variants(0, n=4)
    found = subject.last_activations(tokens, 1, torch.arange(4), torch.arange(4))
    for handle in handles:
        handle.remove()
    assert seen == [N_CTX, 1]
    whole = subject.activations(tokens, 1)[torch.arange(4), -1, torch.arange(4)]
    torch.testing.assert_close(found, whole)
