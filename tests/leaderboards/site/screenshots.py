"""Pictures of a report for the docs: the overview, a good and a bad neuron.

    python -m tests.leaderboards.site.screenshots site docs/images/report

The neurons are the two that the overview names to begin with; others by `good=3.400 bad=0.12`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from tests.leaderboards.site.conftest import ARGUMENTS, BROWSERS

WIDTH, HEIGHTS = 1200, {"overview": 1300, "good": 1500, "bad": 1250}


def main(words: list[str]) -> None:
    site, out = Path(words[0]).resolve(), Path(words[1])
    asked = dict(word.split("=", 1) for word in words[2:])
    out.mkdir(parents=True, exist_ok=True)
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        page = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHTS["overview"]}, reduced_motion="reduce"
        )
        page.goto(f"{site.as_uri()}/index.html")
        picture(page, out / "overview.png")
        links = page.locator("a[href*='/neurons/']").evaluate_all("all => all.map(a => a.href)")
        for name, link in zip(("good", "bad"), links, strict=False):
            if name in asked:
                link = f"{link.rpartition('/')[0]}/{asked[name]}.html"
            page.set_viewport_size({"width": WIDTH, "height": HEIGHTS[name]})
            page.goto(link)
            if name == "bad":  # its misses are what there is to see
                page.evaluate("document.querySelector('.method').scrollIntoView()")
            picture(page, out / f"neuron-{name}.png")
        browser.close()


def picture(page: Any, path: Path) -> None:
    page.wait_for_timeout(500)
    page.screenshot(path=path)
    size = path.stat().st_size
    sys.stdout.write(f"{path} {size / 1000:.0f} kB\n")
    assert size < 300_000, f"{path} is too large for the docs"


if __name__ == "__main__":
    main(sys.argv[1:])
