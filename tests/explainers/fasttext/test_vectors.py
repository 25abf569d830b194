"""Vectors: trained the same every time, kept, and read from files of either kind."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from benchmark.errors import BenchmarkError
from explainers.fasttext import FastText
from explainers.fasttext.pretrained import pretrained
from explainers.fasttext.vectors import coherence
from tests.command import child_environment
from tests.explainers.fasttext.toy import ANIMALS, COLOURS, Memory, corpus_tokens, explain_text

SMALL = {"dimensions": 12, "epochs": 8, "buckets": 500}


def prepared(storage=None, **options):
    explainer = FastText(**{**SMALL, **options})
    explainer.prepare(explain_text(), storage or Memory())
    return explainer


@pytest.fixture(scope="module")
def language():
    return prepared()._language


@pytest.fixture(scope="module")
def model():
    from gensim.models import FastText as Gensim

    sentences = [[*ANIMALS, "cats"], [*COLOURS, "reddish"]] * 30
    return Gensim(
        sentences, vector_size=8, min_count=1, bucket=300, epochs=5, seed=1, workers=1, min_n=2
    )


def test_words_used_alike_are_nearer_than_others(language):
    for topic in (ANIMALS, COLOURS):
        near = language.vectors.nearest([topic[0]], 4)[0]
        assert sum(word.startswith(topic) for word in near) >= 3, near
    assert coherence(language.units_of(ANIMALS)) > coherence(
        language.units_of([*ANIMALS[:3], *COLOURS[:2]])
    )


def test_nearest_is_what_comparing_all_gives(language):
    vectors = language.vectors
    usable = np.array([len(word) > 3 for word in vectors.words])
    for word in ("cat", "teals", "unheard"):
        (unit,) = vectors.units([word])
        scores = {
            other: float(vectors.units([other])[0] @ unit)
            for other, may in zip(vectors.words, usable, strict=True)
            if may and other != word
        }
        expected = sorted(scores, key=lambda other: -scores[other])[:5]
        assert vectors.nearest([word], 5, usable) == [expected]
    assert vectors.nearest(["cat"], 10_000) == [vectors.nearest(["cat"], len(vectors.words) - 1)[0]]
    assert vectors.nearest(["cat"], 3, np.zeros(len(usable), dtype=bool)) == [[]]


def test_coherence_is_the_mean_over_pairs():
    units = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    pairs = [float(units[i] @ units[j]) for i in range(6) for j in range(i)]
    assert coherence(units) == pytest.approx(np.mean(pairs), abs=1e-6)
    assert coherence(units[:1]) is None


def test_training_is_read_back_and_depends_on_what_decides_it():
    storage = Memory()
    first = prepared(storage)
    again = prepared(storage)
    assert storage.writes == 1
    assert np.array_equal(first._language.vectors.matrix, again._language.vectors.matrix)
    assert np.array_equal(first._language.vectors.ngrams, again._language.vectors.ngrams)
    assert first._language.vectors.words == again._language.vectors.words
    for change in ({"seed": 1}, {"epochs": 9}, {"dimensions": 11}):
        prepared(storage, **change)
    assert storage.writes == 4
    other = FastText(**SMALL)
    other.prepare(explain_text(corpus_tokens(seed=1)), storage)
    assert storage.writes == 5


def test_a_text_of_no_or_one_word_trains_nothing():
    tokens = corpus_tokens()[:1, :2]
    explainer = FastText(**SMALL)
    for some in (tokens[:, :1], tokens):
        explainer.prepare(explain_text(some), Memory())
        vectors = explainer._language.vectors
        assert vectors.words == []
        assert vectors.units(["cat"]).shape == (1, 12)


DIGEST = """
from tests.explainers.fasttext.test_vectors import digest
print(digest())
"""


def digest():
    vectors = prepared()._language.vectors
    content = vectors.matrix.tobytes() + vectors.ngrams.tobytes() + repr(vectors.words).encode()
    return hashlib.sha256(content).hexdigest()


def test_every_process_trains_the_same():
    there = subprocess.run(
        [sys.executable, "-c", DIGEST],
        env={**child_environment(), "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == digest()


def test_a_binary_file_gives_gensims_vectors_to_known_and_unknown_words(model, tmp_path):
    from gensim.models.fasttext import save_facebook_model

    save_facebook_model(model, str(tmp_path / "small.bin"))
    for source in (tmp_path / "small.bin", tmp_path):
        vectors = pretrained(str(source))
        words = ["cat", "catlike", "ish", "reddish"]
        assert not vectors.knows("catlike")
        expected = np.stack([model.wv.get_vector(word, norm=True) for word in words])
        np.testing.assert_allclose(vectors.units(words), expected, atol=1e-5)


@pytest.fixture
def text_file(model, tmp_path):
    path = tmp_path / "small.vec"
    model.wv.save_word2vec_format(str(path))
    return path


def test_a_text_file_gives_unknown_words_the_mean_of_their_subwords(model, text_file):
    vectors = pretrained(str(text_file))
    known = vectors.units(["cat", "red"])
    expected = np.stack([model.wv.get_vector(word, norm=True) for word in ("cat", "red")])
    np.testing.assert_allclose(known, expected, atol=1e-5)
    unseen = vectors.units(["catty", "qqqq"])
    similarity = unseen @ vectors.units(["cats", "teal"]).T
    assert similarity[0, 0] > similarity[0, 1] + 0.1
    assert not unseen[1].any()  # it shares no n-gram with any word


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.bin", b"nonsense" * 30, "cannot be read as FastText vectors with subwords"),
        ("x.bin", b"", "cannot be read as FastText vectors with subwords"),
        ("x.vec", b"", "cannot be read as word vectors as text"),
        ("x.vec", b"\x00\xff\xfe nonsense\n" * 5, "cannot be read as word vectors as text"),
        ("x.vec", b"2 3\ncat 1 2 3\n", "cannot be read as word vectors as text"),
        ("x.vec", b"1 3\ncat 1 nan 3\n", "not finite"),
        ("x.txt", b"cat", "neither a .bin nor a .vec file"),
    ],
)
def test_a_file_of_nonsense_says_what_is_wrong(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BenchmarkError, match=message) as caught:
        pretrained(str(tmp_path / name))
    assert "explainer.vectors=" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_place_without_vectors_says_so(tmp_path):
    for source in (str(tmp_path / "absent.vec"), "absent.vec", "corpora", "./a/b"):
        with pytest.raises(BenchmarkError, match="neither 'corpus' nor a file or folder"):
            pretrained(source)
    with pytest.raises(BenchmarkError, match=r"has no \.bin or \.vec file"):
        pretrained(str(tmp_path))
    for name in ("a.vec", "b.vec"):
        (tmp_path / name).write_text("1 1\na 1\n")
    with pytest.raises(BenchmarkError, match=r"2 files of vectors \(a.vec, b.vec\)"):
        pretrained(str(tmp_path))


LOAD = """
import json, sys
from benchmark.errors import BenchmarkError
from explainers.fasttext.pretrained import pretrained
found = []
for source in sys.argv[1:]:
    try:
        found.append(pretrained(source).words[:2])
    except BenchmarkError as error:
        found.append(str(error))
print(json.dumps(found))
"""


def loaded(hub, *sources):
    result = hub.python(LOAD, *sources)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_vectors_come_from_the_hub_and_then_from_the_cache(hub):
    vectors = "2 2\ncat 1 0\ndog 0 1\n"
    hub.add_model("somebody/vectors", {"README.md": "vectors", "en.vec": vectors})
    hub.add_model("somebody/many", {"en.vec": vectors, "de.vec": vectors.replace("cat", "hund")})
    hub.add_model("somebody/none", {"pytorch_model.bin": "no vectors"})
    found = loaded(
        hub, "somebody/vectors", "somebody/many", "somebody/many/de.vec", "somebody/none",
        "somebody/absent", "somebody/many/fr.vec",
    )  # fmt: skip
    assert found[0] == ["cat", "dog"]
    assert "2 files of vectors (de.vec, en.vec)" in found[1]
    assert found[2] == ["hund", "dog"]
    assert "has no .bin or .vec file" in found[3]
    assert "check explainer.vectors." in found[4]
    assert "the vectors repository 'somebody/many' has no fr.vec." in found[5]
    hub.stop()
    found = loaded(hub, "somebody/vectors", "somebody/many/de.vec", "somebody/unheard")
    assert found[:2] == [["cat", "dog"], ["hund", "dog"]]
    assert "is not in the local cache" in found[2]
    assert "explainer.vectors=corpus needs no download." in found[2]
    assert "solu-tiny" not in found[2]


def test_options_that_cannot_be_are_named():
    for options, message in (
        ({"keep": "hold"}, "did you mean 'holds'"),
        ({"hold": 2}, "hold of fasttext must be between 0 and 1"),
        ({"words": 0}, "words of fasttext must be a whole number of at least 1"),
        ({"context": "all"}, "context of fasttext must be a whole number"),
        ({"coherence_threshold": None}, "coherence_threshold of fasttext must be a number"),
        ({"dimensions": 0}, "dimensions of fasttext must be a whole number of at least 1"),
        ({"seed": -1}, "seed of fasttext must be a whole number of at least 0"),
        ({"vectors": ""}, "vectors of fasttext must be 'corpus', a file or a repository"),
        ({"vectors": None}, "vectors of fasttext must be"),
    ):
        with pytest.raises(BenchmarkError, match=message):
            FastText(**options)
