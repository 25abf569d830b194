"""A dataset of the Hugging Face hub as a corpus, at one exact commit.

`datasets` alone is not exact without a network: it then takes whichever version was cached last,
whatever revision was asked for, after half a minute of retries. So the commit is settled here
first, from the hub or else from the local cache, and what was loaded is checked against it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.corpus.documents import Document, cut_documents
from benchmark.corpus.files import choose_column, text_of
from benchmark.corpus.options import DatasetOptions
from benchmark.errors import BenchmarkError

CARD = "README.md"
DEFAULT_REVISION = "main"
COMMIT = re.compile(r"[0-9a-f]{40}")
ROWS_AT_ONCE = 256
ANSWER_WITHIN_SECONDS = 10


class UnreachableError(Exception):
    """The hub gave no answer, or none that settles the matter; the local cache may."""


def hub_documents(options: DatasetOptions) -> tuple[Iterator[Document], dict[str, object]]:
    """Return the documents of `dataset.repo`, and the exact version that they come from.

    Raises `BenchmarkError` if there is no such repository, revision, configuration, split or
    column, if access is restricted, or if it is neither reachable nor cached.
    """
    repo = options.repo
    assert repo is not None
    if Path(repo).is_dir():
        raise BenchmarkError(
            f"dataset.repo '{repo}' is also a folder here, which would be read instead; for the "
            f"folder say dataset=text dataset.path={repo}, for the hub start from elsewhere"
        )
    try:
        commit = commit_on_hub(repo, options.revision)
        rows = load_from_hub(options, commit)
    except UnreachableError as unreachable:
        commit, rows = load_from_cache(options, unreachable)
    column = choose_column(rows.column_names, options.column, f"dataset '{repo}'")
    documents = cut_documents(_rows(rows, repo, column), options.max_document_characters)
    return documents, {
        "repo": repo,
        "commit": commit,
        "config": rows.info.config_name,
        "hub_split": options.hub_split,
        "column": column,
    }


def _rows(rows: Any, repo: str, column: str) -> Iterator[Document]:
    number = 0
    for batch in rows.select_columns([column]).iter(batch_size=ROWS_AT_ONCE):
        for value in batch[column]:
            number += 1
            where = f"dataset '{repo}', row {number}"
            yield Document(f"{repo}:{number}", text_of(value, where, column))


def commit_on_hub(repo: str, revision: str | None) -> str:
    """Ask the hub which commit a revision means, and leave the answer in the local cache."""
    import datasets
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if datasets.config.HF_DATASETS_OFFLINE:
        raise UnreachableError("offline mode is on (HF_HUB_OFFLINE or HF_DATASETS_OFFLINE)")
    api = HfApi()
    try:
        info = api.dataset_info(repo, revision=revision, timeout=ANSWER_WITHIN_SECONDS)
        with contextlib.suppress(EntryNotFoundError):
            # Fetching any file notes in the cache what the revision means today.
            api.hf_hub_download(repo, CARD, repo_type="dataset", revision=revision)
    except GatedRepoError as error:
        raise BenchmarkError(
            f"dataset '{repo}' is gated: ask for access on {api.endpoint}/datasets/{repo}, then "
            "log in with `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise BenchmarkError(
            f"dataset '{repo}' is not on the hub, or it is private: check dataset.repo, or log in "
            "with `hf auth login`"
        ) from error
    except RevisionNotFoundError as error:
        raise BenchmarkError(
            f"dataset '{repo}' has no revision '{revision}': check dataset.revision"
        ) from error
    except HFValidationError as error:
        raise BenchmarkError(
            f"dataset.repo '{repo}' is not the id of a hub dataset; it looks like <owner>/<name>"
        ) from error
    except HfHubHTTPError as error:
        raise UnreachableError(_one_line(error)) from error
    except (httpx.HTTPError, OSError) as error:
        raise UnreachableError(f"{api.endpoint} cannot be reached: {_one_line(error)}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _not_the_hub(api.endpoint) from error
    if not COMMIT.fullmatch(str(info.sha)):
        raise _not_the_hub(api.endpoint)
    return str(info.sha)


def _not_the_hub(endpoint: str) -> UnreachableError:
    """Return the error for an answer that is not the hub's: mostly a page to log in somewhere."""
    return UnreachableError(
        f"{endpoint} does not answer as the hub does; a network may want to be logged in to"
    )


def load_from_hub(options: DatasetOptions, commit: str) -> Any:
    """Download, or reuse, exactly this commit."""
    import datasets
    import httpx

    try:
        rows = datasets.load_dataset(
            options.repo, name=options.config, split=options.hub_split, revision=commit
        )
    except (httpx.HTTPError, ConnectionError) as error:
        raise UnreachableError(_one_line(error)) from error
    except Exception as error:
        raise _refused(options, error) from error
    folders = {Path(file["filename"]).parent.name for file in rows.cache_files}
    if folders - {commit}:
        raise BenchmarkError(
            f"dataset '{options.repo}' cannot be loaded at commit {commit}; an older one is in the "
            f"local cache: dataset.revision={', '.join(sorted(folders))}"
        )
    return rows


def load_from_cache(options: DatasetOptions, unreachable: UnreachableError) -> tuple[str, Any]:
    """Return the commit that the revision meant when it was last asked for, and its rows."""
    import datasets
    from datasets.packaged_modules.cache.cache import Cache

    missing = BenchmarkError(
        f"dataset '{options.repo}'"
        + (f" at revision '{options.revision}'" if options.revision else "")
        + f" is not in the local cache, and the hub cannot be read: {unreachable}. "
        "dataset=stdlib works offline (with model=solu-tiny)."
    )
    assert options.repo is not None
    cached = cached_versions(options.repo)
    commit = _commit_in_cache(options.repo, options.revision, cached)
    if commit is None or commit not in cached:
        raise missing from unreachable
    configs = cached[commit]
    wanted = options.config or ("default" if "default" in configs else None)
    if wanted is None and len(configs) > 1:
        raise BenchmarkError(
            f"dataset '{options.repo}' has several configurations in the local cache; choose one "
            f"with dataset.config=<name>: {', '.join(sorted(configs))}"
        )
    config = wanted or next(iter(configs))
    if config not in configs:
        raise missing from unreachable
    folder = configs[config]
    builder = Cache(
        cache_dir=str(datasets.config.HF_DATASETS_CACHE),
        repo_id=options.repo,
        dataset_name=options.repo.split("/")[-1],
        config_name=config,
        version=folder.parent.name,
        hash=commit,
    )
    try:
        return commit, builder.as_dataset(split=options.hub_split)
    except Exception as error:
        raise _refused(options, error) from error


def cached_versions(repo: str) -> dict[str, dict[str, Path]]:
    """Return the prepared folders of a dataset in the local cache, by commit and configuration."""
    import datasets
    from datasets.naming import camelcase_to_snakecase

    *owner, name = repo.split("/")
    root = Path(datasets.config.HF_DATASETS_CACHE).expanduser()
    root /= "___".join([*owner, camelcase_to_snakecase(name)])
    versions: dict[str, dict[str, Path]] = {}
    for info in sorted(root.glob("*/*/*/dataset_info.json")):
        folder = info.parent
        if COMMIT.fullmatch(folder.name):
            versions.setdefault(folder.name, {})[folder.parent.parent.name] = folder
    return versions


def _commit_in_cache(repo: str, revision: str | None, cached: dict[str, Any]) -> str | None:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    if revision is not None and COMMIT.fullmatch(revision):
        return revision
    folder = repo_folder_name(repo_id=repo, repo_type="dataset")
    note = Path(constants.HF_HUB_CACHE, folder, "refs", revision or DEFAULT_REVISION)
    if note.is_file():
        return note.read_text(encoding="utf-8", errors="replace").strip()
    # Without a note of what `main` means, a single cached version leaves no doubt.
    if revision is None and len(cached) == 1:
        return next(iter(cached))
    return None


def _refused(options: DatasetOptions, error: Exception) -> BenchmarkError:
    """Return what `datasets` says it could not do, with the option that fixes it."""
    reason = _one_line(error)
    if "split" in reason.lower() and isinstance(error, ValueError):
        hint = f" Choose with dataset.hub_split (now '{options.hub_split}')."
    elif "config" in reason.lower() and isinstance(error, ValueError):
        hint = f" Choose with dataset.config (now '{options.config}')."
    else:
        hint = ""
    cause = error.__cause__
    if cause is not None and _one_line(cause) not in reason:
        reason = f"{reason.rstrip('.')}: {_one_line(cause)}"
    return BenchmarkError(f"dataset '{options.repo}' cannot be loaded: {reason}{hint}")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
