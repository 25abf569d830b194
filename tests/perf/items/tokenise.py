"""Tokenising documents against the tokenizer's own batch call."""

from __future__ import annotations

from benchmark.corpus.documents import Document, without_duplicates
from benchmark.corpus.files import file_documents
from benchmark.corpus.options import DatasetOptions
from benchmark.corpus.python_library import snapshot_documents
from benchmark.corpus.tokenise import tokenise
from tests.perf.comparison import Comparison
from tests.perf.workload import Workload

BYTES = 13e6
# About the megabyte that is tokenised at once: all texts in one call would take longer.
TEXTS_AT_ONCE = 60


def standard_library(workload: Workload) -> Comparison:
    """The documents of the workload's corpus; times are scaled to 13 MB of text."""
    documents = list(without_duplicates(_documents(workload)))[: workload.sizes.documents]
    texts = [document.text for document in documents]
    n_bytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    tokenizer, bos = workload.subject.tokenizer, workload.subject.bos
    backend = tokenizer.backend_tokenizer

    def bare() -> None:
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            backend.encode_batch_fast(texts[start : start + TEXTS_AT_ONCE])

    return Comparison(
        measured=lambda: tokenise(documents, tokenizer, bos), baseline=bare, factor=BYTES / n_bytes
    )


def _documents(workload: Workload) -> list[Document]:
    if workload.dataset["kind"] == "stdlib":
        return list(snapshot_documents())
    return list(file_documents(DatasetOptions.from_config(workload.dataset))[0])
