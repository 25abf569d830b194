"""What a planned run would ask language models, and what that would cost."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence

from benchmark.cli.forecast import FULL
from benchmark.config.run_config import RunConfig
from benchmark.evaluation.model_forecast import EXPLAIN, NEURONS, ModelCosts, model_costs
from benchmark.terminal.table import print_rows, say


def print_model_costs(config: RunConfig, neurons: int) -> None:
    """Print requests, tokens and US dollars per neuron and in all; nothing where none is asked."""
    found = model_costs(config)
    if not found:
        return
    sys.stdout.write("language models:\n")
    headings = ["purpose", "model", "requests/n.", "read/n.", "written/n.", "usd/n."]
    headings += ["requests", "tokens", "usd"]
    rows = [_row(one, neurons) for one in found]
    if len(found) > 1:
        rows.append(_total(found, neurons))
    print_rows(headings, rows, text_columns=2, least=("usd/n.",))
    say(f"{_basis(found, neurons)}\n")


def _row(one: ModelCosts, neurons: int) -> list[str]:
    tokens = one.prompt_tokens + one.completion_tokens
    return [
        one.purpose,
        one.model,
        f"{one.requests:,.1f}",
        f"{one.prompt_tokens:,.0f}",
        f"{one.completion_tokens:,.0f}",
        f"{one.usd:.4f}" if one.priced else "-",
        f"{one.requests * neurons:,.0f}",
        f"{tokens * neurons:,.0f}",
        f"{one.usd * neurons:,.2f}" if one.priced else "-",
    ]


def _total(found: Sequence[ModelCosts], neurons: int) -> list[str]:
    priced = all(one.priced for one in found)
    usd = sum(one.usd for one in found)
    read = sum(one.prompt_tokens for one in found)
    written = sum(one.completion_tokens for one in found)
    requests = sum(one.requests for one in found)
    return [
        "in all",
        "",
        f"{requests:,.1f}",
        f"{read:,.0f}",
        f"{written:,.0f}",
        f"{usd:.4f}" if priced else "-",
        f"{requests * neurons:,.0f}",
        f"{(read + written) * neurons:,.0f}",
        f"{usd * neurons:,.2f}" if priced else "-",
    ]


def _basis(found: Sequence[ModelCosts], neurons: int) -> str:
    """Return what the forecast rests on."""
    text = (
        f"From the prompts of at most {NEURONS} neurons, whose examples were searched in at most "
        f"{EXPLAIN} contexts, for {neurons:,} neurons. Written are at most so many tokens: answers "
        "may end before."
    )
    if not all(one.exact for one in found):
        text += " Tokens of a server's model are estimated: one for three bytes of UTF-8."
    if not all(one.priced for one in found):
        text += " A model without a price costs nothing here; llm.prices=<file> gives one."
    return textwrap.fill(text + " What is kept from earlier runs is not asked again.", FULL)
