"""Language models whose answers are kept: what is known is read, and only the rest is asked."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from benchmark.errors import BenchmarkError
from benchmark.interface import LabelError, LabelReply, LabelRequest, Reply, Request, Usage
from benchmark.llm.canonical import canonical
from benchmark.llm.reply_store import ReplyStore
from benchmark.terminal.progress import progress

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.llm.local_client import LocalClient

FORMAT = 1  # of kept answers
Asked = TypeVar("Asked")
Given = TypeVar("Given")


class Client(Protocol):
    """Who asks a language model; each answer is given as soon as it arrives."""

    def answers(self, requests: Sequence[Request]) -> Iterable[tuple[int, Reply]]:
        """Yield the answers with the places of their requests, in any order."""
        ...

    def label_answers(self, requests: Sequence[LabelRequest]) -> Iterable[tuple[int, LabelReply]]:
        """Yield the probabilities of labels with the places of their requests, in any order."""
        ...


class KeptModel:
    """A language model whose answers are kept.

    Args:
        name: of the model.
        identity: gives what determines its answers; called when it is first asked.
        store: where they are kept.
        make_client: makes who asks it; called when something is not kept.
        reads_labels: whether it gives probabilities of labels inside a text.
    """

    def __init__(
        self,
        name: str,
        identity: Callable[[], Mapping[str, Any]],
        store: ReplyStore,
        make_client: Callable[[], Client],
        *,
        reads_labels: bool,
    ) -> None:
        self._name, self._reads_labels = name, reads_labels
        self._get_identity, self._make_client = identity, make_client
        self._store = store

    @property
    def name(self) -> str:
        """Return the name of the model."""
        return self._name

    @property
    def reads_labels(self) -> bool:
        """Return whether it gives probabilities of labels inside a text."""
        return self._reads_labels

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        """Return the answers in the order of the requests; equal requests are asked once.

        Raises:
            BenchmarkError: the model cannot be reached, refuses, or the budget is used up; what
                arrived before is kept.
        """
        return self._answered(
            "ask", requests, lambda missing: self._client.answers(missing), _text_of, _reply_of
        )

    def read_labels(self, requests: Sequence[LabelRequest]) -> list[LabelReply]:
        """Return the probabilities of labels in the order of the requests.

        Raises:
            BenchmarkError: as `ask`; the model gives no probabilities of a text.
            LabelError: a label is not one token where it is read.
        """
        replies = self._answered(
            "read_labels", requests, self._label_answers, _text_of_labels, _labels_of
        )
        for reply in replies:
            if isinstance(reply, LabelError):
                raise reply
        return [reply for reply in replies if isinstance(reply, LabelReply)]

    def _label_answers(
        self, missing: Sequence[LabelRequest]
    ) -> Iterator[tuple[int, LabelReply | LabelError]]:
        """Yield answers; that the labels of a single request cannot be read is one, too."""
        try:
            yield from self._client.label_answers(missing)
        except LabelError as error:
            if len(missing) > 1:
                raise
            yield 0, error

    @cached_property
    def _client(self) -> Client:
        return self._make_client()

    @cached_property
    def _identity(self) -> str:
        return canonical(dict(self._get_identity()))

    def _answered(
        self,
        kind: str,
        requests: Sequence[Asked],
        ask: Callable[[list[Asked]], Iterable[tuple[int, Any]]],
        written: Callable[[Any], str],
        read: Callable[[str, Usage], Given],
    ) -> list[Given]:
        if not requests:
            return []
        keys = [self._key(kind, one) for one in requests]
        known = self._read(list(dict.fromkeys(keys)), read)
        missing = {key: one for key, one in zip(keys, requests, strict=True) if key not in known}
        if missing:
            places = list(missing)
            answers = ask(list(missing.values()))
            with progress(len(missing), f"{self.name}: ask", "requests", inner=True) as bar:
                for place, answer in answers:
                    known[places[place]] = self._keep(places[place], answer, written, read)
                    bar.update(1)
        return [known[key] for key in keys]

    def _read(self, keys: Sequence[str], read: Callable[[str, Usage], Given]) -> dict[str, Given]:
        found = {}
        for key, (text, usage) in self._store.read(keys).items():
            try:
                found[key] = read(text, usage)
            except (ValueError, KeyError, TypeError) as error:
                raise BenchmarkError(
                    f"a kept answer in '{self._store.path}' is damaged ({error}); move the file "
                    "away to ask everything again."
                ) from error
        return found

    def _keep(
        self,
        key: str,
        answer: Any,
        written: Callable[[Any], str],
        read: Callable[[str, Usage], Given],
    ) -> Given:
        usage = getattr(answer, "usage", Usage())
        if self._store.keep(key, self.name, written(answer), usage):
            return cast(Given, answer)
        return self._read([key], read)[key]  # another process was first, and its answer counts

    def _key(self, kind: str, request: Any) -> str:
        text = f'{{"format":{FORMAT},"{kind}":{canonical(request)},"model":{self._identity}}}'
        return hashlib.sha256(text.encode()).hexdigest()


class KeptLocalModel(KeptModel):
    """A language model in this process, whose logits can be read at each token id of a text."""

    @property
    def tokenizer(self) -> Any:
        """Return the model's own tokenizer.

        Raises:
            BenchmarkError: the model is not there.
        """
        return self._local.tokenizer

    def first_logits(self, prefixes: Sequence[str], tokens: Tensor, n: int) -> Tensor:
        """Return the logits of the vocabulary's first `n` tokens at each of the given tokens.

        Args:
            prefixes: texts before the tokens, each of which is run once.
            tokens: token ids of this model, `[batch, pos]`.
            n: how many tokens of the vocabulary.

        Returns:
            `[prefixes, batch, pos, n]`, float32.

        Raises:
            BenchmarkError: the model is not there, or the budget is used up.
        """
        return self._local.first_logits(prefixes, tokens, n)

    @property
    def _local(self) -> LocalClient:
        from benchmark.llm.local_client import LocalClient

        client = self._client
        assert isinstance(client, LocalClient)
        return client


def _text_of(reply: Reply) -> str:
    return json.dumps(
        {"text": reply.text, "finished": reply.finished, "logprobs": reply.logprobs},
        ensure_ascii=True,
    )


def _reply_of(text: str, usage: Usage) -> Reply:
    data = json.loads(text)
    logprobs = data["logprobs"]
    return Reply(
        data["text"], data["finished"], usage, None if logprobs is None else tuple(logprobs)
    )


def _text_of_labels(reply: LabelReply | LabelError) -> str:
    said = {"error": str(reply)} if isinstance(reply, LabelError) else _packed(reply.logprobs)
    return json.dumps(said)


def _labels_of(text: str, usage: Usage) -> LabelReply | LabelError:
    data = json.loads(text)
    return LabelError(data["error"]) if "error" in data else LabelReply(_unpacked(data), usage)


def _packed(tensor: Tensor) -> dict[str, Any]:
    """Return a tensor of float32 as JSON values, exactly."""
    data = tensor.detach().float().cpu().contiguous().numpy().astype("<f4").tobytes()
    return {"shape": list(tensor.shape), "float32": base64.b64encode(data).decode()}


def _unpacked(data: Mapping[str, Any]) -> Tensor:
    import numpy as np
    import torch

    values = np.frombuffer(base64.b64decode(data["float32"]), "<f4").astype(np.float32)
    return torch.from_numpy(values.copy()).reshape(data["shape"])
