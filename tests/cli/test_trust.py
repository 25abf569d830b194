"""Results of others are data: no verb imports or calls what a run.json names of its own."""

from __future__ import annotations

import builtins
import json
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import BenchmarkError
from benchmark.evaluation.reopen import ReopenedRun, config_of, literal
from benchmark.plugins.trusted import UntrustedError, canonical, check_options, is_known
from benchmark.results import Run, load_run
from tests.cli.test_plugins import install
from tests.command import Command, call, checkpoint, texts
from tests.sealing import change

__all__ = ["checkpoint", "texts"]

PAYLOAD = """\
from pathlib import Path
Path({marker!r}).touch()
from explainers.token_lookup import TokenLookup as E
"""


class Pickled:
    """Touches a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return builtins.open, (str(self.marker), "w")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Command:
    return Command(tmp_path_factory.mktemp("trust"), checkpoint, texts)


@pytest.fixture(scope="session")
def honest(small: Command) -> Run:
    return small.finished("explainer=token_lookup")


@pytest.fixture
def foreign(honest: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody's run in `results/run` of the current folder, with code of theirs beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = Path(shutil.copytree(honest.folder, tmp_path / "results" / "run"))
    (folder / "payload.py").write_text(PAYLOAD.format(marker=str(tmp_path / "ran")))
    (folder / "graph.bin").write_bytes(pickle.dumps(Pickled(tmp_path / "ran")))
    return folder


def verbs(small: Command, neuron: str) -> dict[str, list[str]]:
    """Every verb that reads explanations, with what it needs besides the run."""
    cache = f"cache_dir={small.folder / 'cache'}"
    return {
        "show": [neuron, "--no-direct", "--no-contexts"],
        "search": ["word2"],
        "similar": [],
        "score": [cache],
        "report": [f"--{cache.replace('_dir', '-dir')}", "-o", "site"],
        "plot": ["--neuron", neuron],
        "submit": ["--to", "published", "--cache-dir", str(small.folder / "cache")],
    }


VERBS = ("show", "search", "similar", "score", "report", "plot", "submit")
PICKLE = {"_target_": "gensim.utils.unpickle", "fname": "results/run/graph.bin"}
ATTACKS: dict[str, dict[str, Any]] = {
    "a module beside run.json": {"_target_": "results.run.payload.E"},
    "a library that unpickles": PICKLE,
    "a loader of weights": {
        "_target_": "torch.load",
        "f": "results/run/graph.bin",
        "weights_only": False,
    },
    "a function of the benchmark": {
        "_target_": "benchmark.files.atomic.write_text",
        "path": "ran",
        "text": "x",
    },
    "through a built-in module": {
        "_target_": "explainers.token_lookup.explainer.torch.load",
        "f": "results/run/graph.bin",
        "weights_only": False,
    },
    "inside a built-in explainer": {"_target_": "explainers.controls.Shuffled", "inner": PICKLE},
    "where a built-in explainer has no class": {
        "_target_": "explainers.token_lookup.TokenLookup",
        "default": {"_target_": "explainers.controls.Zero"},
    },
    "deep inside": {
        "_target_": "explainers.controls.Shuffled",
        "inner": {"_target_": "explainers.controls.Shuffled", "inner": PICKLE},
    },
    "in a list": {"_target_": "explainers.token_lookup.TokenLookup", "min_count": [[PICKLE]]},
    "arguments": {"_target_": "explainers.token_lookup.TokenLookup", "_args_": [PICKLE]},
    "partly": {"_target_": "explainers.token_lookup.TokenLookup", "_partial_": True},
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("verb", VERBS)
def test_nothing_that_a_run_names_is_imported_or_called(
    foreign: Path, small: Command, honest: Run, tmp_path: Path, verb: str, attack: str
) -> None:
    options = {"name": "token_lookup", "control": False, **ATTACKS[attack]}
    target = options["_target_"]
    change(foreign, explainer__options=options, explainer__target=target, config__explainer=options)
    if verb == "plot":  # it needs something to rank, and finds the configuration of the cache
        change(foreign, config__cache_dir=str(small.folder / "cache"))
    before = {path: path.read_bytes() for path in foreign.iterdir()}
    layer, neuron = honest.scores.neurons()[0]
    answer = call(verb, str(foreign), *verbs(small, f"{layer}.{neuron}")[verb])
    assert "Traceback" not in answer.err + answer.out
    if verb == "submit" and answer.status == 0:
        (note,) = Path("published").rglob("submission.json")
        assert json.loads(note.read_text())["verified"] is False
    else:
        assert answer.status == 1
        assert "run.json" in answer.err
    assert not (tmp_path / "ran").exists()
    assert "results.run.payload" not in sys.modules
    assert {path: path.read_bytes() for path in foreign.iterdir()} == before


def test_the_reader_may_trust_a_class(foreign: Path, honest: Run, tmp_path: Path) -> None:
    target = "results.run.payload.E"
    change(foreign, explainer__options___target_=target)
    layer, neuron = honest.scores.neurons()[0]
    words = ("show", str(foreign), f"{layer}.{neuron}", "--no-direct", "--no-contexts")
    assert f"If you know that code and trust it: --trust {target}" in call(*words).message
    assert "names the class" in call(*words, "--trust", "results.run.payload.F").message
    for trusted in (("--trust", target), (f"--trust={target}",)):
        assert call(*words, *trusted).status == 0
    assert "is written --trust CLASS" in call(*words, f"trust={target}").message
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("word", ["payload", "results.run.payload:E", "a b.c", ""])
def test_what_is_trusted_is_a_class(foreign: Path, word: str) -> None:
    assert "names no class" in call("show", str(foreign), "0.1", "--trust", word).message


def test_a_run_of_ones_own_is_read_as_it_was_made(small: Command) -> None:
    own = "explainer._target_=tests.runs.methods.Method"
    run = small.finished(own)
    assert "nothing was computed" in small.run(own).out
    layer, neuron = run.scores.neurons()[0]
    words = ("show", str(run.folder), f"{layer}.{neuron}", "--no-direct", "--no-contexts")
    assert "--trust tests.runs.methods.Method" in call(*words).message
    assert call(*words, "--trust", "tests.runs.methods.Method").status == 0
    assert call("show", str(run.folder)).status == 0


class TestClasses:
    def test_an_installed_plug_in_needs_no_trust(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site = tmp_path / "site"
        site.mkdir()
        monkeypatch.syspath_prepend(str(site))
        module = "raise RuntimeError('imported')\n"
        install(site, "their_plugin", {"their_plugin.py": module}, theirs="their_plugin:Class")
        assert is_known("their_plugin.Class")
        assert not is_known("their_plugin.Other")
        check_options({"_target_": "their_plugin.Class"}, "it")
        assert "their_plugin" not in sys.modules

    def test_what_lies_in_the_current_folder_is_not_installed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(str(tmp_path))
        install(tmp_path, "in_results", {"in_results.py": ""}, theirs="in_results:Class")
        assert not is_known("in_results.Class")

    def test_a_built_in_class_under_the_name_of_its_module(self) -> None:
        assert canonical("explainers.n2g.explainer.N2G") == "explainers.n2g.N2G"
        assert is_known("explainers.n2g.explainer.N2G")
        for other in ("explainers.n2g.explainer.Explainer", "explainers.n2g.explainer.torch.load"):
            assert canonical(other) == other
            assert not is_known(other)

    def test_an_explainer_inside_another_where_its_configuration_has_one(self) -> None:
        inner = {"_target_": "explainers.n2g.N2G", "augmenter": "none"}
        check_options({"_target_": "explainers.controls.Shuffled", "inner": inner}, "it")
        with pytest.raises(UntrustedError, match=r"'a\.B' \(explainer\.options\.inner\._target_"):
            check_options(
                {"_target_": "explainers.controls.Shuffled", "inner": {"_target_": "a.B"}}, "it"
            )
        check_options(
            {"_target_": "explainers.controls.Shuffled", "inner": {"_target_": "a.B"}},
            "it",
            trust=["a.B"],
        )

    @pytest.mark.parametrize("options", [{}, {"_target_": None}, {"_target_": ["a.B"]}])
    def test_a_run_without_a_class(self, options: dict[str, Any]) -> None:
        with pytest.raises(BenchmarkError, match="does not say which class"):
            check_options(options, "it")

    def test_restoring_opens_no_file_that_options_name(
        self, honest: Run, foreign: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        secret = str(foreign / "graph.bin")
        opened: list[str] = []
        real = builtins.open

        def watched(file: Any, *arguments: Any, **options: Any) -> Any:
            opened.append(str(file))
            return real(file, *arguments, **options)

        monkeypatch.setattr(builtins, "open", watched)
        for options in (
            {"_target_": "explainers.fasttext.FastText", "vectors": secret},
            {"_target_": "explainers.n2g.N2G", "augmenter": "distilbert", "masked_model": secret},
            {
                "_target_": "explainers.local_search.LocalSearch",
                "proposer": "distilbert",
                "masked_model": secret,
            },
        ):
            change(foreign, explainer__options=options)
            assert ReopenedRun(load_run(foreign)).explainer.evidence
        assert secret not in opened


def test_interpolations_in_a_configuration_stand_for_themselves(
    foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "told")
    for text in ("${oc.env:SECRET}", r"\${a}", r"\\${oc.env:SECRET}", r"C:\${b}", r"a\b"):
        change(foreign, config__model__description=text)
        assert config_of(load_run(foreign)).model["description"] == text
    assert literal([{"a": "x"}, 3]) == [{"a": "x"}, 3]


def test_one_foreign_run_leaves_the_report_of_the_others(
    foreign: Path, small: Command, honest: Run
) -> None:
    shutil.copytree(honest.folder, foreign.parent / "mine")
    change(foreign, explainer__options___target_="results.run.payload.E", run_id="feed")
    answer = call("report", "results", "-o", "site", f"--cache-dir={small.folder / 'cache'}")
    assert answer.status == 0, answer.err
    assert "left out: the run in 'results/run' names the class" in answer.err
