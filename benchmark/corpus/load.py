"""Loading of a corpus from a dataset's configuration."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from benchmark.corpus.contexts import Contexts, Corpus
from benchmark.corpus.documents import SPLITS, Document, choose, cut_documents
from benchmark.corpus.files import file_documents
from benchmark.corpus.hub import hub_documents
from benchmark.corpus.options import DatasetOptions
from benchmark.corpus.python_library import SNAPSHOT, library_documents, snapshot_documents
from benchmark.errors import BenchmarkError

if TYPE_CHECKING:
    from benchmark.files.tensor_cache import TensorCache

# Part of every fingerprint: to be raised when the same documents give other contexts.
PACKING_VERSION = 2
# To be raised when copied text is counted otherwise.
COPIED_VERSION = 2


def load_corpus(
    dataset_config: Mapping[str, Any],
    tokenizer: Any,
    *,
    bos: int,
    context_length: int,
    cache: TensorCache | None = None,
    tokenizer_fingerprint: str | None = None,
) -> Corpus:
    """Read a dataset, split it by clusters of near-duplicates, and pack its tokens into contexts.

    The result depends on the documents' content, the tokenizer and the configuration, never on
    the order or the names of the files.

    Args:
        dataset_config: the `dataset` part of the configuration, see `configs/dataset/*.yaml`.
        tokenizer: the subject's tokenizer; no special token is added to or recognised in text.
        bos: the id of the subject's BOS token.
        context_length: tokens in a context, BOS included.
        cache: where token ids are kept; None tokenises every time.
        tokenizer_fingerprint: what identifies the tokenizer; without it nothing is cached.

    Raises:
        BenchmarkError: for whatever is wrong with the configuration, the files or the hub, and
            if a split that may not be empty has no context.
    """
    import torch

    from benchmark.corpus.packing import pack
    from benchmark.corpus.splitting import assign_splits
    from benchmark.corpus.tokenise import tokenise, tokenise_once

    if isinstance(context_length, bool) or not isinstance(context_length, int):
        raise BenchmarkError(f"context_length must be a whole number, not {context_length!r}")
    if context_length < 2:
        raise BenchmarkError(
            f"context_length is {context_length}; a context is a BOS and at least one token of text"
        )
    options = DatasetOptions.from_config(dataset_config)
    documents, source = _read(options)
    chosen, counts = choose(documents, options.max_documents)
    if not chosen:
        what = options.path or options.repo or "the standard library"
        raise BenchmarkError(
            f"dataset '{options.name}': no text in {what} "
            f"({counts['documents_read']} documents, all empty)"
        )
    label = f"tokenising {options.name}"
    if cache is None or tokenizer_fingerprint is None:
        ids, removed = tokenise(chosen, tokenizer, bos, label)
    else:
        ids, removed = tokenise_once(chosen, tokenizer, bos, label, cache, tokenizer_fingerprint)
    assigned, clustered = assign_splits(
        chosen, options.fractions, options.split_seed, options.near_duplicates, cache
    )
    counts |= clustered
    members: dict[str, list[int]] = {split: [] for split in SPLITS}
    for index, split in enumerate(assigned):
        members[split].append(index)

    settings = [PACKING_VERSION, bos, context_length, options.fractions, options.split_seed]
    fingerprint = hashlib.sha256(json.dumps(settings).encode())
    splits = {}
    for split in SPLITS:
        rows = members[split]
        tokens, belongs, dropped = pack([ids[row] for row in rows], bos, context_length)
        counts[split] = {
            "documents": len(rows),
            "bytes": sum(len(chosen[row].text.encode("utf-8", "replace")) for row in rows),
            "contexts": len(tokens),
            "tokens": sum(len(ids[row]) for row in rows) - dropped,
            "tokens_dropped": dropped,
            "bos_removed": sum(removed[row] for row in rows),
        }
        if not len(tokens) and options.fractions[split] > 0:
            raise BenchmarkError(
                f"dataset '{options.name}': the {split} split has {len(rows)} documents and "
                f"{dropped} tokens, too few for one context of {context_length}. Use more text, a "
                "shorter context_length, other dataset.fractions or dataset.split_seed, "
                "smaller documents (dataset.max_document_characters), or documents that are not "
                "copies of each other (dataset.near_duplicates=null splits copies, too)."
            )
        fingerprint.update(f"{split}:{len(rows)}:".encode())
        for row in rows:
            fingerprint.update(bytes.fromhex(chosen[row].digest))
        fingerprint.update(tokens.astype("<i8").tobytes())
        splits[split] = Contexts(split, bos, torch.from_numpy(tokens), torch.from_numpy(belongs))
    name = fingerprint.hexdigest()
    counts["copied"] = _copied_once(splits, name, cache)
    return Corpus(options.name, splits, counts, name, context_length, source)


def _copied_once(
    splits: Mapping[str, Contexts], fingerprint: str, cache: TensorCache | None
) -> dict[str, int | float | None]:
    """Return how much of the held-out split also stands in `explain`, cached where it is known."""
    import torch

    from benchmark.corpus.overlap import COPY_TOKENS, copied_record, copied_share
    from benchmark.files.tensor_cache import Expected

    key = {"corpus": fingerprint, "window": COPY_TOKENS, "version": COPIED_VERSION}
    expected = {"counted": Expected(torch.int64, (2,), 0)}
    stored = None if cache is None else cache.read("copied", key, expected)
    if stored is None:
        copied = copied_share(splits["held_out"], splits["explain"])
        if cache is not None:
            counted = torch.tensor([copied["windows"], copied["seen"]])
            cache.write("copied", key, {"counted": counted})
        return copied
    return copied_record(*stored["counted"].tolist())


def _read(options: DatasetOptions) -> tuple[Iterable[Document], dict[str, Any]]:
    """Return the documents of the source that the options name, and what identifies it."""
    source: dict[str, Any] = {"kind": options.kind}
    if options.kind == "stdlib":
        source["snapshot"] = SNAPSHOT.name
        return cut_documents(snapshot_documents(), options.max_document_characters), source
    if options.kind == "python":
        source["python"] = platform.python_version()
        return cut_documents(library_documents(), options.max_document_characters), source
    read = file_documents if options.kind == "text" else hub_documents
    documents, found = read(options)
    return documents, source | found
