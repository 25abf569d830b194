"""The catalogue: complete, cheap to read, and clear about a name it does not know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import metrics
from metrics import METRICS, UnknownMetricError

CONFIGS = Path(__file__).parents[2] / "configs" / "metrics"


def test_listing_loads_no_torch() -> None:
    code = (
        "import sys, metrics\n"
        "lines = [m.name + m.description for m in metrics.METRICS.values()]\n"
        "assert lines\n"
        "heavy = {'torch', 'numpy', 'scipy', 'sklearn', 'jaxtyping'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("name", METRICS)
def test_a_record_has_arithmetic_and_one_line(name: str) -> None:
    metric = METRICS[name]
    assert metric.name == name
    assert callable(metric.function)
    assert metric.description.endswith(".")
    assert "\n" not in metric.description


def test_metrics_that_mislead_alone_are_shown_beside_one_that_does_not() -> None:
    beside = {name: m.beside for name, m in METRICS.items() if m.beside}
    assert beside == {
        "precision": "f1",
        "recall": "f1",
        "precision_non_firing": "f1_non_firing",
        "recall_non_firing": "f1_non_firing",
        "precision_top_alpha": "f1_top_alpha",
        "recall_top_alpha": "f1_top_alpha",
    }
    assert all(METRICS[other].beside is None for other in beside.values() if other)


def test_get_finds_a_metric() -> None:
    assert metrics.get("iou") is METRICS["iou"]


def test_an_unknown_name_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(UnknownMetricError) as caught:
        metrics.get("pearsn")
    assert isinstance(caught.value, ValueError)
    assert caught.value.name == "pearsn"
    assert str(caught.value) == (
        f"metric 'pearsn' is not known; did you mean 'pearson'? known: {', '.join(METRICS)}."
    )


def test_a_name_near_to_none_is_answered_with_all() -> None:
    with pytest.raises(UnknownMetricError, match=r"metric 'zzz' is not known\. known: pearson,"):
        metrics.get("zzz")


def test_the_catalogue_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        METRICS["mine"] = METRICS["f1"]  # type: ignore[index]


@pytest.mark.parametrize("name", metrics.__all__)
def test_all_that_is_promised_is_there(name: str) -> None:
    first = getattr(metrics, name)
    assert not isinstance(first, ModuleType)
    # Loading a module of the same name would put the module in its place.
    assert getattr(metrics, name) is first
    assert name in dir(metrics)


def test_what_is_not_promised_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'spearmen'"):
        metrics.spearmen  # noqa: B018


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_config_names_known_metrics_and_what_they_need_beside(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    names = config["metrics"]
    assert config["name"] == path.stem
    assert len(set(names)) == len(names)
    for name in names:
        beside = metrics.get(name).beside
        assert beside is None or beside in names


def test_the_standard_config_holds_the_metrics_of_the_protocol() -> None:
    config = yaml.safe_load((CONFIGS / "standard.yaml").read_text())
    assert config["metrics"] == [
        "pearson", "cosine", "auprc", "f1", "precision", "recall", "iou",
    ]  # fmt: skip


def test_the_config_all_holds_every_metric_in_the_order_of_the_catalogue() -> None:
    config = yaml.safe_load((CONFIGS / "all.yaml").read_text())
    assert config["metrics"] == list(METRICS)
