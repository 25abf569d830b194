"""Budgets: what a run may spend on language models, and what it has spent."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from benchmark.interface import Usage
from benchmark.llm.errors import BudgetError
from benchmark.llm.options import LocalOptions, OpenAIOptions
from benchmark.llm.reply_store import ReplyStore

_session = uuid.uuid4().hex


def begin_session(session: str | None = None) -> str:
    """Begin to count anew what is spent, or join a run that another process began.

    Args:
        session: of that run; None for a new one.

    Returns:
        The session, which the run hands to its workers, so that all of them share one budget.
    """
    global _session
    _session = session or uuid.uuid4().hex
    return _session


@dataclass
class Spending:
    """What one language model may cost a run and has cost it, in all processes together.

    Attributes:
        store: where it is counted.
        name: of the model, since each has a budget of its own.
        max_tokens: most tokens, read and written; None for no limit.
        max_usd: most US dollars; None for no limit.
    """

    store: ReplyStore
    name: str
    max_tokens: int | None = None
    max_usd: float | None = None

    @classmethod
    def of(cls, options: OpenAIOptions | LocalOptions, store: ReplyStore) -> Spending:
        """Return the budget that options give."""
        if isinstance(options, OpenAIOptions):
            name = f"{options.model} {options.url}"
            return cls(store, name, options.max_tokens_total, options.max_usd)
        return cls(store, options.source, options.max_tokens_total)

    @property
    def limited(self) -> bool:
        """Return whether there is a limit at all."""
        return self.max_tokens is not None or self.max_usd is not None

    def reserve(self, usage: Usage) -> bool:
        """Reserve what a request may cost at most; return whether the budget has room for it."""
        if not self.limited:
            return True
        return self.store.reserve(self._key, usage, self.max_tokens, self.max_usd)

    def settle(self, reserved: Usage, spent: Usage) -> None:
        """Count what a request cost in the place of what was reserved for it."""
        if self.limited:
            self.store.settle(self._key, reserved, spent)

    def used_up(self) -> BudgetError:
        """Return the error that ends the run."""
        tokens, usd = self.store.spent(self._key)
        limits = []
        if self.max_tokens is not None:
            limits.append(f"{tokens:,} of llm.max_tokens_total={self.max_tokens:,} tokens")
        if self.max_usd is not None:
            limits.append(f"{usd:.4f} of llm.max_usd={self.max_usd:g} US dollars")
        return BudgetError(
            f"the budget is used up: {' and '.join(limits)} are spent, and the next request may "
            "pass that. Every answer is kept; the same command, with more, continues."
        )

    @property
    def _key(self) -> str:
        return f"{_session} {self.name}"
