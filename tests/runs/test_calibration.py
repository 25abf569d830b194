"""Calibration of whole runs: fitted on `calibrate` alone, in columns of its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.results import Run, load_run
from benchmark.results.columns import SCORING_SETS
from metrics import fit_calibration
from tests.command import Command, call, explanations, table
from tests.runs.methods import Constant, Method

METRICS = "metrics.metrics=[pearson,r2,mse,f1]"
SCALE, OFFSET = 0.5, 3.0


class Rescaled(Constant):
    """The truth, times and plus something: what calibration has to undo."""

    subject = None

    def __init__(self, layer, neuron, scale=SCALE):
        super().__init__(0.0, neuron)
        self.layer, self.scale = layer, scale

    def bind(self, subject):
        Rescaled.subject = subject

    def simulate(self, tokens):
        true = Rescaled.subject.activations(tokens, self.layer, [self.neuron])[..., 0]
        return true * self.scale + OFFSET

    def to_dict(self):
        return {"layer": self.layer, "neuron": self.neuron, "scale": self.scale}

    @classmethod
    def from_dict(cls, data):
        return cls(data["layer"], data["neuron"], data["scale"])


class Rescales(Method):
    explanation_class = Rescaled

    def __init__(self, scale=SCALE):
        super().__init__()
        self.scale = scale

    def explain(self, evidence, subject):
        Rescaled.subject = subject
        return [Rescaled(evidence.layer, n, self.scale) for n in evidence.neurons.tolist()]


RESCALES = "explainer._target_=tests.runs.test_calibration.Rescales"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, texts: Path) -> Command:
    return Command(tmp_path_factory.mktemp("calibrated"), checkpoint, texts)


@pytest.fixture(scope="module")
def plain(shared: Command) -> Run:
    return shared.finished(METRICS)


@pytest.fixture(scope="module")
def linear(shared: Command, plain: Run) -> Run:
    return shared.finished(METRICS, "calibration=linear")


def columns(run: Run, part: str) -> dict[str, np.ndarray]:
    return {name: run.scores.column(name) for name in run.scores.columns if part in name}


@pytest.mark.parametrize("method", ["linear", "isotonic"])
def test_a_planted_scaling_is_undone(shared: Command, method: str) -> None:
    run = shared.finished(RESCALES, METRICS, f"calibration={method}")
    scores = run.scores
    assert (scores.column("uniform/r2") < 0).all()
    exact = 1e-4 if method == "linear" else 0.05  # a curve is flat beyond what it was fitted on
    np.testing.assert_allclose(scores.column("uniform_calibrated/r2"), 1, atol=exact)
    assert not scores.column("calibration/clipped").any()
    if method == "linear":
        np.testing.assert_allclose(scores.column("calibration/slope"), 1 / SCALE, rtol=1e-3)
        intercepts = scores.column("calibration/intercept")
        np.testing.assert_allclose(intercepts, -OFFSET / SCALE, rtol=1e-3)
    else:
        assert np.isnan(scores.column("calibration/slope")).all()


def test_a_negative_slope_is_clipped_and_told(shared: Command) -> None:
    run = shared.finished(RESCALES, "+explainer.scale=-1", METRICS, "calibration=linear")
    assert run.scores.column("calibration/clipped").all()
    assert (run.scores.column("calibration/slope") == 0).all()
    assert run.scores.column("uniform_calibrated/undefined").all()
    assert not run.scores.column("uniform/undefined").any()
    assert run.record.summary["calibration/clipped"] == len(run.scores) == 12
    layer, neuron = run.scores.neurons()[0]
    assert "12 of 12 explained neurons fall where" in call("show", str(run.folder)).out
    trust = "--trust=tests.runs.test_calibration.Rescales"
    shown = call("show", str(run.folder), f"{layer}.{neuron}", trust).out
    assert "calibration: slope clipped to 0" in shown


def test_no_other_column_changes(plain: Run, linear: Run) -> None:
    with_calibration, without = linear.scores.columns, plain.scores.columns
    assert [name for name in with_calibration if name in without] == without
    new = {name for name in with_calibration if name not in without}
    sets = [f"{one}_calibrated" for one in SCORING_SETS]
    names = ("pearson", "r2", "mse", "f1", "undefined")
    assert new == {f"{one}/{name}" for one in sets for name in names} | {
        "calibration/slope",
        "calibration/intercept",
        "calibration/clipped",
    }
    assert table(linear, without=("seconds", "calibrat")) == table(plain)
    assert explanations(linear) == explanations(plain)
    assert linear.record.run_id != plain.record.run_id
    for name, summary in plain.record.summary.items():
        if "seconds" not in name:
            assert linear.record.summary[name] == summary
    summary = linear.record.metric("uniform_calibrated/r2")
    assert summary is not None
    assert summary.low < summary.mean < summary.high
    assert linear.record.summary["calibration/clipped"] == int(
        linear.scores.column("calibration/clipped").sum()
    )
    assert "calibration" not in linear.scores.scoring_sets
    # A lookup of means is shrunk towards the mean already; the map does no harm.
    assert linear.record.metric("uniform_calibrated/mse").mean <= (
        1.05 * linear.record.metric("uniform/mse").mean
    )


def test_the_fit_is_the_one_made_by_hand_on_the_calibrate_split(
    shared: Command, linear: Run
) -> None:
    from omegaconf import OmegaConf

    from benchmark.config.run_config import check_config
    from benchmark.evaluation.experiment import open_experiment
    from benchmark.evaluation.explain import build_explainer

    config = check_config(OmegaConf.create(linear.record.config))
    experiment = open_experiment(config)
    tokens = experiment.corpus.splits["calibrate"].tokens
    text = tokens != experiment.corpus.splits["calibrate"].bos
    kind = build_explainer(config.explainer).explanation_class
    for place, line in enumerate(linear.explanations()):
        true = experiment.subject.activations(tokens, line.layer, [line.neuron])[..., 0]
        predicted = kind.from_dict(line.explanation).simulate(tokens)
        found = fit_calibration("linear", true[text][None], predicted[text][None])
        slope = linear.scores.column("calibration/slope")[place]
        assert slope == pytest.approx(float(found.slope), rel=1e-4)


def test_other_held_out_text_leaves_the_fit_as_it_was(shared: Command, linear: Run) -> None:
    """Fewer held-out contexts change the scores, and not one digit of the maps."""
    other = shared.finished(
        METRICS, "calibration=linear", "contexts.held_out=20", "contexts.uniform=9"
    )
    assert table(other) != table(linear)
    for name, values in columns(linear, "calibration/").items():
        assert np.array_equal(other.scores.column(name), values)
    less = shared.finished(METRICS, "calibration=linear", "contexts.calibrate=3")
    slopes = less.scores.column("calibration/slope")
    assert not np.array_equal(slopes, linear.scores.column("calibration/slope"))


def test_maps_are_fitted_on_contexts_of_the_calibrate_split_alone(
    shared: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    import benchmark.scorers.calibration

    seen = []
    fit = benchmark.scorers.calibration.fit_block

    def watched(method, block):
        seen.append(block.calibration().tokens)
        return fit(method, block)

    monkeypatch.setattr(benchmark.scorers.calibration, "fit_block", watched)
    run = shared.finished("explainer=mean", METRICS, "calibration=linear")
    from omegaconf import OmegaConf

    from benchmark.config.run_config import check_config
    from benchmark.evaluation.experiment import open_experiment

    splits = open_experiment(check_config(OmegaConf.create(run.record.config))).corpus.splits
    calibrate = {tuple(row) for row in splits["calibrate"].tokens.tolist()}
    assert len(seen) == 4  # blocks
    assert all(tuple(row) in calibrate for tokens in seen for row in tokens.tolist())


def test_the_shuffled_control_gains_and_a_failure_stays_zero(shared: Command) -> None:
    run = shared.finished("explainer=shuffled", METRICS, "calibration=linear")
    before, after = (run.record.metric(f"uniform{s}/r2") for s in ("", "_calibrated"))
    assert before.mean < -0.1
    assert before.mean < after.mean
    assert after.mean == pytest.approx(0, abs=0.05)
    failing = "explainer._target_=tests.runs.methods.RaisesOnEven"
    run = shared.finished(failing, METRICS, "calibration=linear")
    failed = run.scores.column("status") == "failed"
    assert failed.any()
    assert not failed.all()
    assert (np.isnan(run.scores.column("calibration/slope")) == failed).all()
    for name in ("r2", "mse", "pearson"):
        same = run.scores.column(f"uniform/{name}") == run.scores.column(
            f"uniform_calibrated/{name}"
        )
        assert same[failed].all()
    assert not (run.scores.column("uniform/mse") == run.scores.column("uniform_calibrated/mse"))[
        ~failed
    ].any()


@pytest.mark.parametrize("method", ["linear", "isotonic"])
def test_score_fits_again_and_a_block_changes_nothing(shared: Command, method: str) -> None:
    run = shared.finished(METRICS, f"calibration={method}", "seed=1")
    answer = call("score", str(run.folder))
    assert answer.status == 0, answer.err
    assert "44 columns of scores compared" in answer.out
    assert "largest difference 0\n" in answer.out
    assert table(load_run(run.folder)) == table(run)
    other = shared.finished(METRICS, f"calibration={method}", "seed=1", "neurons.block_size=1")
    assert table(other) == table(run)


def test_score_adds_it_to_a_run_that_has_none_also_to_an_old_one(
    command: Command, linear: Run
) -> None:
    run = command.finished(METRICS)
    path = run.folder / "run.json"
    record = json.loads(path.read_text())
    del record["config"]["calibration"], record["config"]["contexts"]["calibrate"]  # of before
    path.write_text(json.dumps(record))
    assert call("show", str(run.folder)).status == 0
    answer = call("score", str(run.folder), "calibration=linear")
    assert answer.status == 0, answer.err
    assert "24 columns of scores compared" in answer.out
    assert table(load_run(run.folder)) == table(linear)
    answer = call("score", str(run.folder), "calibration=isotonic")
    assert "24 columns of scores compared" in answer.out
    assert "largest difference 0\n" in answer.out
    answer = call("score", str(run.folder), "calibration=none")
    assert answer.status == 0
    assert table(load_run(run.folder)) == table(run)


def test_what_show_says(plain: Run, linear: Run) -> None:
    out = call("show", str(linear.folder)).out
    assert "after linear calibration, on uniformly drawn contexts" in out
    assert "never\nthe headline. 0 of 12 explained neurons fall" in out
    assert max(map(len, out.partition("after linear")[2].splitlines())) <= 100
    assert "calibration," not in call("show", str(plain.folder)).out
    layer, neuron = linear.scores.neurons()[0]
    out = call("show", str(linear.folder), f"{layer}.{neuron}").out
    assert " times the prediction, " in out
    assert "uniform_calibrated" in out


def test_it_is_part_of_what_a_run_is_and_of_the_plan(shared: Command, linear: Run) -> None:
    again = shared.run(METRICS, "calibration=linear")
    assert "nothing was computed" in again.out
    plan = shared.run(METRICS, "calibration=linear", "--dry-run")
    assert "for calibration=linear" in plan.out
    assert linear.record.run_id in plan.out
    assert "  calibrate" not in shared.run(METRICS, "--dry-run").out


def test_calibrated_scores_are_compared_only_where_they_are_the_same_and_rank_nothing(
    shared: Command, plain: Run, linear: Run
) -> None:
    control = shared.finished("explainer=shuffled", METRICS, "calibration=linear", "fresh=true")
    both = [str(linear.folder), str(control.folder)]
    assert call("compare", *both, "--metrics=uniform_calibrated/r2").status == 0
    message = call("compare", *both, "--rank-by=uniform_calibrated/r2").message
    assert "cannot be a ranking key: calibrated predictions" in message
    message = call(
        "compare", *both[1:], str(plain.folder), "--metrics=uniform_calibrated/r2"
    ).message
    assert "calibration is none instead of linear, so that predictions are calibrated" in message


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (
            ["calibration=quadratic"],
            "calibration 'quadratic' is not known. known: isotonic, linear",
        ),
        (["calibration=null"], "calibration=null must be text"),
        (["contexts.calibrate=0"], "contexts.calibrate=0 is too small"),
        (
            [
                "calibration=linear",
                "dataset.fractions={explain: 0.8, calibrate: 0.0, held_out: 0.2}",
            ],
            "the calibrate split has no context",
        ),
    ],
)
def test_what_cannot_be_calibrated(command: Command, words: list[str], part: str) -> None:
    assert part in command.run(*words).message


def test_it_is_measured_once_and_only_when_it_is_asked_for(command: Command) -> None:
    command.finished("explainer=zero")
    assert not (command.folder / "cache" / "calibration").exists()
    run = command.finished("explainer=zero", "calibration=linear")
    assert torch.tensor(run.scores.column("calibration/slope")).eq(0).all()
    files = sorted((command.folder / "cache" / "calibration").rglob("*.safetensors"))
    assert len(files) == 2  # one for each layer
    answer = command.run("explainer=mean", "calibration=isotonic")
    assert "0 measured" in answer.out
    assert sorted((command.folder / "cache" / "calibration").rglob("*.safetensors")) == files
