"""What explainers are handed leads to nothing that they could spoil for others."""

from __future__ import annotations

import copy
import gc

import pytest
import torch

from benchmark.errors import BenchmarkError
from benchmark.files.tensor_cache import TensorCache
from benchmark.interface import SubjectModel
from benchmark.plugins.handed import MEASURED, HandedStorage, HandedSubject, handed
from benchmark.subject import Subject, load_subject
from tests.explainers.planted import PlantedSubject


@pytest.fixture(scope="module")
def subject() -> Subject:
    return load_subject({"name": "planted", "kind": "planted"})


def test_it_answers_as_the_subject_does_and_counts(subject: Subject) -> None:
    given = handed(subject)
    assert isinstance(given, SubjectModel)
    tokens = torch.tensor([[subject.bos, 21, 22, 15]])
    before = subject.tokens_run
    assert torch.equal(given.activations(tokens, 0), subject.activations(tokens, 0))
    assert subject.tokens_run == before + 2 * tokens.numel()
    assert given.tokens_run == subject.tokens_run
    for name in ("name", "n_layers", "n_ctx", "d_vocab", "bos", "device"):
        assert getattr(given, name) == getattr(subject, name)
    rows, neurons = torch.tensor([0]), torch.tensor([1])
    assert torch.equal(
        given.last_activations(tokens, 0, rows, neurons),
        subject.last_activations(tokens, 0, rows, neurons),
    )
    assert torch.equal(given.likely_next(tokens, 2), subject.likely_next(tokens, 2))


def test_it_has_what_the_contract_names_and_nothing_else() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert public(HandedSubject) == public(SubjectModel)
    assert {"last_activations", "likely_next", "n_units"} < public(SubjectModel)


@pytest.mark.parametrize(
    "name", ["model", "reader", "units", "passes", "limit_batch", "fingerprint", "__dict__"]
)
def test_it_has_neither_weights_nor_anything_to_set(subject: Subject, name: str) -> None:
    given = handed(subject)
    with pytest.raises(AttributeError, match="the subject that explainers are given has no"):
        getattr(given, name)
    with pytest.raises(AttributeError):
        setattr(given, name, None)
    with pytest.raises(AttributeError):
        given.tokens_run = 0


def test_no_reference_leads_from_it_to_the_weights(subject: Subject) -> None:
    given = handed(subject)
    assert not any(isinstance(one, Subject) for one in gc.get_referents(given))
    assert not hasattr(given.activations.__self__, "model")
    assert copy.deepcopy(given) is given


def test_its_tokenizer_is_a_copy_for_each_run(subject: Subject) -> None:
    first, second = handed(subject), handed(subject)
    before = subject.tokenizer.backend_tokenizer.to_str()
    first.tokenizer.add_tokens(["a new word"])
    first.tokenizer.pad_token = "the"
    assert first.tokenizer is first.tokenizer
    assert subject.tokenizer.backend_tokenizer.to_str() == before
    assert second.tokenizer.pad_token == subject.tokenizer.pad_token != "the"


def test_what_is_no_loaded_model_stays_what_it_is(subject: Subject) -> None:
    stand_in = PlantedSubject()
    assert handed(stand_in) is stand_in
    given = handed(subject)
    assert handed(given) is given
    assert isinstance(given, HandedSubject)


@pytest.mark.parametrize("kind", [*MEASURED, "../truth", "", "a/b", ".", 3])
def test_a_storage_keeps_measured_things_apart(kind: object, tmp_path) -> None:
    storage = HandedStorage(TensorCache(tmp_path))
    for act in (
        lambda: storage.write(kind, {"a": 1}, {"x": torch.ones(1)}),
        lambda: storage.read(kind, {"a": 1}),
    ):
        with pytest.raises(BenchmarkError, match="an explainer cannot keep tensors as"):
            act()
    assert not list(tmp_path.iterdir())


def test_a_storage_gives_back_what_was_kept(tmp_path) -> None:
    storage = HandedStorage(TensorCache(tmp_path))
    storage.write("vectors", {"a": 1}, {"x": torch.ones(2)})
    assert torch.equal(storage.read("vectors", {"a": 1})["x"], torch.ones(2))
