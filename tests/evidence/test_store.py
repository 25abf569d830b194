"""Evidence and truth are the subject's own activations, cached under all that determines them."""

from __future__ import annotations

import errno
import itertools
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from benchmark.corpus import Corpus
from benchmark.errors import BenchmarkError
from benchmark.evidence import (
    Block,
    EvidenceSettings,
    EvidenceStore,
    draw_neurons,
)
from benchmark.evidence.small import content_rows
from benchmark.files.tensor_cache import TensorCache
from tests.evidence.subjects import TableSubject, random_contexts

SETTINGS = EvidenceSettings(
    explain=None,
    sample=6,
    exemplars=3,
    held_out=None,
    uniform=5,
    small=4,
    small_tokens=3,
    top=4,
    seed=0,
)


def make_corpus(seed=0, name="made-up"):
    splits = {
        "explain": random_contexts(n=20, documents=9, seed=seed),
        "calibrate": random_contexts(n=3, seed=seed + 1, split="calibrate"),
        "held_out": random_contexts(n=12, documents=5, seed=seed + 2, split="held_out"),
    }
    return Corpus(name, splits, {}, f"corpus{seed}", 9)


def make_store(folder, *, subject=None, corpus=None, settings=SETTINGS):
    return EvidenceStore(
        subject or TableSubject(), corpus or make_corpus(), settings, TensorCache(folder)
    )


def blocks_of(*layers, neurons=(0, 2, 5)):
    return [Block(i, layer, torch.tensor(neurons)) for i, layer in enumerate(layers)]


def test_evidence_holds_the_true_activations(tmp_path):
    subject = TableSubject()
    store = make_store(tmp_path, subject=subject)
    for block in blocks_of(0, 1):
        evidence = store.evidence(block)
        exemplars, sample = evidence.exemplars, evidence.sample
        for i, neuron in enumerate(block.neurons.tolist()):
            true = subject.everything(exemplars.tokens[i], block.layer)[..., neuron]
            torch.testing.assert_close(exemplars.activations[i], true)
            text = exemplars.tokens[i] != 0
            strongest = true.masked_fill(~text, -torch.inf).argmax(-1)
            assert exemplars.anchors[i].tolist() == strongest.tolist()
            peaks = true.masked_fill(~text, -torch.inf).amax(-1)
            assert peaks.tolist() == sorted(peaks.tolist(), reverse=True)
            assert float(peaks[0]) == pytest.approx(float(evidence.max_activation[i]))
            true = subject.everything(sample.tokens, block.layer)[..., neuron]
            torch.testing.assert_close(sample.activations[..., i], true)


def test_truth_holds_the_true_activations_of_every_scoring_set(tmp_path):
    subject = TableSubject()
    store = make_store(tmp_path, subject=subject)
    held_out = store.held_out.tokens
    for block in blocks_of(0, 1):
        truth = store.truth(block)
        for scoring_set in ("uniform", "uniform_small", "top", "top_and_random"):
            rows, values = truth.rows(scoring_set), truth.activations(scoring_set)
            for i, neuron in enumerate(block.neurons.tolist()):
                true = subject.everything(truth.tokens[rows[i]], block.layer)[..., neuron]
                torch.testing.assert_close(values[i], true)
        for i, neuron in enumerate(block.neurons.tolist()):
            everywhere = subject.everything(held_out, block.layer)[..., neuron]
            peaks = everywhere.masked_fill(held_out == 0, -torch.inf).amax(1)
            of_top = truth.top_activations[i].masked_fill(
                truth.tokens[truth.top[i]] == 0, -torch.inf
            )
            assert of_top.amax(1).tolist() == peaks.sort(descending=True).values[:4].tolist()


@pytest.mark.parametrize("shard", [512, 3])
def test_the_small_set_is_the_same_whatever_the_seed_and_the_rest(tmp_path, shard):
    """Nor does it change the other sets: those of a store without one are the same."""
    block, found = blocks_of(1)[0], []
    changes = ({}, {"seed": 1}, {"uniform": 2}, {"uniform": 12}, {"held_out": 6}, {"top": 1})
    for number, change in enumerate(changes):
        settings = replace(SETTINGS, shard=shard, **change)
        truth = make_store(tmp_path / str(number), settings=settings).truth(block)
        none = replace(settings, small=0)
        without = make_store(tmp_path / f"{number}-none", settings=none).truth(block)
        for scoring_set in ("uniform", "novel", "top"):
            rows, others = truth.rows(scoring_set), without.rows(scoring_set)
            assert torch.equal(truth.tokens[rows], without.tokens[others])
            assert torch.equal(truth.scored(scoring_set), without.scored(scoring_set))
            assert torch.equal(truth.activations(scoring_set), without.activations(scoring_set))
        assert not without.scored("uniform_small").any()
        small = truth.small
        tokens = truth.tokens[small.rows]
        found.append((tokens, small.text, small.activations, small.documents))
        position = torch.arange(9).expand(4, -1)
        assert torch.equal(small.text, (position >= 1) & (position <= 3) & (tokens != 0))
    for one in found[1:]:
        assert all(torch.equal(*pair) for pair in zip(one, found[0], strict=True))
    other = make_store(tmp_path / "other", corpus=make_corpus(seed=5)).truth(block)
    assert not torch.equal(other.tokens[other.small.rows], found[0][0])


def test_a_draw_by_content_is_a_part_of_a_larger_one():
    tokens = make_corpus().splits["held_out"].tokens
    rows = [set(content_rows(tokens, "corpus", n).tolist()) for n in (0, 3, 7, 12, 50)]
    assert [len(some) for some in rows] == [0, 3, 7, 12, 12]
    assert all(one <= other for one, other in itertools.pairwise(rows))
    turned = content_rows(tokens.flip(0), "corpus", 3)
    assert {11 - row for row in turned.tolist()} == rows[1]
    assert set(content_rows(tokens, "another", 3).tolist()) != rows[1]


def test_explain_and_held_out_text_never_meet(tmp_path):
    store = make_store(tmp_path)
    block = blocks_of(0)[0]
    seen = {tuple(context) for context in store.explain.tokens.tolist()}
    evidence = store.evidence(block)
    assert {tuple(c) for c in evidence.sample.tokens.tolist()} <= seen
    assert {tuple(c) for c in evidence.exemplars.tokens.flatten(0, 1).tolist()} <= seen
    held_out = {tuple(context) for context in store.held_out.tokens.tolist()}
    assert {tuple(c) for c in store.truth(block).tokens.tolist()} <= held_out


def test_blocks_of_many_layers_share_the_passes(tmp_path):
    subject = TableSubject(n_layers=3)
    store = make_store(tmp_path, subject=subject)
    store.prepare(blocks_of(0, 1, 2), calibrate=True)
    contexts = [store.explain, store.tables.contexts("held_out"), store.calibrate]
    assert subject.runs == 3
    assert subject.tokens_run == sum(split.tokens.numel() for split in contexts)
    for block in blocks_of(0, 1, 2):
        store.evidence(block), store.truth(block), store.calibration_truth(block)
    assert subject.runs == 3


def test_all_neurons_take_as_many_passes_as_one(tmp_path):
    everything = [Block(layer, layer, torch.arange(7)) for layer in (0, 1)]
    subject = TableSubject()
    store = make_store(tmp_path, subject=subject)
    store.prepare(everything)
    held_out = store.tables.contexts("held_out")
    expected = store.explain.tokens.numel() + held_out.tokens.numel()
    assert subject.tokens_run == expected


def test_shards_give_the_same_as_one_piece(tmp_path):
    block = blocks_of(1)[0]
    whole = make_store(tmp_path / "a")
    small = make_store(tmp_path / "b", settings=replace(SETTINGS, shard=3))
    evidence, expected = small.evidence(block), whole.evidence(block)
    for name in ("max_activation", "mean_activation", "firing_threshold"):
        torch.testing.assert_close(getattr(evidence, name), getattr(expected, name))
    assert torch.equal(evidence.exemplars.tokens, expected.exemplars.tokens)
    assert torch.equal(evidence.exemplars.activations, expected.exemplars.activations)
    assert torch.equal(evidence.sample.activations, expected.sample.activations)
    truth, whole_truth = small.truth(block), whole.truth(block)
    assert torch.equal(truth.top, whole_truth.top)
    assert torch.equal(truth.top_activations, whole_truth.top_activations)
    assert torch.equal(truth.uniform_activations, whole_truth.uniform_activations)


def test_a_capture_that_was_lost_is_made_again_alone(tmp_path, monkeypatch):
    settings = replace(SETTINGS, shard=4)
    block = blocks_of(1)[0]
    expected = make_store(tmp_path / "a", settings=settings).evidence(block)

    class Killed(BaseException):
        pass

    subject = TableSubject()
    store = make_store(tmp_path / "b", subject=subject, settings=settings)
    capture, made = store.capture, []

    def dies(one, advance):
        if len(made) == 3:
            raise Killed
        made.append(one)
        capture(one, advance)

    monkeypatch.setattr(store, "capture", dies)
    with pytest.raises(Killed):
        store.prepare([block])
    subject.tokens_run = 0
    store = make_store(tmp_path / "b", subject=subject, settings=settings)
    evidence = store.evidence(block)
    assert subject.tokens_run == store.explain.tokens[12:].numel()  # of five, three were made
    assert torch.equal(evidence.exemplars.activations, expected.exemplars.activations)
    assert torch.equal(evidence.mean_activation, expected.mean_activation)
    assert torch.equal(evidence.sample.activations, expected.sample.activations)


def test_without_a_sample_none_is_captured(tmp_path):
    store = make_store(tmp_path)
    store.prepare(blocks_of(0, 1), sample=False)
    evidence = store.evidence(blocks_of(0)[0], sample=False)
    assert evidence.sample is None
    assert not (tmp_path / "sample").exists()
    assert store.is_cached(blocks_of(0)[0], sample=False)
    assert not store.is_cached(blocks_of(0)[0])


def test_neurons_are_read_whatever_the_blocks_they_were_measured_in(tmp_path):
    make_store(tmp_path / "a").prepare(blocks_of(1, neurons=(0, 2, 5)), calibrate=True)
    make_store(tmp_path / "a").prepare(blocks_of(1, neurons=(1, 2, 6)), calibrate=True)
    subject = TableSubject()
    store = make_store(tmp_path / "a", subject=subject)
    mixed = Block(0, 1, torch.tensor([6, 0, 2, 1]))
    assert store.is_cached(mixed, calibrate=True)
    expected = make_store(tmp_path / "b")
    found, wanted = store.evidence(mixed), expected.evidence(mixed)
    assert torch.equal(found.sample.activations, wanted.sample.activations)
    assert torch.equal(found.exemplars.activations, wanted.exemplars.activations)
    truth, true = store.truth(mixed), expected.truth(mixed)
    for name in ("tokens", "uniform", "top", "uniform_activations", "top_activations"):
        assert torch.equal(getattr(truth, name), getattr(true, name)), name
    calibration = expected.calibration_truth(mixed).activations
    assert torch.equal(store.calibration_truth(mixed).activations, calibration)
    assert subject.tokens_run == 0


def test_only_neurons_that_are_missing_are_measured(tmp_path):
    make_store(tmp_path).prepare(blocks_of(1, neurons=(0, 2)))
    size = sum(path.stat().st_size for path in (tmp_path / "uniform").rglob("*.safetensors"))
    make_store(tmp_path).prepare(blocks_of(1, neurons=(0, 2, 5)))
    files = sorted((tmp_path / "uniform").rglob("*.safetensors"))
    assert len(files) == 2
    assert sum(path.stat().st_size for path in files) < 2 * size


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_activations_are_kept_in_the_precision_that_is_asked_for(tmp_path, dtype):
    block = blocks_of(1)[0]
    exact = make_store(tmp_path)
    store = make_store(tmp_path, settings=replace(SETTINGS, storage=dtype))
    evidence, truth = store.evidence(block), store.truth(block)
    for found, true in (
        (evidence.sample.activations, exact.evidence(block).sample.activations),
        (evidence.exemplars.activations, exact.evidence(block).exemplars.activations),
        (truth.uniform_activations, exact.truth(block).uniform_activations),
        (truth.top_activations, exact.truth(block).top_activations),
    ):
        assert found.dtype == torch.float32
        assert torch.equal(found, true.to(getattr(torch, dtype)).float())
    assert torch.equal(evidence.max_activation, exact.evidence(block).max_activation)


def test_the_size_is_known_before(tmp_path):
    settings = replace(SETTINGS, shard=4)
    units = {0: torch.tensor([0, 2]), 1: torch.arange(7)}
    blocks = [Block(layer, layer, some) for layer, some in units.items()]
    store = make_store(tmp_path, settings=settings)
    captures = store.to_measure(units, keep=units, calibrate=True)
    predicted = store.tables.bytes_of(captures)
    # The two passes that keep activations in turn take as much room, and run more text.
    apart = store.to_measure(units, calibrate=True)
    assert store.tables.bytes_of(apart) == predicted
    assert store.tokens_of(apart) > store.tokens_of(captures)
    store.prepare(blocks, calibrate=True)
    assert store.capture_tokens == store.tokens_of(captures)
    assert store.capture_seconds > 0
    assert store.to_measure(units, calibrate=True) == []
    tables = ("sample", "exemplars", "uniform", "top_activations", "calibration")
    left = {
        kind: sum(
            tensor.numel() * tensor.element_size()
            for path in (tmp_path / kind).rglob("*.safetensors")
            for name, tensor in load_file(path).items()
            if name != "units"
        )
        for kind in tables
    }
    shared = len(store.tables.stored_rows("held_out"))  # uniform, and what it lacks of the small
    assert 5 <= shared <= 5 + 4
    stored = 9 * 4 * (6 * 9 + shared * 9 + 3 * 9)  # tokens, bytes: sample, uniform, calibrate
    ranked = 9 * 4 * (3 * 14 + 4 * 9)  # exemplars of every neuron, top of those asked for
    assert sum(left.values()) == stored + ranked
    assert sum(left.values()) <= predicted <= 4 * sum(left.values())


def test_a_disk_that_does_not_hold_it_is_refused_before_anything_runs(tmp_path, monkeypatch):
    subject = TableSubject()
    store = make_store(tmp_path, subject=subject)
    monkeypatch.setattr("benchmark.evidence.room.free_bytes", lambda folder: 70_000_000)
    monkeypatch.setattr("benchmark.evidence.room.SPARE", 70_000_000)
    with pytest.raises(BenchmarkError, match=r"neurons.*half precision.*storage.neurons"):
        store.prepare(blocks_of(0))
    assert subject.tokens_run == 0


def test_what_is_dropped_is_measured_again(tmp_path):
    store = make_store(tmp_path)
    first, second = blocks_of(1, neurons=(0, 2))[0], blocks_of(1, neurons=(5, 6))[0]
    store.prepare([first])
    store.prepare([second])
    store.drop([first])
    assert not store.is_cached(first)
    assert store.is_cached(second)
    expected = make_store(tmp_path / "b").truth(first).uniform_activations
    assert torch.equal(store.truth(first).uniform_activations, expected)


def test_a_second_store_reads_everything_from_the_cache(tmp_path):
    block = blocks_of(1)[0]
    first = make_store(tmp_path)
    evidence, truth = first.evidence(block), first.truth(block)
    subject = TableSubject()
    second = make_store(tmp_path, subject=subject)
    assert second.is_cached(block)
    again = second.evidence(block)
    assert subject.tokens_run == 0
    assert torch.equal(again.exemplars.activations, evidence.exemplars.activations)
    assert torch.equal(again.mean_activation, evidence.mean_activation)
    assert torch.equal(second.truth(block).top_activations, truth.top_activations)
    assert second.cache.misses == 0
    assert second.cache.hits == 3


CHANGES = {
    "weights": lambda s, c, e: (TableSubject(seed=9), c, e),
    "corpus": lambda s, c, e: (s, make_corpus(seed=5), e),
    "context length": lambda s, c, e: (s, replace(c, context_length=10), e),
    "site": lambda s, c, e: (_with(s, site="elsewhere"), c, e),
    "dtype": lambda s, c, e: (_with(s, dtype=torch.bfloat16), c, e),
    "seed": lambda s, c, e: (s, c, replace(e, seed=1)),
    "explain contexts": lambda s, c, e: (s, c, replace(e, explain=15)),
    "number of exemplars": lambda s, c, e: (s, c, replace(e, exemplars=2)),
    "sample": lambda s, c, e: (s, c, replace(e, sample=5)),
    "held-out contexts": lambda s, c, e: (s, c, replace(e, held_out=11)),
    "uniform contexts": lambda s, c, e: (s, c, replace(e, uniform=4)),
    "top contexts": lambda s, c, e: (s, c, replace(e, top=3)),
}


def _with(subject, **changes):
    for name, value in changes.items():
        setattr(subject, name, value)
    return subject


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_setting_never_reuses_a_stale_cache(tmp_path, change):
    block = blocks_of(1)[0]
    make_store(tmp_path).prepare([block])
    assert make_store(tmp_path).is_cached(block)
    subject, corpus, settings = CHANGES[change](TableSubject(), make_corpus(), SETTINGS)
    store = make_store(tmp_path, subject=subject, corpus=corpus, settings=settings)
    assert not store.is_cached(block)


def test_other_neurons_and_layers_have_their_own_files(tmp_path):
    make_store(tmp_path).prepare(blocks_of(1))
    store = make_store(tmp_path)
    assert not store.is_cached(blocks_of(0)[0])
    assert not store.is_cached(blocks_of(1, neurons=(0, 3))[0])
    assert store.is_cached(blocks_of(1, neurons=(0, 2))[0])


def flip_a_byte(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 0xFF
    path.write_bytes(bytes(data))


DAMAGE = {
    "a flipped byte": flip_a_byte,
    "a truncated file": lambda path: path.write_bytes(path.read_bytes()[:40]),
    "an empty file": lambda path: path.write_bytes(b""),
    "a missing file": lambda path: path.unlink(),
    "a broken description": lambda path: path.with_suffix(".json").write_text("{"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    "kind", ["profile", "exemplars", "sample", "uniform", "top", "top_activations"]
)
def test_a_damaged_cache_file_is_named_and_made_again(tmp_path, caplog, damage, kind):
    block = blocks_of(1)[0]
    settings = replace(SETTINGS, shard=4)
    first = make_store(tmp_path, settings=settings)
    evidence, truth = first.evidence(block), first.truth(block)
    path = sorted((tmp_path / kind).rglob("*.safetensors"))[-1]
    DAMAGE[damage](path)
    store = make_store(tmp_path, settings=settings)
    again, truth_again = store.evidence(block), store.truth(block)
    assert torch.equal(again.exemplars.activations, evidence.exemplars.activations)
    assert torch.equal(again.sample.activations, evidence.sample.activations)
    assert torch.equal(truth_again.uniform_activations, truth.uniform_activations)
    assert torch.equal(truth_again.top, truth.top)
    assert torch.equal(truth_again.top_activations, truth.top_activations)
    assert any(str(path) in message for message in caplog.messages)
    caplog.clear()
    make_store(tmp_path, settings=settings).evidence(block)
    make_store(tmp_path, settings=settings).truth(block)
    assert not caplog.messages


def test_a_file_without_description_is_unfinished(tmp_path):
    block = blocks_of(1)[0]
    make_store(tmp_path).prepare([block])
    for note in tmp_path.rglob("*.json"):
        note.unlink()
    assert not make_store(tmp_path).is_cached(block)


def test_neurons_are_drawn_from_the_living_by_seed_alone(tmp_path):
    subject = TableSubject(d_mlp=40)
    subject.table[:, :, :, 7] = 0.0
    subject.table[:, :, :, 8] = -1.0
    dead = make_store(tmp_path, subject=subject).dead_neurons(0)
    drawn = draw_neurons(dead, 0, 10, "key")
    assert drawn.n_dead == 2
    assert len(drawn.neurons) == 10
    everything = draw_neurons(dead, 0, None, "key")
    assert sorted(everything.neurons.tolist()) == [i for i in range(40) if i not in (7, 8)]
    assert torch.equal(drawn.neurons, draw_neurons(dead, 0, 10, "key").neurons)
    assert not torch.equal(drawn.neurons, draw_neurons(dead, 0, 10, "another").neurons)
    larger = draw_neurons(dead, 0, 20, "key").neurons.tolist()
    assert set(drawn.neurons.tolist()) <= set(larger)


def test_too_few_documents_give_fewer_exemplars(tmp_path):
    settings = replace(SETTINGS, exemplars=50)
    evidence = make_store(tmp_path, settings=settings).evidence(blocks_of(0)[0])
    assert 1 <= evidence.exemplars.tokens.shape[1] < 50
    assert (evidence.exemplars.tokens[..., 0] == 0).all()


@pytest.mark.parametrize(
    "fails",
    ["os.posix_fallocate", "benchmark.files.tensor_stream.TensorStream.write"],
    ids=["room is reserved", "activations are written"],
)
def test_a_disk_that_is_full_when_is_one_clear_message_and_leaves_nothing(
    tmp_path, monkeypatch, fails
):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fails, full)
    with pytest.raises(BenchmarkError, match="disk is full"):
        make_store(tmp_path).prepare(blocks_of(0))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_novel_are_the_tokens_whose_last_eight_are_nowhere_in_the_whole_explain_split(tmp_path):
    corpus = make_corpus()
    store = make_store(
        tmp_path, corpus=corpus, settings=replace(SETTINGS, explain=2, sample=1, uniform=12)
    )
    # Some held-out text is a copy of text that the run's own explain contexts do not hold.
    held_out, explain = corpus.splits["held_out"], corpus.splits["explain"]
    text = "".join(map(chr, explain.tokens[:, 1:].reshape(-1).tolist()))
    assert len(store.explain) == 2
    rows = store.held_out.tokens
    rows[3], store.held_out.documents[3] = explain.tokens[0], 0
    del held_out
    for row, position in itertools.product(range(len(rows)), range(rows.shape[1])):
        window = rows[row, max(0, position - 7) : position + 1].tolist()
        whole = len(window) == 8 and store.held_out.bos not in window
        expected = whole and "".join(map(chr, window)) not in text
        assert bool(store.novel[row, position]) == expected, (row, position)
    assert store.novel is store.novel  # made once
    assert int(store.novel.sum()) > 0


def test_truth_knows_the_document_of_every_uniform_token(tmp_path):
    store = make_store(tmp_path)
    truth = store.truth(blocks_of(0)[0])
    expected = store.held_out.documents[store.uniform_rows]
    torch.testing.assert_close(truth.documents, expected)
    assert truth.documents.shape == truth.novel.shape == truth.tokens[truth.uniform].shape
