"""`run --dry-run` says what would be done, and does nothing."""

from __future__ import annotations

import re

import pytest

from tests.command import EXPLAIN, HELD_OUT, Command


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
    assert found["uniform_small"].startswith("8 contexts, ")
    tokens = re.search(r"([\d,]+) to measure", found["subject tokens"])
    assert tokens
    assert int(tokens[1].replace(",", "")) == (EXPLAIN + HELD_OUT) * 16  # a pass over either split
    assert found["cache"] == "0 of 2 profiles will be used"
    assert f" at most, in {command.folder / 'cache'}, which has " in found["disk"]
    assert found["storage"] == "float32, exact"
    assert found["engine"].startswith("local")
    assert found["metrics"] == "pearson, cosine, auprc, f1, precision †, recall †, iou"
    assert "results" in found["results"]


def megabytes(text: str) -> float:
    match = re.match(r"([\d.]+) ([kMG])B", text)
    assert match, text
    return float(match[1]) * {"k": 1e-3, "M": 1.0, "G": 1e3}[match[2]]


def test_after_a_run_and_before_another(command: Command) -> None:
    run = command.finished("explainer=zero")
    found = plan(command, "explainer=zero")
    assert found["neurons"].startswith("12 in 4 blocks")
    assert found["cache"] == "2 of 2 profiles, 4 of 4 blocks will be used"
    assert found["subject tokens"].startswith("none before the explainer asks")
    assert megabytes(found["disk"]) == 0
    assert found["results"] == f"{run.folder} (finished before, nothing is left to do)"
    # `zero` sees no sample, so none was captured: the next one needs a pass over its text.
    other = plan(command, "explainer=token_lookup")
    assert other["cache"] == "2 of 2 profiles, 0 of 4 blocks will be used"
    assert other["subject tokens"].startswith(f"{96 * 16:,} to measure")
    assert other["results"].endswith("(a new run)")
    fewer = plan(command, "explainer=zero", "neurons.per_layer=5")
    # Those that are measured are read, whatever block they were drawn in.
    assert fewer["cache"] == "2 of 2 profiles, 4 of 4 blocks will be used"
    listed = plan(command, "explainer=zero", "neurons.list=[[0,1],[1,5]]", "contexts.explain=64")
    assert listed["neurons"] == (
        "2 at most (dead ones are known after the first pass); named one by one"
    )


def test_no_sample_is_planned_where_none_is_seen(command: Command) -> None:
    seen, unseen = plan(command, "explainer=token_lookup"), plan(command, "explainer=zero")
    assert unseen["sample"] == "none: the explainer sees no sample, so none is captured"
    assert unseen["subject tokens"] == seen["subject tokens"]  # it costs no pass of its own
    assert megabytes(unseen["disk"]) < megabytes(seen["disk"])


def test_what_takes_less_room(command: Command) -> None:
    whole = plan(command, "neurons.per_layer=null")
    half = plan(command, "neurons.per_layer=null", "storage.dtype=bfloat16")
    parts = plan(command, "neurons.per_layer=null", "storage.neurons=8")
    assert half["storage"] == "bfloat16, rounded from float32"
    assert megabytes(half["disk"]) < 0.7 * megabytes(whole["disk"])
    assert megabytes(parts["disk"]) < 0.7 * megabytes(whole["disk"])
    assert parts["storage"] == "float32, exact, 8 neurons at a time, each with a pass of its own"
    # The profile, and for each of six groups of eight neurons both splits.
    assert parts["subject tokens"].startswith(
        f"{(EXPLAIN + 6 * (EXPLAIN + HELD_OUT)) * 16:,} to measure"
    )
    assert whole["subject tokens"].startswith(f"{(EXPLAIN + HELD_OUT) * 16:,} to measure")


def test_a_disk_that_is_too_small_is_seen_before(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.cli.plan_costs.free_bytes", lambda folder: 2**26)
    found = plan(command)
    assert found["too small"].startswith("the run will be refused; takes less: fewer neurons")
    monkeypatch.setattr("benchmark.cli.plan_costs.free_bytes", lambda folder: None)
    assert "too small" not in plan(command)


def test_the_plan_ends_with_a_forecast(command: Command) -> None:
    answer = command.run("explainer=n2g", "--dry-run")
    rows = re.findall(r"^ (1|8|64) +(\d+) .* (?:GB|MB)$", answer.out, re.MULTILINE)
    # One capture of either split, and two blocks of either layer.
    assert rows == [(workers, "6") for workers in ("1", "8", "64")]
    assert "GFLOP/s just now" in answer.out
    assert "a neuron on solu-tiny (" in " ".join(answer.out.split())  # as shipped
    command.finished("explainer=n2g")
    other = command.run("explainer=n2g", "explainer.importance_threshold=0.5", "--dry-run").out
    assert "a neuron on small (" in " ".join(other.split())  # as the last run took
    assert re.search(r"^ 1 +4 +0\.0 s ", other, re.MULTILINE)  # all is captured
    again = command.run("explainer=n2g", "--dry-run").out
    assert "GFLOP/s" not in again  # finished: nothing is left


def test_an_explainer_that_was_never_measured_is_not_forecast(command: Command) -> None:
    out = command.run("explainer=mean", "--dry-run").out
    assert "no finished run of 'mean' says what it takes." in " ".join(out.split())
    assert re.search(r"^ 8 .* - +- +- ", out, re.MULTILINE)


def test_a_run_that_was_begun(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    import benchmark.evaluation.shards

    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(benchmark.evaluation.shards, "explain_block", interrupted)
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
    assert answer.out.count("plan (nothing is computed or written but the time of one batch):") == 2
    assert command.files() == set()


def test_a_damaged_cache_is_left_for_the_run_to_mend(command: Command) -> None:
    command.finished("explainer=zero")
    profile = next((command.folder / "cache" / "profile").rglob("*.safetensors"))
    profile.write_bytes(b"damaged")
    before = command.files()
    assert command.run("--dry-run", "explainer=zero").status == 0
    assert command.files() == before
    assert profile.read_bytes() == b"damaged"
