"""Counting of what language models would be asked, without asking them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from benchmark.interface import LabelReply, LabelRequest, Reply, Request, Usage
from benchmark.llm.options import LocalOptions, OpenAIOptions, llm_options
from benchmark.llm.prices import Price, price_of
from benchmark.llm.token_estimate import TokenEstimate, prompt_bytes

# It says where the sentence stands, for those who ask that of an answer.
ANSWER = "EXPLANATION: names of people, above all where one of them begins to speak, case {}"


@dataclass
class Counted:
    """What was asked for one purpose.

    Attributes:
        requests: how many.
        usage: tokens of the prompts, and the most that the answers may have; what they cost.
    """

    requests: int = 0
    usage: Usage = field(default_factory=Usage)


class CountingModel:
    """A language model that gives a made-up answer to everything, and counts what it is asked.

    Tokens are exact for a model in this process, whose tokenizer is read; for a server they are
    estimated, one for three bytes of UTF-8. Equal requests count once, as they are asked once.

    Attributes:
        purpose: what the next requests are for.
        counted: by purpose.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Take the place of the language model of a config.

        Raises:
            BenchmarkError: the config has a value that it cannot have, or its prices are none.
        """
        options = llm_options(config)
        assert isinstance(options, OpenAIOptions | LocalOptions)
        self._options = options
        self._price: Price | None = None
        if isinstance(options, OpenAIOptions):
            self._price = price_of(options)
        self._estimate = TokenEstimate()
        self._seen: dict[Any, int] = {}
        self._prefixes: set[str] = set()
        self.purpose = ""
        self.counted: dict[str, Counted] = {}

    @property
    def name(self) -> str:
        """Return the name of the model."""
        local = isinstance(self._options, LocalOptions)
        return self._options.source if local else self._options.model  # type: ignore[union-attr]

    @property
    def priced(self) -> bool:
        """Return whether the model has a price."""
        return self._price is not None

    @property
    def exact(self) -> bool:
        """Return whether tokens are counted and not estimated."""
        return isinstance(self._options, LocalOptions)

    @property
    def reads_labels(self) -> bool:
        """Return whether the model gives probabilities of labels inside a text."""
        return isinstance(self._options, LocalOptions) or self._options.base_url is not None

    @property
    def tokenizer(self) -> Any:
        """Return the tokenizer of a model in this process."""
        return self._local.tokenizer

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        """Count requests, and give different ones answers that differ by a number."""
        found = []
        for request in requests:
            read = (
                len(self._local.prompt(request.messages))
                if self.exact
                else self._estimate.tokens(prompt_bytes(request))
            )
            key = (request.messages, request.max_tokens, request.temperature, request.sample)
            self._count(key, Usage(read, 0, request.max_tokens))
            found.append(Reply(ANSWER.format(self._seen[key])))
        return found

    def read_labels(self, requests: Sequence[LabelRequest]) -> list[LabelReply]:
        """Count requests, and give each label the same probability."""
        import torch

        found = []
        for request in requests:
            prefix, rest = self._size(request.prefix), 0
            for text in (*request.pieces, *[request.placeholder] * len(request.pieces)):
                rest += self._size(text)
            if not self.exact:
                prefix, rest = self._estimate.tokens(prefix), self._estimate.tokens(rest)
            known = self.exact and request.prefix in self._prefixes
            self._prefixes.add(request.prefix)
            self._count(request, Usage(prefix + rest, prefix if known else 0, 0))
            shape = (len(request.pieces), len(request.labels))
            found.append(LabelReply(torch.full(shape, -math.log(max(1, len(request.labels))))))
        return found

    def first_logits(self, prefixes: Sequence[str], tokens: Any, n: int) -> Any:
        """Count texts of token ids, and give equal logits."""
        import torch

        for prefix in prefixes:
            size = self._size(prefix)
            for row in tokens:
                self._count((prefix, tuple(row.tolist())), Usage(size + len(row), size, 0))
        return torch.zeros(len(prefixes), *tokens.shape, n)

    @cached_property
    def _local(self) -> Any:
        from benchmark.llm.local_model import load_tokenizer

        assert isinstance(self._options, LocalOptions)
        return load_tokenizer(self._options)

    def _size(self, text: str) -> int:
        """Return the tokens of a text, of a server's model the bytes."""
        return len(self._local.ids(text)) if self.exact else len(text.encode())

    def _count(self, key: Any, usage: Usage) -> None:
        if key in self._seen:
            return
        self._seen[key] = len(self._seen)
        counted = self.counted.setdefault(self.purpose, Counted())
        counted.requests += 1
        counted.usage = counted.usage + (
            usage if self._price is None else self._price.priced(usage)
        )
