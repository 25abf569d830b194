"""Client of language models in this process: answers, probabilities of labels, logits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor

from benchmark.errors import is_out_of_memory
from benchmark.interface import LabelReply, LabelRequest, Reply, Request, Usage
from benchmark.llm.errors import LanguageModelError
from benchmark.llm.generation import generate
from benchmark.llm.local_labels import label_text
from benchmark.llm.local_model import LocalModel
from benchmark.llm.shared_prefix import WORTH_IT, PrefixRunner, batches, common
from benchmark.llm.spending import Spending

Given = TypeVar("Given")
Run: TypeAlias = Callable[[Sequence[int]], list[tuple[Given, Usage]]]


class LocalClient:
    """Asks a model in this process, in batches, and runs what requests begin with once.

    Args:
        make_model: loads the model; called when it is first asked.
        spending: what may be spent.
    """

    def __init__(self, make_model: Callable[[], LocalModel], spending: Spending) -> None:
        self._make_model, self._spending = make_model, spending

    @property
    def tokenizer(self) -> Any:
        """Return the model's own tokenizer."""
        return self._model.tokenizer

    @property
    def positions(self) -> int:
        """Return how many token positions were run so far."""
        return self._runner.positions

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Yield the answers with the places of their requests, batch by batch.

        An answer is the likeliest one where the temperature is 0; else it is drawn by a seed that
        is made of the request, whatever else is asked beside it.

        Raises:
            BenchmarkError: a request is longer than the model reads, or the budget is used up.
        """
        prompts = [self._model.prompt(request.messages) for request in requests]
        whole = [
            len(prompt) + request.max_tokens
            for prompt, request in zip(prompts, requests, strict=True)
        ]
        self._check_length(max(whole))
        shared = min(common(prompts), *(len(prompt) - 1 for prompt in prompts))
        shared = shared if len(prompts) > 1 and shared >= WORTH_IT else 0
        prefix = self._runner.prefix(prompts[0][:shared])

        def run(rows: Sequence[int]) -> list[tuple[Reply, Usage]]:
            texts = [prompts[row][shared:] for row in rows]
            given = generate(self._model, self._runner, prefix, texts, [requests[r] for r in rows])
            found = []
            for row, one in zip(rows, given, strict=True):
                # The first of all that are asked pays for what is shared.
                usage = Usage(len(prompts[row]), shared if row else 0, one.tokens)
                found.append((Reply(one.text, one.finished, usage, one.logprobs), usage))
            return found

        for batch in batches([most - shared for most in whole], self._model.batch_tokens):
            yield from self._paid(batch, {row: whole[row] for row in batch}, run)

    def label_answers(self, requests: Sequence[LabelRequest]) -> Iterator[tuple[int, LabelReply]]:
        """Yield the probabilities of labels with the places of their requests, batch by batch.

        Raises:
            BenchmarkError: as `answers`; a label is not one token where it is read.
        """
        groups: dict[str, list[int]] = {}
        for place, request in enumerate(requests):
            groups.setdefault(request.prefix, []).append(place)
        # Prefixes that begin alike follow each other, so that what they share is run once.
        for text, group in sorted(groups.items()):
            yield from self._labels_after(text, group, [requests[place] for place in group])

    def _labels_after(
        self, text: str, group: Sequence[int], requests: Sequence[LabelRequest]
    ) -> Iterator[tuple[int, LabelReply]]:
        """Yield the probabilities of labels in texts with the same prefix."""
        ids = [*self._model.start, *self._model.ids(text)]
        # The last token is run with each text: the first place may follow it immediately.
        texts = [label_text(self._model, request, ids[-1:]) for request in requests]
        whole = [len(ids[:-1]) + len(one.ids) for one in texts]
        self._check_length(max(whole))
        prefix = self._runner.prefix(ids[:-1])

        def run(rows: Sequence[int]) -> list[tuple[LabelReply, Usage]]:
            some = [texts[row] for row in rows]
            logits = self._runner.logits(
                prefix, [one.ids for one in some], [one.places for one in some]
            )
            found = []
            for row, one, values in zip(rows, some, logits, strict=True):
                usage = Usage(whole[row], len(prefix.ids) if row else 0)
                found.append((LabelReply(one.logprobs(values), usage), usage))
            return found

        for batch in batches([len(one.ids) for one in texts], self._model.batch_tokens):
            for row, reply in self._paid(batch, {row: whole[row] for row in batch}, run):
                yield group[row], reply

    def first_logits(self, prefixes: Sequence[str], tokens: Tensor, n: int) -> Tensor:
        """Return the logits of the vocabulary's first `n` tokens at each of the given tokens.

        Args:
            prefixes: texts before the tokens, each of which is run once.
            tokens: token ids of this model, `[batch, pos]`.
            n: how many tokens of the vocabulary.

        Returns:
            `[prefixes, batch, pos, n]`, float32.

        Raises:
            BenchmarkError: a text is longer than the model reads, or the budget is used up.
        """
        found = torch.full((len(prefixes), *tokens.shape, n), math.nan)
        width = tokens.shape[1]
        for number, text in enumerate(prefixes):
            ids = [*self._model.start, *self._model.ids(text)]
            self._check_length(len(ids) + width)
            prefix = self._runner.prefix(ids)

            def run(rows: Sequence[int]) -> list[tuple[Tensor, Usage]]:
                texts = [tokens[row].tolist() for row in rows]
                logits = self._runner.logits(prefix, texts, [range(width)] * len(rows))  # noqa: B023
                usage = Usage(len(prefix.ids) + width)  # noqa: B023
                return [(values[:, :n].float().cpu(), usage) for values in logits]

            for batch in batches([width] * len(tokens), self._model.batch_tokens):
                costs = dict.fromkeys(batch, len(ids) + width)
                for row, logits in self._paid(batch, costs, run):
                    found[number, row] = logits
        return found

    @cached_property
    def _model(self) -> LocalModel:
        return self._make_model()

    @cached_property
    def _runner(self) -> PrefixRunner:
        return PrefixRunner(self._model)

    def _check_length(self, n: int) -> None:
        most = self._model.n_ctx
        if most is not None and n > most:
            raise LanguageModelError(
                f"a request has {n:,} tokens, its answer included; the language model "
                f"'{self._model.name}' reads {most:,}. Take a model with a longer context, or "
                "shorter requests."
            )

    def _paid(
        self, rows: Sequence[int], costs: Mapping[int, int], run: Run[Given]
    ) -> Iterator[tuple[int, Given]]:
        """Yield what a batch gives, of which the budget has room for.

        Raises:
            BudgetError: it has no room for a text alone.
        """
        reserved = Usage(sum(costs[row] for row in rows))
        if not self._spending.reserve(reserved):
            if len(rows) == 1:
                raise self._spending.used_up()
            for half in _halves(rows):
                yield from self._paid(half, costs, run)
            return
        spent = Usage()
        try:
            given = self._fitting(rows, run)
            for _, usage in given:
                spent = spent + usage
        finally:
            self._spending.settle(reserved, spent)
        yield from zip(rows, (answer for answer, _ in given), strict=True)

    def _fitting(self, rows: Sequence[int], run: Run[Given]) -> list[tuple[Given, Usage]]:
        """Run a batch; in halves where it does not fit into memory."""
        try:
            return run(rows)
        except Exception as error:
            if len(rows) == 1 or not is_out_of_memory(error):
                raise
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()
        return [one for half in _halves(rows) for one in self._fitting(half, run)]


def _halves(rows: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]
