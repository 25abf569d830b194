"""One small report of real runs on hostile text, and a browser to look at it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmark.results import find_runs, load_run
from tests.command import Command, call
from tests.leaderboards.site.hostile import hostile_checkpoint, hostile_texts

SAYS_SCRIPT = "tests.leaderboards.site.hostile.SaysScript"
LINED = "tests.lined.LinedTokens"
TRUST = ("--trust", SAYS_SCRIPT, "--trust", LINED)
EXPLAINERS = (
    ("explainer=token_lookup",),
    ("explainer=n2g",),
    ("explainer=zero",),
    (f"explainer._target_={SAYS_SCRIPT}",),
    (f"explainer._target_={LINED}",),
)
NEURONS = ("neurons.per_layer=10", "neurons.block_size=4")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


Open = Callable[..., Any]


@dataclass(frozen=True)
class Site:
    """A written report and what it was made of."""

    folder: Path
    results: Path
    cache: Path
    said: str
    group: str = "small-text"

    def __truediv__(self, path: str) -> Path:
        return self.folder / self.group / path

    def neurons(self) -> list[tuple[int, int]]:
        """The (layer, neuron) of the runs."""
        return load_run(find_runs([self.results])[0]).scores.neurons()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("report")
    command = Command(folder, hostile_checkpoint(folder / "small"), hostile_texts(folder / "texts"))
    for words in EXPLAINERS:
        answer = command.run(*words, *NEURONS)
        assert answer.status == 0, answer.err
    results, cache = folder / "results", folder / "cache"
    words = ("-o", str(folder / "site"), f"--cache-dir={cache}", *TRUST)
    answer = call("report", str(results), *words)
    assert answer.status == 0, answer.err
    return Site(folder / "site", results, cache, answer.out)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)} is on the PATH")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture
def visit(site: Site, browser: Any) -> Iterator[Open]:
    """Open a page of the report; at the end nothing may have gone wrong or left the disk."""
    contexts, problems, requests = [], [], []

    def visit(path: str, **options: Any) -> Any:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda said: problems.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{site.folder.as_uri()}/{path}")
        return page

    yield visit
    for context in contexts:
        for page in context.pages:
            assert page.evaluate("window.hacked") is None
        context.close()
    assert problems == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def a_neuron(site: Site, odd: bool = True) -> str:
    """Neurons with odd numbers have explanations by all."""
    layer, neuron = next(key for key in site.neurons() if key[1] % 2 == int(odd))
    return f"{layer}.{neuron}"


def column(page: Any, table: str, number: int) -> list[str]:
    cells = page.locator(f"{table} tbody tr:visible > :nth-child({number})")
    return [text.strip() for text in cells.all_inner_texts()]
