"""Complete texts in a real browser: what their lines do, and the tokens that they decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from benchmark.evaluation.reopen import ReopenedRun
from benchmark.interface import TextLine
from benchmark.results import find_runs, load_run
from benchmark.token_text import visible_token
from tests.leaderboards.site.conftest import LINED, Open, Site, a_neuron, column
from tests.lined import Lined

# Texts of the contexts' tokens, and whether each is marked.
MARKED = """() => [...document.querySelectorAll("main .context > .token")]
    .map(one => [one.reading.text, one.classList.contains("decided")])"""
TOLD = "() => [...document.querySelectorAll('tr.told')].map(row => Number(row.dataset.line))"


@dataclass(frozen=True)
class OfLines:
    """A neuron and the lines of its text, each with the texts of the tokens that it decides."""

    path: str
    lines: list[TextLine]
    decides: list[set[str]]

    def marked(self, number: int | None, page: Any) -> bool:
        """Return whether exactly the tokens of a line are marked in all contexts of a page."""
        others = set().union(*self.decides[1:])
        found = page.evaluate(MARKED)
        assert len(found) > 200
        for text, marked in found:
            its = number is not None and (
                text not in others if number == 0 else text in self.decides[number]
            )
            if its != marked:
                return False
        return bool(page.evaluate("document.body.classList.contains('marking')")) == (
            number is not None
        )


@pytest.fixture(scope="module")
def of_lines(site: Site) -> OfLines:
    runs = [load_run(path) for path in find_runs([site.results])]
    run = next(run for run in runs if run.record.explainer.name == "LinedTokens")
    reopened = ReopenedRun(run, [LINED])
    tokenizer = reopened.open().subject.tokenizer
    name = a_neuron(site)
    explanation = reopened.explanation(run.explanation(*map(int, name.split("."))))
    assert isinstance(explanation, Lined)
    decides = [{visible_token(tokenizer, one) for one in ids} for ids, _ in explanation.sets]
    assert len(decides) >= 3
    path = f"{site.group}/neurons/{name}.html"
    return OfLines(path, list(explanation.lines()), [set(), *decides])


def test_the_best_complete_text_with_lines_stands_first(visit: Open, of_lines: OfLines) -> None:
    page = visit(of_lines.path)
    assert column(page, "#t-linedtokens table", 1) == [line.text for line in of_lines.lines]
    for row, line in zip(
        page.locator("#t-linedtokens tbody tr").all(), of_lines.lines, strict=True
    ):
        shown = [text.strip() for text in row.locator("td").all_inner_texts()]
        assert shown == [
            "–" if line.variance is None else f"{100 * line.variance:.1f} %".replace("-", "−"),
            "–" if line.precision is None else f"{100 * line.precision:.1f} %",
            "–" if line.matches is None else f"{line.matches:.2f}",
        ]
    order = page.locator("#texts input").evaluate_all("all => all.map(one => one.value)")
    assert order[:2] == ["linedtokens", "n2g"]  # complete, and only the first has lines
    assert page.locator(".text:visible").count() == 1
    length = sum(len(line.text) + 1 for line in of_lines.lines) - 1
    note = page.locator("#t-linedtokens .note").inner_text()
    size = f"{len(of_lines.lines)} lines, {length} characters"
    assert note == f"This text is the whole explanation: {size}."
    assert page.locator("#about-lines").inner_text().count("Precision: of the tokens") == 1
    top = "one => one.getBoundingClientRect().top"
    assert page.locator("#explanation").evaluate(top) < page.locator("#exemplars").evaluate(top)
    assert page.locator("#explanation").evaluate(top) < page.locator("#h-scores").evaluate(top)


def test_hovering_a_line_marks_the_tokens_that_it_decides(visit: Open, of_lines: OfLines) -> None:
    page = visit(of_lines.path)
    assert of_lines.marked(None, page)
    for number in range(len(of_lines.lines)):
        page.locator(f"tr[data-line='{number}']").hover()
        assert of_lines.marked(number, page)
        marked = page.locator(".token.decided").count()
        assert f"Line {number + 1} decides {marked} of the" in page.locator("#marked").inner_text()
        assert number == 0 or marked > 0
    page.locator("h1").hover()
    assert of_lines.marked(None, page)
    # Contexts that are drawn again are marked again.
    page.locator("tr[data-line='1'] code").click()
    page.locator("#lanes input[value=n2g]").uncheck()
    page.locator("#as-text").check()
    assert of_lines.marked(1, page)


def test_a_line_is_kept_by_a_click_or_a_key(visit: Open, of_lines: OfLines) -> None:
    page = visit(of_lines.path)
    line = page.locator("#t-linedtokens code[role=button]")
    line.first.focus()
    assert of_lines.marked(0, page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert of_lines.marked(2, page)
    page.keyboard.press("Enter")
    assert line.nth(2).get_attribute("aria-pressed") == "true"
    page.keyboard.press("End")
    assert of_lines.marked(len(of_lines.lines) - 1, page)
    page.keyboard.press("Tab")
    assert of_lines.marked(2, page)  # the one that is kept
    page.keyboard.press("Escape")
    assert of_lines.marked(None, page)
    line.nth(1).click()
    page.locator("h1").hover()
    page.locator("h1").click()
    assert of_lines.marked(1, page)
    line.nth(1).click()
    page.locator("h1").hover()
    assert of_lines.marked(None, page)
    # One stop of the Tab key is enough for all lines.
    assert page.locator("#t-linedtokens code[tabindex='0']").count() == 1


def test_a_line_is_tapped_on_a_phone(visit: Open, of_lines: OfLines) -> None:
    page = visit(
        of_lines.path, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True
    )
    line = page.locator("tr[data-line='2'] code")
    line.tap()
    assert of_lines.marked(2, page)
    # A token that is tapped names its line, which is out of sight.
    token = page.locator("#exemplars .token.decided, #top .token.decided").first
    token.tap()
    readout = token.locator("xpath=ancestor::li").locator(".readout .line")
    assert readout.is_visible()
    assert readout.inner_text() == of_lines.lines[2].text
    assert of_lines.marked(2, page)
    line.tap()
    assert of_lines.marked(None, page)


def test_hovering_a_token_marks_its_line(visit: Open, of_lines: OfLines) -> None:
    page = visit(of_lines.path)
    tokens = page.locator("#exemplars .context").first.locator(".token")
    seen = set()
    for token in tokens.all():
        token.hover()
        text = token.evaluate("one => one.reading.text")
        numbers = [number for number, of in enumerate(of_lines.decides) if text in of] or [0]
        assert page.evaluate(TOLD) == numbers
        seen.update(numbers)
    assert len(seen) >= 2
    page.locator("#exemplars .context").first.focus()
    page.keyboard.press("ArrowLeft")
    text = page.locator(".token.read").evaluate("one => one.reading.text")
    (number,) = page.evaluate(TOLD)
    assert number == 0 or text in of_lines.decides[number]


def test_marks_go_with_the_text_that_they_belong_to(visit: Open, of_lines: OfLines) -> None:
    page = visit(of_lines.path)
    page.locator("tr[data-line='1'] code").click()
    page.locator("#exemplars .token").first.hover()
    assert of_lines.marked(1, page)
    assert len(page.evaluate(TOLD)) == 1
    page.locator("#texts input[value=n2g]").check()
    assert page.locator("#t-n2g").is_visible()
    assert page.locator(".text:visible").count() == 1
    assert page.locator("#about-lines").is_hidden()
    assert of_lines.marked(None, page)
    assert page.evaluate(TOLD) == []
    page.locator("#m-linedtokens a[href='#t-linedtokens']").click()
    assert page.locator("#t-linedtokens").is_visible()
    assert page.locator("#texts input:checked").get_attribute("value") == "linedtokens"
    assert of_lines.marked(None, page)
    page.locator("tr[data-line='1']").hover()
    assert of_lines.marked(1, page)


def test_all_texts_are_printed(visit: Open, of_lines: OfLines) -> None:
    page = visit(of_lines.path)
    page.emulate_media(media="print")
    assert page.locator(".text:visible").count() == page.locator(".text").count() == 4
    assert page.locator("#texts").is_hidden()


def test_a_failure_is_no_text(site: Site, visit: Open) -> None:
    page = visit(f"{site.group}/neurons/{a_neuron(site, odd=False)}.html")
    assert page.locator("#texts input[value=saysscript]").count() == 0
    assert page.locator("#t-linedtokens").is_visible()
