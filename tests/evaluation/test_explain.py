"""From a configuration to an explainer, and from an explainer to one checked answer per neuron."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from benchmark.errors import BenchmarkError
from benchmark.evaluation import answers as answering
from benchmark.evaluation.explain import (
    build_explainer,
    evidence_of,
    load_explanation,
    prepare_explainer,
    saved_form,
)
from benchmark.interface import EVIDENCE_KINDS, Failure
from benchmark.plugins.source_digest import source_digest
from explainers.controls.shuffled import Shuffled
from tests.explainers.planted import PlantedSubject, make_evidence
from tests.plugins.test_isolation import raised_from
from tests.runs import methods
from tests.runs.methods import Constant, Method


def built(name: str, **options: Any) -> Any:
    return build_explainer({"name": name, "_target_": f"tests.runs.methods.{name}", **options})


def explain_block(*arguments: Any, **options: Any) -> list[Any]:
    return [one.answer for one in answering.explain_block(*arguments, **options)]


def evidence(neurons: tuple[int, ...] = (0, 1, 2, 3)) -> Any:
    return make_evidence(PlantedSubject(), neurons=neurons)


class TestBuilding:
    def test_options_reach_the_class_and_descriptions_do_not(self) -> None:
        explainer = built("Method", value=3.5, description="text", control=True)
        assert isinstance(explainer, Method)
        assert explainer.value == 3.5

    def test_an_explainer_inside_another(self) -> None:
        explainer: Any = build_explainer(
            {
                "name": "shuffled",
                "_target_": "explainers.controls.Shuffled",
                "inner": {"_target_": "tests.runs.methods.Method", "value": 2.0},
            }
        )
        assert isinstance(explainer.inner, Method)
        assert explainer.inner.value == 2.0
        assert explainer.evidence == Method.evidence

    @pytest.mark.parametrize(
        ("config", "part"),
        [
            ({}, "has no class"),
            ({"_target_": ""}, "has no class"),
            ({"_target_": 3}, "has no class"),
            ({"_target_": "Class"}, "names no module"),
            ({"_target_": "no.such.module.Class"}, "module 'no.such.module' could not be imported"),
            ({"_target_": "tests.runs.methods.Clas"}, "has no 'Clas'"),
            ({"_target_": "tests.runs.methods.Method", "vale": 1}, "'vale'"),
            ({"_target_": "tests.runs.methods.WantsMore"}, "asks for evidence 'everything'"),
            ({"_target_": "tests.runs.methods.Constant", "value": 1}, "has no 'explain'"),
            ({"_target_": "explainers.token_lookup.TokenLookup", "evidence": "x"}, "'x'"),
        ],
    )
    def test_what_cannot_be_built(self, config: dict[str, Any], part: str) -> None:
        with pytest.raises(BenchmarkError) as caught:
            build_explainer(config)
        assert part in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_module_that_breaks_while_it_is_imported(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "breaks_on_import.py").write_text("raise RuntimeError('no luck')\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        with pytest.raises(BenchmarkError, match="RuntimeError: no luck"):
            build_explainer({"_target_": "breaks_on_import.Class"})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ReadsInSilence", r"is 'exemplars\+sample'; say evidence = 'exemplars\+sample\+text'"),
        ("WantsTextForNothing", r"asks for evidence 'exemplars\+text' and has no 'prepare'"),
    ],
)
def test_one_whose_evidence_does_not_tell_whether_it_reads_text(name: str, message: str) -> None:
    explainer, nothing = built(name), cast(Any, None)
    with pytest.raises(BenchmarkError, match=message):
        prepare_explainer(explainer, nothing, nothing)


@pytest.mark.parametrize("kind", EVIDENCE_KINDS)
def test_an_explainer_is_given_what_its_evidence_names_and_nothing_else(kind: str) -> None:
    class Sees(Method):
        def __init__(self) -> None:
            super().__init__()
            self.evidence = kind
            self.text: Any = None

        def prepare(self, text: Any, storage: Any) -> None:
            self.text = text

        def explain(self, evidence: Any, subject: Any) -> Any:
            self.sample = evidence.sample
            return super().explain(evidence, subject)

    explainer: Any = Sees()
    text: Any = object()
    storage: Any = None
    prepare_explainer(explainer, text, storage)
    explain_block(explainer, evidence(), PlantedSubject())
    assert (explainer.sample is not None) == ("sample" in kind.split("+"))
    assert (explainer.text is text) == ("text" in kind.split("+"))


class TestSourceDigest:
    @pytest.fixture
    def package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "theirs"
        folder.mkdir()
        (folder / "__init__.py").write_text("from theirs.method import Class\n")
        (folder / "helper.py").write_text("X = 1\n")
        (folder / "method.py").write_text(
            "import theirs.shared.numbers\nfrom .shared import words as own\n"
            "import beside\nclass Class: pass\n"
        )
        (folder / "shared").mkdir()
        (folder / "shared" / "__init__.py").write_text("")
        (folder / "shared" / "numbers.py").write_text("from theirs.shared.deep import X\n")
        (folder / "shared" / "deep.py").write_text("X = 1\n")
        (folder / "shared" / "words.py").write_text("X = 1\n")
        (folder / "shared" / "other.py").write_text("X = 1\n")
        (tmp_path / "script.py").write_text("class Class: pass\n")
        (tmp_path / "beside.py").write_text("X = 1\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        yield tmp_path
        for name in list(sys.modules):
            if name.partition(".")[0] in ("theirs", "script", "beside"):
                del sys.modules[name]

    @pytest.mark.parametrize(
        ("target", "file", "counts"),
        [
            ("theirs.Class", "theirs/method.py", True),
            ("theirs.Class", "theirs/helper.py", True),
            ("theirs.method.Class", "theirs/__init__.py", True),
            ("theirs.Class", "theirs/shared/numbers.py", True),
            ("theirs.Class", "theirs/shared/words.py", True),
            ("theirs.Class", "theirs/shared/deep.py", True),
            ("theirs.Class", "theirs/shared/__init__.py", True),
            ("theirs.Class", "theirs/shared/other.py", False),
            ("theirs.Class", "beside.py", False),
            ("script.Class", "script.py", True),
            ("script.Class", "beside.py", False),
        ],
    )
    def test_files_of_the_package_count(
        self, package: Path, target: str, file: str, counts: bool
    ) -> None:
        before = source_digest({"_target_": target})
        assert before == source_digest({"_target_": target})
        (package / file).write_text((package / file).read_text() + "# changed\n")
        assert (source_digest({"_target_": target}) != before) == counts

    def test_an_explainer_inside_another_counts(self, package: Path) -> None:
        config = {"_target_": "explainers.controls.Shuffled", "inner": {"_target_": "script.Class"}}
        before = source_digest(config)
        (package / "script.py").write_text("class Class: value = 2\n")
        assert source_digest(config) != before

    def test_files_that_a_class_reads_count(self, package: Path) -> None:
        method = "@staticmethod\n    def files_of(options): return [options['words']]\n"
        (package / "script.py").write_text(f"class Class:\n    {method}")
        (package / "words.txt").write_text("rain")
        config = {"_target_": "script.Class", "words": str(package / "words.txt")}
        before = source_digest(config)
        assert source_digest(config) == before
        (package / "words.txt").write_text("snow")
        assert source_digest(config) != before

    def test_of_a_class_of_the_benchmark_its_room_counts(self) -> None:
        from benchmark.plugins.source_digest import _source_files

        files = {path.parent.name for path in _source_files("benchmark.simulators.AllAtOnce")}
        assert files == {"simulators"}


class TestExplaining:
    def test_answers_are_in_the_order_of_the_neurons(self) -> None:
        answers = explain_block(built("Method"), evidence((3, 0, 2)), PlantedSubject())
        assert [answer.neuron for answer in answers if isinstance(answer, Constant)] == [3, 0, 2]

    def test_dead_neurons_are_failures_and_are_not_asked_about(self) -> None:
        Method.calls.clear()
        block = evidence((0, 6, 2))  # the last neuron of the planted subject is dead
        assert float(block.max_activation[1]) == 0
        answers = explain_block(built("Method"), block, PlantedSubject())
        assert Method.calls == [(1, [0, 2])]
        assert isinstance(answers[1], Failure)
        assert "dead" in answers[1].error
        assert [answers[0].neuron, answers[2].neuron] == [0, 2]
        Method.calls.clear()
        (only,) = explain_block(built("Method"), evidence((6,)), PlantedSubject())
        assert isinstance(only, Failure)
        assert Method.calls == []

    def test_an_explainer_of_exemplars_sees_no_sample(self) -> None:
        seen = []

        class Looks(Method):
            evidence = "exemplars"

            def explain(self, evidence, subject):
                seen.append(evidence.sample)
                return super().explain(evidence, subject)

        explain_block(Looks(), evidence(), PlantedSubject())
        assert seen == [None]

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("RaisesOnEven", "ValueError: neuron {} is even"),
            ("FailsOnEven", "{} is even"),
            ("UnsaveableOnEven", "cannot be saved"),
            ("NotAThingOnEven", "cannot be saved"),
        ],
    )
    def test_a_bad_neuron_costs_no_other_its_explanation(self, name: str, reason: str) -> None:
        answers = explain_block(built(name), evidence(), PlantedSubject())
        for neuron, answer in enumerate(answers):
            if neuron % 2:
                assert isinstance(answer, Constant)
                assert answer.neuron == neuron
            else:
                assert isinstance(answer, Failure)
                assert reason.format(neuron) in answer.error

    @pytest.mark.parametrize("name", ["ForgetsOne", "GivesNothing", "GivesText", "FailsSilently"])
    def test_one_answer_per_neuron_whatever_was_given(self, name: str) -> None:
        answers = explain_block(built(name), evidence(), PlantedSubject())
        assert len(answers) == 4
        assert all(isinstance(answer, Failure) and answer.error for answer in answers)

    def test_running_out_of_memory_is_no_failure_of_a_neuron(self) -> None:
        class Greedy(Method):
            def explain(self, evidence, subject):
                raise MemoryError

        with pytest.raises(MemoryError):
            explain_block(Greedy(), evidence(), PlantedSubject())

    def test_an_interruption_is_no_failure_of_a_neuron(self) -> None:
        class Stopped(Method):
            def explain(self, evidence, subject):
                signal.raise_signal(signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            explain_block(Stopped(), evidence(), PlantedSubject())

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (SystemExit(0), "SystemExit: 0 (it would have ended the program)"),
            (KeyboardInterrupt(), "KeyboardInterrupt (it would have ended the program)"),
        ],
    )
    def test_an_explainer_that_ends_the_program_fails(
        self, error: BaseException, text: str
    ) -> None:
        class Ends(Method):
            def one(self, neuron, evidence):
                if neuron == 1:
                    raise error
                return super().one(neuron, evidence)

        answers = explain_block(Ends(), evidence(), PlantedSubject())
        assert [isinstance(answer, Failure) for answer in answers] == [False, True, False, False]
        assert answers[1].error == text

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (BenchmarkError("mask_token=9 is too large."), "^mask_token=9 is too large.$"),
            (ConnectionError("no route"), "'.*Blames' on layer .*ConnectionError: no route.*again"),
            (ModuleNotFoundError("No module named 'spacy'"), "No module named 'spacy'"),
            (raised_from(RuntimeError("no model"), OSError(28, "full")), "RuntimeError: no model"),
        ],
    )
    def test_the_surroundings_end_the_run(self, error: Exception, text: str) -> None:
        class Blames(Method):
            def one(self, neuron, evidence):
                raise error

        with pytest.raises(BenchmarkError, match=text):
            explain_block(Blames(), evidence(), PlantedSubject())

    def test_the_surroundings_end_the_run_of_an_explainer_within_another(self) -> None:
        class Blames(Method):
            def one(self, neuron, evidence):
                raise ConnectionError("no route")

        shuffled = Shuffled(inner=Blames())
        with pytest.raises(BenchmarkError, match="no route"):
            explain_block(shuffled, evidence(), PlantedSubject())

    def test_a_list_without_an_end_is_a_failure(self) -> None:
        class Endless(Method):
            def explain(self, evidence, subject):
                while True:
                    yield Constant(1.0)

        answers = explain_block(Endless(), evidence(), PlantedSubject())
        assert {answer.error for answer in answers} == {
            "the explainer gave more than 1 explanations for 1 neurons"
        }

    def test_evidence_that_was_changed_before_the_explainer_broke_is_read_again(self) -> None:
        seen = []

        class Spoils(Method):
            def explain(self, evidence, subject):
                seen.append(float(evidence.exemplars.activations.sum()))
                evidence.exemplars.activations.zero_()
                if evidence.n_neurons > 1:
                    raise ValueError("broken")
                return super().explain(evidence, subject)

        explain_block(Spoils(), evidence(), PlantedSubject(), evidence)
        assert len(seen) == 5
        assert sum(seen[1:]) == pytest.approx(seen[0])
        assert all(seen)

    def test_a_reason_that_no_file_holds_is_spelt_out(self) -> None:
        class Odd(Method):
            def one(self, neuron, evidence):
                return Failure("half a letter \ud800" if neuron else 5)

        answers = explain_block(Odd(), evidence((0, 1)), PlantedSubject())
        assert answers[0].error == "the explainer failed and gave no reason"
        assert answers[1].error == "half a letter \\ud800"


class TestEvidenceThatCannotBeRead:
    class Raises(Method):
        @property
        def evidence(self):
            raise SystemExit(0)

    def test_it_is_told(self) -> None:
        with pytest.raises(BenchmarkError, match="its 'evidence' cannot be read: SystemExit"):
            evidence_of(self.Raises())
        target = "tests.evaluation.test_explain.TestEvidenceThatCannotBeRead.Raises"
        with pytest.raises(BenchmarkError):
            build_explainer({"_target_": target})


@pytest.mark.parametrize("error", ["SystemExit(0)", "KeyboardInterrupt()"])
def test_a_module_that_ends_the_program_while_it_is_imported(
    error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"ends_on_import_{error[:4].lower()}"
    (tmp_path / f"{name}.py").write_text(f"raise {error}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BenchmarkError, match=r"could not be imported: .*would have ended"):
        build_explainer({"_target_": f"{name}.Class"})


def test_what_is_saved_is_settled_before_anything_is_simulated() -> None:
    class Changes(Constant):
        def to_dict(self):
            self.value += 1
            return {"value": self.value}

    forms = [saved_form(one) for one in (Changes(1.0), Failure("no"), Constant(2.0))]
    assert [data for _, data in forms] == [{"value": 2.0}, None, {"value": 2.0}]
    assert isinstance(forms[1][0], Failure)

    class Late(Constant):
        def to_dict(self):
            raise SystemExit(0)

    kept_one, saved_one = saved_form(Late(1.0))
    assert isinstance(kept_one, Failure)
    assert kept_one.error.startswith("the explanation cannot be saved: SystemExit: 0")
    assert saved_one is None


def test_a_saved_explanation_is_loaded_by_its_own_class() -> None:
    explainer = built("Method")
    loaded = load_explanation(explainer, {"value": 4.0}, "0.1")
    assert torch.equal(loaded.simulate(torch.zeros(1, 2).long()), torch.full((1, 2), 4.0))
    with pytest.raises(BenchmarkError, match=r"neuron 0\.1 cannot be read by .*Constant: KeyError"):
        load_explanation(explainer, {"valeu": 4.0}, "0.1")
    assert methods.Constant.__name__ == "Constant"
