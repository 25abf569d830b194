"""Prices of language models, in US dollars for a million tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError
from benchmark.files.reading import read_yaml
from benchmark.interface import Usage
from benchmark.llm.options import OPENAI_URL, OpenAIOptions

SHIPPED = Path(__file__).with_name("prices.yaml")
MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """What a million tokens of a model cost, in US dollars.

    Attributes:
        prompt: tokens that are read.
        completion: tokens that are written.
        cached: tokens that are read again from the server's cache.
    """

    prompt: float
    completion: float
    cached: float

    def priced(self, usage: Usage) -> Usage:
        """Return a usage with what it costs."""
        new = usage.prompt_tokens - usage.cached_tokens
        paid = new * self.prompt + usage.cached_tokens * self.cached
        return replace(usage, usd=(paid + usage.completion_tokens * self.completion) / MILLION)


def price_of(options: OpenAIOptions) -> Price | None:
    """Return the price of a model; None for one without a price, such as one of your own.

    Shipped prices are of OpenAI's own server alone; a file of the user's holds for any server.

    Raises:
        BenchmarkError: the file cannot be read, or `max_usd` is given and there is no price.
    """
    path = SHIPPED if options.prices is None else Path(options.prices).expanduser()
    if options.prices is not None and not path.is_file():
        raise BenchmarkError(f"llm.prices={options.prices}: there is no such file.")
    known = _prices(path) if options.prices is not None or options.url == OPENAI_URL else {}
    found = known.get(options.model)
    if found is None and options.max_usd is not None:
        raise BenchmarkError(
            f"llm.max_usd={options.max_usd:g} cannot be kept to, because '{options.model}' has no "
            "price; give one in a file with llm.prices=<file>: "
            f"{{models: {{{options.model}: {{prompt: 0.15, completion: 0.60}}}}}}, in US dollars "
            "for a million tokens, or take llm.max_tokens_total."
        )
    return found


def _prices(path: Path) -> dict[str, Price]:
    content = read_yaml(path)
    models = content.get("models") if isinstance(content, Mapping) else None
    if not isinstance(models, Mapping):
        raise BenchmarkError(f"'{path}' is no file of prices: it has no 'models'.")
    return {str(name): _price(name, given, path) for name, given in models.items()}


def _price(name: Any, given: Any, path: Path) -> Price:
    values = given if isinstance(given, Mapping) else {}
    found = {}
    for key in ("prompt", "completion", "cached"):
        value = values.get(key, values.get("prompt") if key == "cached" else None)
        if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
            raise BenchmarkError(
                f"'{path}' gives '{name}' no price: '{key}' is {value!r:.40}, and must be US "
                "dollars for a million tokens."
            )
        found[key] = float(value)
    return Price(**found)
