"""The report in a real browser, opened from the disk."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from benchmark.builtin.recipe import BOS_TOKEN
from tests.leaderboards.site.conftest import Open, Site, a_neuron, column
from tests.leaderboards.site.hostile import PLAIN, WORDS


def test_the_leaderboard_sorts_by_every_heading(visit: Open) -> None:
    page = visit("index.html")
    table = "table.leaderboard"
    names = column(page, table, 2)
    assert len(names) == 5
    heading = page.locator(f"{table} thead th", has_text="explainer")
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column(page, table, 2) == sorted(names, key=str.lower)
    heading.locator("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(page, table, 2) == sorted(names, key=str.lower, reverse=True)
    size = page.locator(f"{table} thead th", has_text="bytes")
    place = 1 + size.evaluate("cell => cell.cellIndex")
    size.locator("button").click()
    assert size.get_attribute("aria-sort") == "descending"
    assert heading.get_attribute("aria-sort") == "none"
    values = page.locator(f"{table} tbody tr > :nth-child({place})").evaluate_all(
        "cells => cells.map(cell => Number(cell.dataset.value))"
    )
    assert values == sorted(values, reverse=True)
    # Controls have no rank and stand last, whichever way the ranks are sorted.
    rank = page.locator(f"{table} thead th", has_text="rank").locator("button")
    for _ in range(2):
        rank.click()
        assert column(page, table, 1)[-1] == "–"


def test_the_leaderboard_filters_by_words_and_by_evidence(visit: Open) -> None:
    page = visit("index.html")
    form = page.locator("form.filter")
    assert form.locator("output").inner_text() == "5 of 5 rows"
    form.locator("input[type=search]").fill("lookup")
    assert [name.split()[0] for name in column(page, "table.leaderboard", 2)] == ["token_lookup"]
    form.locator("input[type=search]").fill("")
    form.locator("input[value='exemplars+sample']").uncheck()
    assert not any("sample" in cell for cell in column(page, "table.leaderboard", 3))
    form.locator("input[value='control']").uncheck()
    assert form.locator("output").inner_text() == "2 of 5 rows"


def test_plots_are_drawn(site: Site, visit: Open) -> None:
    page = visit("index.html")
    assert page.locator("figure svg[role=img]").count() >= 2
    page = visit(f"{site.group}/neurons/{a_neuron(site)}.html")
    page.locator("#scatter-n2g").scroll_into_view_if_needed()
    page.locator("#scatter-n2g svg").wait_for()
    page.locator("#spectrum-n2g svg").wait_for()
    bars = page.locator("#spectrum-n2g svg g[aria-label=rect] rect")
    assert bars.count() >= 2
    assert page.locator("#scatter-n2g svg g[aria-label=dot] path").count() >= 100


def test_a_neuron_page_shows_contexts_as_the_data_says(site: Site, visit: Open) -> None:
    name = a_neuron(site)
    page = visit(f"{site.group}/neurons/{name}.html")
    # Within a context a BOS stands between two documents.
    words = (BOS_TOKEN, *PLAIN, *WORDS)
    shown = {word if len(word) <= 40 else f"{word[:39]}…" for word in words}
    for place in ("exemplars", "top"):
        assert page.locator(f"#{place} .context").count() == 4
        tokens = page.locator(f"#{place} .context").first.locator(".token")
        assert tokens.count() == 15  # a context of 16 tokens without its first BOS
        assert set(tokens.all_inner_texts()) <= shown
    # The strongest token of the first exemplar is the neuron's maximum: shaded all over, and bold.
    strongest = page.locator("#exemplars .context").first.locator(".token.fires")
    assert strongest.count() >= 1
    shares = page.evaluate(
        "[...document.querySelectorAll('#exemplars .context:first-of-type .token')]"
        ".map(token => token.reading.truth)"
    )
    assert max(shares) == pytest.approx(1, abs=0.02)
    assert "(100 %)" in page.locator("#exemplars .caption").first.inner_text()


def test_explainers_can_be_hidden_and_predictions_be_text(site: Site, visit: Open) -> None:
    page = visit(f"{site.group}/neurons/{a_neuron(site)}.html")
    lanes = "document.querySelector('#exemplars .context').style.getPropertyValue('--lanes')"
    assert page.evaluate(lanes) == "4"
    page.locator("#lanes input[value=n2g]").uncheck()
    assert page.evaluate(lanes) == "3"
    page.locator("#as-text").check()
    token = page.locator("#exemplars .token").first
    assert token.locator(".again").count() == 3
    page.locator("#exemplars .token").nth(3).hover()
    readout = page.locator("#exemplars .readout").first.inner_text()
    assert re.search(r"true ≈ \S+, \S+ ≈ \S+, \S+ ≈ \S+", readout)


def test_a_failed_neuron_has_a_page_too(site: Site, visit: Open) -> None:
    page = visit(f"{site.group}/neurons/{a_neuron(site, odd=False)}.html")
    assert WORDS[1] in page.locator(".failed").inner_text()
    assert page.locator("#lanes input[value=saysscript]").is_disabled()


def test_the_layer_table_sorts_and_leads_to_neurons(site: Site, visit: Open) -> None:
    page = visit(f"{site.group}/layers/0.html")
    expected = [f"0.{neuron}" for layer, neuron in site.neurons() if layer == 0]
    assert column(page, "#neurons", 1) == expected
    page.locator("#neurons thead button", has_text="maximum").click()
    maxima = page.locator("#neurons tbody td:nth-child(2)").evaluate_all(
        "cells => cells.map(cell => Number(cell.dataset.value))"
    )
    assert maxima == sorted(maxima, reverse=True)
    assert maxima != sorted(maxima)
    page.locator("#neurons tbody a", has_text=expected[3]).first.click()
    assert page.locator("h1").inner_text() == f"Neuron {expected[3]}"


def test_search_finds_the_neurons_that_fire_on_a_token(site: Site, visit: Open) -> None:
    page = visit("index.html")
    page.keyboard.press("/")
    page.keyboard.type(WORDS[0])
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?*")
    found = page.locator("#found li")
    assert found.count() >= 1
    assert found.first.locator("code").inner_text() == WORDS[0]
    link = found.first.locator("a")
    name = link.inner_text()
    link.click()
    assert page.locator("h1").inner_text() == f"Neuron {name}"
    assert WORDS[0] in page.locator(".chips code").all_inner_texts()


@pytest.mark.parametrize("word", ["__proto__", "constructor", "WORD2", "nothing-has-this"])
def test_search_takes_any_word(visit: Open, word: str) -> None:
    page = visit(f"search.html?q={word}")
    status = page.locator("#status").inner_text()
    if word.startswith("nothing"):
        assert "No neuron" in status
    else:
        shown = page.locator("#found code").all_inner_texts()
        assert shown
        assert {text.lower() for text in shown} == {word.lower()}


def test_search_takes_the_number_of_a_neuron(site: Site, visit: Open) -> None:
    name = a_neuron(site)
    page = visit("search.html")
    page.locator("#query").fill(name)
    assert page.locator("#found a").first.get_attribute("href").endswith(f"/{name}.html")


def test_the_keyboard_is_enough(site: Site, visit: Open) -> None:
    first, second = site.neurons()[:2]
    page = visit(f"{site.group}/neurons/{first[0]}.{first[1]}.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    line = page.locator("#exemplars .context").first
    line.focus()
    page.keyboard.press("ArrowRight")
    at = page.locator("#exemplars .context").first.locator(".token.read")
    assert "fires" in at.get_attribute("class")
    assert page.locator("#exemplars .readout b").first.inner_text() == at.inner_text()
    page.keyboard.press("n")
    page.wait_for_url(f"**/{second[0]}.{second[1]}.html")
    page.keyboard.press("u")
    page.wait_for_url("**/layers/*.html")
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("path", ["index.html", "search.html", "layers", "explainers", "neurons"])
def test_nothing_is_wider_than_a_phone(site: Site, visit: Open, path: str) -> None:
    if "." not in path:
        path = f"{site.group}/{path}/{min((site / path).iterdir()).name}"
    page = visit(path, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_dark_and_paper_have_their_own_colours(site: Site, visit: Open) -> None:
    pillow = pytest.importorskip("PIL.Image")

    def lightness(page: Any) -> float:
        picture = pillow.open(io.BytesIO(page.screenshot())).convert("L")
        histogram = picture.histogram()
        assert sum(count > 0 for count in histogram) > 30  # not a blank page
        return sum(level * count for level, count in enumerate(histogram)) / sum(histogram)

    path = f"{site.group}/neurons/{a_neuron(site)}.html"
    assert lightness(visit(path)) > 200
    dark = visit(path, color_scheme="dark")
    assert lightness(dark) < 80
    dark.emulate_media(media="print", color_scheme="dark")
    assert lightness(dark) > 200
    assert dark.locator("header.bar").is_hidden()
