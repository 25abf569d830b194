"""`run --dry-run` says what would be done, and does nothing."""

from __future__ import annotations

import re

import pytest

from tests.command import Command


def plan(command: Command, *words: str) -> dict[str, str]:
    before = command.files()
    answer = command.run(*words, "--dry-run")
    assert answer.status == 0, answer.err
    assert answer.err == ""
    assert command.files() == before
    lines = (re.match(r"\s*(\w+(?: \w+)?) +(.+?)\s*$", line) for line in answer.out.splitlines())
    return {match[1]: match[2] for match in lines if match}


def test_before_anything_is_measured(command: Command) -> None:
    found = plan(command, "explainer=token_lookup")
    assert found["explainer"] == "token_lookup (explainers.token_lookup.TokenLookup)"
    assert found["evidence"] == "exemplars+sample"
    assert found["subject"].startswith("small (")
    assert "cpu, float32" in found["device"]
    assert found["layers"] == "0, 1"
    assert found["neurons"].startswith("12 at most")
    assert found["explain"] == "96 contexts, 1,536 tokens, of 296 contexts"
    assert found["sample"] == "48 contexts, 768 tokens, of 96 contexts"
    assert found["held out"] == "40 contexts, 640 tokens, of 65 contexts"
    assert found["uniform"] == "32 contexts, 512 tokens, of 40 contexts"
    tokens = re.search(r"about ([\d,]+) to measure", found["subject tokens"])
    assert tokens
    # The explain split, the contexts of the evidence among it, and the held-out split.
    assert int(tokens[1].replace(",", "")) == (96 + 96 + 40) * 16
    assert found["cache"] == "0 of 2 profiles will be used"
    assert f"MB in {command.folder / 'cache'}" in found["disk"]
    assert found["metrics"] == "pearson, cosine, auprc, f1, precision †, recall †, iou"
    assert "results" in found["results"]


def test_after_a_run_and_before_another(command: Command) -> None:
    run = command.finished("explainer=zero")
    found = plan(command, "explainer=zero")
    assert found["neurons"].startswith("12 in 4 blocks")
    assert found["cache"] == "2 of 2 profiles, 4 of 4 blocks will be used"
    assert found["subject tokens"].startswith("none before the explainer asks")
    assert found["results"] == f"{run.folder} (finished before, nothing is left to do)"
    other = plan(command, "explainer=token_lookup")
    assert other["cache"] == found["cache"]
    assert other["results"].endswith("(a new run)")
    fewer = plan(command, "explainer=zero", "neurons.per_layer=5")
    # Of the two blocks of a layer, at least the one that lost a neuron is another one.
    shared = re.fullmatch(r"2 of 2 profiles, (\d) of 4 blocks will be used", fewer["cache"])
    assert shared
    assert int(shared[1]) <= 2
    listed = plan(command, "explainer=zero", "neurons.list=[[0,1],[1,5]]", "contexts.explain=64")
    assert listed["neurons"] == (
        "2 at most (dead ones are known after the first pass); named one by one"
    )


def test_a_run_that_was_begun(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    import benchmark.evaluation.run

    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(benchmark.evaluation.run, "explain_block", interrupted)
        assert command.run("explainer=zero").status == 130
    found = plan(command, "explainer=zero")
    assert found["results"].endswith("(begun before, will be continued)")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["neurons.layers=[7]"], "layer 7 does not exist"),
        (["dataset.path=nowhere"], "dataset.path 'nowhere' does not exist"),
        (["explainer._target_=nowhere.Class"], "module 'nowhere' could not be imported"),
    ],
)
def test_a_plan_finds_the_mistakes_of_a_run(command: Command, words: list[str], part: str) -> None:
    assert part in command.run("--dry-run", *words).message
    assert command.files() == set()


def test_a_sweep_is_planned_job_by_job(command: Command) -> None:
    answer = command.run("--dry-run", "-m", "explainer=zero,mean")
    assert answer.status == 0
    assert answer.out.count("plan (nothing is computed or written):") == 2
    assert command.files() == set()


def test_a_damaged_cache_is_left_for_the_run_to_mend(command: Command) -> None:
    command.finished("explainer=zero")
    profile = next((command.folder / "cache" / "profile").rglob("*.safetensors"))
    profile.write_bytes(b"damaged")
    before = command.files()
    assert command.run("--dry-run", "explainer=zero").status == 0
    assert command.files() == before
    assert profile.read_bytes() == b"damaged"
