"""Submissions on the Hugging Face hub: one commit to a dataset repository."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.results.layout import SCORES

DATASET = "dataset"


def push(
    repository: str,
    folder: str,
    files: Mapping[str, bytes | Path],
    *,
    pull_request: bool = False,
) -> str:
    """Put a submission into a folder of a dataset repository, all its files in one commit.

    The repository is made, public, where there is none of that name.

    Args:
        repository: such as `name/leaderboard`.
        folder: where in the repository, parted by slashes.
        files: contents or paths, by the name of the file.
        pull_request: open a pull request instead of writing to the main branch.

    Returns:
        The address of the commit or of the pull request; of the folder, where the same submission
        lies there already.

    Raises:
        BenchmarkError: there are no credentials, the hub refuses or does not answer, or another
            submission of that run lies there.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token

    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise BenchmarkError(
            f"--hub {repository} is no repository; write <user or organisation>/<name>."
        )
    if get_token() is None:
        raise BenchmarkError(
            "the hub asks who is writing: log in with `hf auth login`, or set HF_TOKEN to a token "
            "that may write."
        )
    api = HfApi()
    try:
        if not pull_request:
            api.create_repo(repository, repo_type=DATASET, exist_ok=True)
        if _is_there(api, repository, folder, files[SCORES]):
            return f"{api.endpoint}/datasets/{repository}/tree/main/{folder}"
        made = api.create_commit(
            repository,
            [
                CommitOperationAdd(f"{folder}/{name}", content)
                for name, content in sorted(files.items())
            ],
            commit_message=f"Submit {folder}",
            repo_type=DATASET,
            create_pr=pull_request,
        )
    except BenchmarkError:
        raise
    except Exception as error:  # the client's errors have no common kind
        raise BenchmarkError(_refusal(repository, error)) from error
    return str(made.pr_url if pull_request and made.pr_url else made.commit_url)


def _is_there(api: object, repository: str, folder: str, scores: bytes | Path) -> bool:
    """Return whether the same submission lies there.

    Raises:
        BenchmarkError: another one does.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    assert isinstance(api, HfApi)
    found = api.get_paths_info(repository, [f"{folder}/{SCORES}"], repo_type=DATASET)
    if not found:
        return False
    data = scores if isinstance(scores, bytes) else scores.read_bytes()
    (there,) = found
    stored = there.lfs.sha256 if isinstance(there, RepoFile) and there.lfs else None
    if stored != hashlib.sha256(data).hexdigest():
        raise BenchmarkError(
            f"the repository '{repository}' holds another submission in {folder}; remove it there "
            "first if the new one is to take its place."
        )
    return True


def _refusal(repository: str, error: Exception) -> str:
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        if status in (401, 403):
            return (
                f"the hub refuses to write to '{repository}' ({status}): the token must be allowed "
                "to write there; --pull-request proposes a change to a repository of others."
            )
        return f"the hub could not take the submission to '{repository}': {_line(error)}"
    return (
        f"the hub could not be reached ({type(error).__name__}: {_line(error)}); the same command "
        "tries again."
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
