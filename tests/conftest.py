"""Fixtures that several packages' tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.hub import Hub

# How fast an example runs depends on what else the machine does.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# A shell that begins the tests in the background has them ignore Ctrl-C, which some tests press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


FOLDER = Path(__file__).parent
SLOW = (
    "builtin",
    "cli/test_bad_input.py",
    "cli/test_check.py",
    "cli/test_compare.py",
    "cli/test_digests.py",
    "cli/test_graphs.py",
    "cli/test_output.py",
    "cli/test_plugins.py",
    "cli/test_score.py",
    "cli/test_show_direct.py",
    "conformance/test_each_check.py",
    "corpus/test_hub_corpus.py",
    "engine/test_driver.py",
    "engine/test_engines.py",
    "engine/test_jobs.py",
    "engine/test_ray_cluster.py",
    "engine/test_run_shards.py",
    "explainers/context_tree/test_tree.py",
    "explainers/fasttext/test_runs.py",
    "explainers/fasttext/test_vectors.py",
    "explainers/max_examples/test_matching.py",
    "explainers/n2g/test_slow_twin.py",
    "explainers/proposers/test_masked.py",
    "files/test_hub.py",
    "fuzz",
    "leaderboards/site/test_browser.py",
    "leaderboards/site/test_lines.py",
    "leaderboards/test_plots.py",
    "leaderboards/test_publish.py",
    "leaderboards/test_published.py",
    "leaderboards/test_submit.py",
    "leaderboards/test_unverified.py",
    "llm/test_forecast.py",
    "llm/test_handing.py",
    "llm/test_independent_server.py",
    "llm/test_whole_runs.py",
    "perf",
    "runs",
    "subject/test_hub_loading.py",
    "subject/test_loading.py",
    "subject/test_old_layouts.py",
    "subject/test_tokenizer.py",
    "test_docs_examples.py",
    "test_docs_readme.py",
    "test_wheel.py",
    "tracking/test_wandb_tracker.py",
)
"""Folders and files whose tests take minutes together: whole runs, trainings, slow twins, a hub, a
browser, hostile inputs. `make test-fast` leaves them out, and all tests marked `slow`."""


def is_slow(path: Path) -> bool:
    return any(path.is_relative_to(FOLDER / name) for name in SLOW)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import slow tests where they are not wanted."""
    return True if config.option.markexpr == "not slow" and is_slow(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [name for name in SLOW if not (FOLDER / name).exists()]
    assert not missing, f"SLOW names what is not there: {missing}"
    for item in items:
        if is_slow(item.path):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A stand-in for the Hugging Face hub with no repositories, and an empty local cache."""
    server = Hub(tmp_path / "huggingface")
    yield server
    server.stop()
