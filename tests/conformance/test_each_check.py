"""Every check passes a sound explainer and notices the one that breaks what it is about."""

from __future__ import annotations

import dataclasses
import io
import re
import sys
from pathlib import Path

import pytest

from benchmark.cli.check import quick_setting
from benchmark.config.compose import compose
from benchmark.config.run_config import check_config
from benchmark.conformance import FAILED, NOT_CHECKED, OK, Result, check_explainer
from benchmark.conformance.process import OtherProcess
from benchmark.conformance.setting import Setting, make_setting
from benchmark.conformance.suite import CHECKS, FIRST, LAST
from benchmark.errors import BenchmarkError
from tests.conformance import broken


class NoProcess:
    """The second process is tested by itself: starting one for every explainer takes minutes."""

    def __init__(self, config):
        pass

    def check(self, trial):
        return ""

    def close(self):
        pass


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    words = ["explainer._target_=tests.conformance.broken.Sound", "model=planted"]
    words = [*quick_setting(words, str(tmp_path_factory.mktemp("cache"))), *words]
    made = make_setting(check_config(compose(words)))
    broken.HELD_OUT[:] = [made.store.held_out.tokens]
    broken.WHOLE[:] = [made.subject]
    return made


@pytest.fixture
def checked(setting: Setting, monkeypatch: pytest.MonkeyPatch):
    """The results of all checks on a class of `broken`, without loading anything again."""
    monkeypatch.setattr("benchmark.conformance.suite.OtherProcess", NoProcess)

    def again(config) -> Setting:
        same = dataclasses.replace(setting, config=config)
        vars(same).update(held_out=setting.held_out, closed=setting.closed)
        return same

    monkeypatch.setattr("benchmark.conformance.suite.make_setting", again)

    def check(name: str, simulator: str = "", **options: object) -> dict[str, Result]:
        explainer = {"name": name, "_target_": f"tests.conformance.broken.{name}", **options}
        config = dataclasses.replace(setting.config, explainer=explainer)
        if simulator:
            by = {"name": simulator, "_target_": f"tests.conformance.broken.{simulator}"}
            config = dataclasses.replace(config, simulator=by)
        return {result.check: result for result in check_explainer(config)}

    return check


def failed(results: dict[str, Result]) -> dict[str, str]:
    return {name: result.text for name, result in results.items() if result.status == FAILED}


def test_a_sound_explainer_passes_every_check(checked) -> None:
    results = checked("Sound")
    assert list(results) == [FIRST, *CHECKS, LAST]
    assert {result.status for result in results.values()} == {OK}
    assert " 160 subject tokens asked" in f" {results['query count'].text}"  # 5 contexts of 32


def test_one_that_says_that_it_learns_from_text_passes_every_check(checked) -> None:
    assert {result.status for result in checked("LearnsFromText").values()} == {OK}


# The class, the checks that fail, and what the first of them says.
BROKEN = [
    ("GivesFewer", ["answers"], "gave 4 answers for 5 neurons"),
    ("GivesText", ["answers"], "was answered with a str"),
    ("GivesNothing", ["answers"], "explain raised TypeError: 'NoneType'"),
    ("Raises", ["answers"], "explain raised ValueError: no luck. For a neuron"),
    ("Exits", ["answers"], "explain raised SystemExit: 3"),
    ("Interrupts", ["answers"], "explain raised KeyboardInterrupt (it would have ended"),
    ("GivesWithoutEnd", ["answers"], "gave more than 5 answers for 5 neurons"),
    ("ChangesTheDefaultDtype", ["answers"], "changes torch's default dtype while it explains"),
    ("ChangesTheFolder", ["answers"], "changes the current folder while it explains"),
    ("LosesTheHub", ["answers"], "ConnectionError: no route to the hub. In a run this ends it"),
    ("LooksForWeights", ["answers"], "the subject that explainers are given has no 'model'"),
    ("OnlyFails", ["answers"], "all 5 neurons failed, the first because: too hard"),
    ("FailsWithoutReason", ["answers"], "a Failure has no reason"),
    ("NotANumber", ["finite numbers", "bad neurons"], "infinite or NaN; look for a division"),
    ("SaysNothing", ["description"], "describe is empty for neuron 0."),
    ("SaysTooMuch", ["description"], "describe gives 200 lines for neuron 0."),
    ("SaysOneEndlessLine", ["description"], "more than one screen"),
    ("SaysNumbers", ["description"], "describe gave no text but int"),
    (
        "CannotSay",
        ["description", "save and load", "evidence"],
        "describe raised KeyError: 'words'",
    ),
    ("RoundsWhenSaving", ["save and load"], "other numbers after saving and loading"),
    ("Hides", ["save and load"], "predicts other numbers without 'shown'"),
    ("NeedsWhatIsShown", ["save and load"], "it must do without 'shown'"),
    ("SavesKeys", ["save and load"], "other numbers after saving and loading"),
    ("SavesNoWords", ["save and load"], "describes itself otherwise after loading"),
    (
        "NeverReadBack",
        ["complete text"],
        "says that its text is complete, but Other has no from_text(text, vocabulary)",
    ),
    ("SaysAWord", ["complete text"], "text_is_complete of neuron 0."),
    ("SaysByAMethod", ["complete text"], "is a method; say True or False, as an attribute"),
    ("CannotSayWhether", ["complete text"], "cannot be read: KeyError: 'whether'; say True"),
    ("SaysLess", ["complete text"], "tokens otherwise when its text is read back; describe"),
    ("SaysHalf", ["complete text"], "tokens otherwise when its text is read back; describe"),
    ("LinesOfAnother", ["complete text"], "offers lines that are not those of its text."),
    ("DecidesByNoLine", ["complete text"], "names a deciding line that is none of its "),
    ("ReadsAnything", ["complete text"], "accepts a text that says nothing ('‹[ garbled"),
    ("IgnoresTheEnd", ["complete text"], "accepts a line of nonsense after the text ('‹[ garbl"),
    (
        "BreaksOnNonsense",
        ["complete text"],
        "raised KeyError: '‹' for a text that says nothing",
    ),
    ("CannotReadItself", ["complete text"], "from_text cannot read what describe gave for neuron"),
    ("ReadsALid", ["complete text"], "from_text gave a list for neuron 0."),
    ("DescribesOtherwiseLater", ["save and load", "complete text"], "describes itself otherwise"),
    ("JointUsesMore", ["complete text"], "simulate_block predicts other numbers from explanat"),
    ("AlmostJoint", ["joint simulation"], "simulate_block and simulate of neuron 0."),
    ("CentresTheBatch", ["contexts apart"], "depends on the other contexts of the batch"),
    ("JointCentresTheBatch", ["joint simulation", "contexts apart"], "differ by up to"),
    (
        "DrawsAtRandom",
        ["repeatable", "order of neurons", "neurons apart"],
        "came out different; draw random numbers",
    ),
    ("Remembers", ["repeatable"], "asked a second time, the same explainer object"),
    ("CountsRows", ["order of neurons", "neurons apart"], "in another order, neurons 0."),
    ("ScalesByTheBlock", ["neurons apart"], "explained alone, neurons 0."),
    ("BreaksOnTheDead", ["bad neurons"], "a dead neuron in the block: explain raised ZeroDiv"),
    ("DividesByTheMaximum", ["bad neurons"], "a dead neuron is predicted a number that"),
    ("NeedsExemplars", ["bad neurons"], "without exemplars: explain raised IndexError"),
    ("AsksAboutHeldOut", ["held-out text"], "asked the subject about held-out text (5 runs of 16"),
    ("ReadsTheCorpus", ["held-out text"], "argparse.py; all that an explainer may see"),
    ("ReadsTheCorpusWhilePreparing", ["held-out text"], "argparse.py; all that an explainer may"),
    ("KnowsTheTruth", ["held-out text"], "simulate asks the subject, which knows the truth"),
    ("RunsTheModel", ["query count"], "(RuleModel) was run around the counter"),
    ("ReadsTheUnits", ["query count"], "(RuleModel) was run around the counter"),
    ("TurnsTheCounterBack", ["query count"], "160 tokens of queries and its counter went up by"),
    ("KeepsAnswers", ["query count"], "subject tokens, and 160 the next time"),
    ("EarnsMoney", ["answers"], "cost 'usd' is -0.5; a cost is a number of at least 0."),
    ("CostsNowAndThen", ["costs"], "name the same ones always"),
    ("SpoilsTheEvidence", ["evidence"], "evidence.exemplars.activations was changed"),
    ("KeepsTheEvidence", ["evidence"], "evidence.mean_activation was changed"),
]


@pytest.mark.parametrize(("name", "checks", "text"), BROKEN)
def test_what_is_broken_is_noticed_and_told(checked, name: str, checks: list[str], text) -> None:
    broken.KeepsAnswers.known.clear()
    results = checked(name)
    found = failed(results)
    assert list(found) == checks
    assert text in found[checks[0]]
    if checks == [FIRST]:
        rest = [result for check, result in results.items() if check != FIRST]
        assert {result.status for result in rest} == {NOT_CHECKED}


def test_complete_texts_pass_every_check(checked) -> None:
    for name, said in (
        ("SoundInFull", "5 of 5 texts are complete: read back by from_text they simulate the same"),
        ("LongInFull", "5 of 5 texts are complete"),
        ("SaysWhatLinesDo", "garbled ones are refused; 5 say what their lines do"),
        ("Sound", "no explanation says that its text is complete"),
    ):
        results = checked(name)
        assert {result.status for result in results.values()} == {OK}, failed(results)
        assert said in results["complete text"].text
    assert "of 50 lines" in results["description"].text
    assert "of 50 lines" not in checked("LongInFull")["description"].text


def test_texts_that_a_simulator_reads_are_complete_by_nature(checked) -> None:
    result = checked("SoundInWords", "ReadsWords")["complete text"]
    assert (result.status, "a simulator predicts from it" in result.text) == (OK, True)


def test_one_explainer_may_have_complete_and_incomplete_texts(checked) -> None:
    results = checked("SoundInPart")
    assert {result.status for result in results.values()} == {OK}, failed(results)
    assert re.search(r"[1-4] of 5 texts are complete", results["complete text"].text)


def test_a_later_text_in_another_order_is_noticed(checked, monkeypatch) -> None:
    found = failed(checked("DescribesOtherwiseLater"))
    assert "gives another text when it is asked again" in found["complete text"]


def test_costs_by_name_are_told(checked) -> None:
    results = checked("Costs")
    assert not failed(results)
    assert results["costs"].text.endswith("returned by name: llm_tokens, usd")


def test_an_outage_is_no_fault_of_the_explainer(checked) -> None:
    results = checked("IsDown")
    assert {result.status for result in results.values()} == {NOT_CHECKED}
    assert "cannot be explained for now: the endpoint is down" in results[FIRST].text


@pytest.mark.parametrize(
    ("simulator", "check", "text"),
    [
        ("ReadsAtRandom", "contexts apart", "other numbers when asked again"),
        ("ReadsOthers", "joint simulation", "otherwise among others than alone"),
        ("GivesNoPrediction", "shapes", "it must give a Prediction"),
    ],
)
def test_a_simulator_is_checked_too(checked, simulator: str, check: str, text: str) -> None:
    assert not failed(checked("SoundInWords", "ReadsWords"))
    assert text in failed(checked("SoundInWords", simulator))[check]
    with pytest.raises(BenchmarkError, match="a simulator must predict from them"):
        checked("SoundInWords")


# A simulation that gives no numbers spoils every check that simulates.
@pytest.mark.parametrize(
    ("name", "check", "text"),
    [
        ("OneNumber", "shapes", "simulate gave shape [3] where [11, 32] is due"),
        ("WholeNumbers", "shapes", "simulate gave torch.int64; return floating point"),
        ("AList", "shapes", "simulate gave a list; return floating point numbers"),
        ("Sparse", "shapes", "simulate gave a sparse_coo tensor"),
        ("OnMeta", "shapes", "simulate gave a meta tensor"),
        ("EndsWhileSimulating", "shapes", "simulate raised SystemExit: 0 (it would have ended"),
        ("SavesTooLate", "save and load", "to_dict cannot be saved: SystemExit: 0"),
        ("JointOfAnotherShape", "shapes", "simulate_block gave shape [5, 11, 32] where"),
        ("NeedsContexts", "shapes", "simulate raised"),
        ("ChangesTokens", "shapes", "simulate changes the tokens"),
        ("CountsCalls", "contexts apart", "other numbers when asked again"),
        ("SavesTensors", "save and load", "to_dict cannot be saved"),
    ],
)
def test_what_spoils_more_than_one_check(checked, name: str, check: str, text: str) -> None:
    found = failed(checked(name))
    assert text in found[check]
    assert FIRST not in found


def test_closed_output_is_noticed(checked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    found = failed(checked("ClosesTheOutput"))
    assert "changes standard output while it simulates" in found["shapes"]


def test_what_is_saved_otherwise_after_simulating_is_noticed(checked) -> None:
    text = failed(checked("SavesLate"))["save and load"]
    assert "saves something else after" in text


def test_every_check_is_seen_to_fail() -> None:
    noticed = {check for _, checks, _ in BROKEN for check in checks}
    assert noticed | {LAST} | {"shapes"} == {FIRST, *CHECKS, LAST}


def test_a_control_may_ask_while_it_simulates_and_need_its_block(checked) -> None:
    results = checked("KnowsTheTruth", control=True)
    assert not failed(results)
    assert "as a control it asks the subject" in results["held-out text"].text
    results = checked("ScalesByTheBlockAndSaysSo")
    assert not failed(results)
    assert results["neurons apart"].status == NOT_CHECKED


def test_one_without_a_joint_simulation_is_not_compared(checked, monkeypatch) -> None:
    monkeypatch.setattr(broken.Sound, "simulate_block", None)
    results = checked("Sound")
    assert not failed(results)
    assert results["joint simulation"].status == NOT_CHECKED


@pytest.mark.slow
def test_another_process_shows_what_hangs_on_the_hash_of_text(setting: Setting) -> None:
    from benchmark.conformance.results import WrongError
    from benchmark.conformance.trial import Trial

    found = {}
    for name in ("Sound", "HashesText", "SoundInHashOrder"):
        explainer = {"name": name, "_target_": f"tests.conformance.broken.{name}"}
        config = dataclasses.replace(setting.config, explainer=explainer)
        process = OtherProcess(config)
        try:
            found[name] = process.check(Trial(dataclasses.replace(setting, config=config)))
        except WrongError as problem:
            found[name] = str(problem)
        finally:
            process.close()
    assert found["Sound"] == "another process gives the same explanations"
    assert "with another PYTHONHASHSEED, neurons 0." in found["HashesText"]
    assert "with another PYTHONHASHSEED, neuron" in found["SoundInHashOrder"]


def test_nothing_is_left_of_the_watching(checked, tmp_path: Path) -> None:
    from torch.nn.modules.module import _global_forward_pre_hooks

    from benchmark.conformance import files

    checked("Sound")
    assert not _global_forward_pre_hooks
    assert not files._watching
