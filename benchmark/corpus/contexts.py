"""Tokenised corpus: fixed-length contexts of token ids, in three splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from jaxtyping import Int

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Contexts:
    """The contexts of one split, in an order that depends on the documents' content alone.

    Attributes:
        split: `explain`, `calibrate` or `held_out`.
        bos: the id of the BOS token: at the start of every context, between documents, and nowhere
            else.
        tokens: token ids, `[n, ctx]`, never padded.
        documents: which document of the split each token belongs to, `[n, ctx]`; a BOS belongs to
            the document that follows it.
    """

    split: str
    bos: int
    tokens: Int[Tensor, "n ctx"]
    documents: Int[Tensor, "n ctx"]

    def __len__(self) -> int:
        return int(self.tokens.shape[0])

    def select(self, rows: Any) -> Contexts:
        """Return some of the contexts, by anything that indexes the rows of a tensor."""
        return replace(self, tokens=self.tokens[rows], documents=self.documents[rows])


@dataclass(frozen=True)
class Corpus:
    """The contexts of every split, what was counted on the way, and a name for exactly this.

    Attributes:
        name: the dataset's name, as the configuration gives it.
        splits: the contexts of each split of `SPLITS`.
        counts: JSON-able. For each split, under its name: `documents`, `bytes` (of their UTF-8
            text), `contexts`, `tokens` (text tokens in contexts, BOS not counted),
            `tokens_dropped` (the tail shorter than a context) and `bos_removed` (ids equal to BOS
            that came from text). Beside them: `documents_read`, `empty_dropped`,
            `duplicates_dropped` and `documents_left_out` (by `max_documents`).
        fingerprint: SHA-256, in hex, of everything that determines the contexts.
        context_length: tokens in a context, BOS included.
        source: JSON-able. Where the text came from: the kind, and what is known of its version
            (the commit of a hub dataset, the interpreter's version, the number of files).

    Example:
        >>> import benchmark
        >>> quick = {"dataset": {"name": "stdlib", "max_documents": 160}, "context_length": 32}
        >>> experiment = benchmark.open_experiment("planted", neurons=["0.1", "0.8"], **quick)
        >>> corpus = experiment.corpus
        >>> corpus.name, corpus.context_length, sorted(corpus.splits)
        ('stdlib', 32, ['calibrate', 'explain', 'held_out'])
        >>> contexts = corpus.splits["held_out"]
        >>> contexts.tokens.shape == (len(contexts), 32)
        True
    """

    name: str
    splits: Mapping[str, Contexts]
    counts: dict[str, Any]
    fingerprint: str
    context_length: int
    source: dict[str, Any] = field(default_factory=dict)
