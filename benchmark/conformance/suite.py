"""Checks of one explainer, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmark.config.run_config import RunConfig
from benchmark.conformance.answers import (
    costs,
    describes,
    evidence_unchanged,
    explains,
    finite,
    joint_is_single,
    shapes,
)
from benchmark.conformance.bad_neurons import bad_neurons
from benchmark.conformance.complete_text import reads_back
from benchmark.conformance.honesty import honest_count, no_held_out
from benchmark.conformance.process import OtherProcess
from benchmark.conformance.results import (
    FAILED,
    NOT_CHECKED,
    OK,
    NotCheckedError,
    Result,
    WrongError,
)
from benchmark.conformance.sameness import blocks, contexts, order, repeats, saves
from benchmark.conformance.setting import make_setting
from benchmark.conformance.trial import Trial
from benchmark.evaluation.completion import completed
from benchmark.evaluation.language_models import explainer_of
from benchmark.plugins.isolation import contained, reason_of

Check = Callable[[Trial], str]

CHECKS: dict[str, Check] = {
    "shapes": shapes,
    "finite numbers": finite,
    "description": describes,
    "save and load": saves,
    "complete text": reads_back,
    "joint simulation": joint_is_single,
    "contexts apart": contexts,
    "repeatable": repeats,
    "order of neurons": order,
    "neurons apart": blocks,
    "bad neurons": bad_neurons,
    "held-out text": no_held_out,
    "query count": honest_count,
    "costs": costs,
    "evidence": evidence_unchanged,
}
FIRST, LAST = "answers", "other process"


def check_explainer(config: RunConfig) -> Iterator[Result]:
    """Check the explainer that a configuration names, on the subject and corpus that it names.

    Yields:
        A result for each check, as soon as it is known.

    Raises:
        BenchmarkError: the explainer cannot be made, or the setting not be loaded.
    """
    # First: without them all else would be for nothing.
    config = completed(config)
    explainer_of(config)
    trial = Trial(make_setting(config))
    _ = trial.explainer
    first = _result(FIRST, explains, trial)
    yield first
    if first.status != OK:
        for name in (*CHECKS, LAST):
            yield Result(name, NOT_CHECKED, f"there are no explanations; fix '{FIRST}' first")
        return
    process = OtherProcess(config)
    try:
        for name, check in CHECKS.items():
            yield _result(name, check, trial)
        yield _result(LAST, process.check, trial)
    finally:
        process.close()


def _result(name: str, check: Check, trial: Trial) -> Result:
    try:
        with contained():
            return Result(name, OK, check(trial))
    except WrongError as problem:
        return Result(name, FAILED, str(problem))
    except NotCheckedError as reason:
        return Result(name, NOT_CHECKED, str(reason))
    except MemoryError:
        raise
    except Exception as error:
        return Result(name, FAILED, f"the explainer raised {reason_of(error)}")
