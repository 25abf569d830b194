"""A checkpoint's files on the Hugging Face hub, through the local cache.

Every file is asked for by name, and the library's cache answers where the hub cannot be reached.
After the first file the commit is known and all others are taken from it, so a checkpoint is never
mixed from two commits.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.errors import BenchmarkError

OFFLINE_WAY_OUT = "model=solu-tiny works offline."


class HubFiles:
    """A repository on the hub.

    Args:
        repo_id: the repository.
        revision: a branch, tag or commit; by default the main branch.
        what: `model` or `tokenizer`, for messages.
        option: the key of the configuration that names the repository, for messages.
        way_out: what works without the hub, for messages.
    """

    def __init__(
        self,
        repo_id: str,
        revision: str | None = None,
        what: str = "model",
        *,
        option: str = "model.source",
        way_out: str = OFFLINE_WAY_OUT,
    ) -> None:
        self.source = repo_id
        self.revision: str | None = None
        self._asked_revision = revision
        self._what = what
        self._option = option
        self._way_out = way_out
        self._folder: Path | None = None
        self._unreachable: Exception | None = None

    @property
    def folder(self) -> Path:
        """Return the commit's folder in the local cache; known after the first file."""
        if self._folder is None:
            raise BenchmarkError(f"no file of the repository '{self.source}' has been asked for.")
        return self._folder

    def optional(self, name: str) -> Path | None:
        """Return a file, downloaded unless it is in the cache; None where it cannot be obtained.

        Raises:
            BenchmarkError: the repository cannot be read, and none of it is in the cache.
        """
        from huggingface_hub.errors import HfHubHTTPError

        try:
            path = self._fetch(name)
        except Exception as error:
            if refusal := self._refusal(error):
                raise refusal from error
            if isinstance(error, HfHubHTTPError) and error.response.status_code == 404:
                return None
            self._unreachable = error
            if self._folder is None:
                raise self.missing(name) from error
            return None
        if path is not None and self._folder is None:
            self._folder = path.parents[name.count("/")]  # .../snapshots/<commit>
            self.revision = self._folder.name
        return path

    def names(self) -> list[str]:
        """Return the files of the repository, or those in the cache where it cannot be reached."""
        from huggingface_hub import HfApi

        if self._unreachable is None:
            try:
                with _quiet_client():
                    return sorted(HfApi().list_repo_files(self.source, revision=self.revision))
            except Exception as error:
                self._unreachable = error
        return self.cached_names()

    def cached_names(self) -> list[str]:
        """Return the files that are in the local cache."""
        paths = [path for path in self.folder.rglob("*") if path.is_file()]
        return sorted(path.relative_to(self.folder).as_posix() for path in paths)

    def missing(self, what: str) -> BenchmarkError:
        """Return the error for files that there are not, or that no hub is reached for."""
        repository = f"the {self._what} repository '{self.source}'"
        if self._unreachable is None:
            return BenchmarkError(f"{repository} has no {what}.")
        from huggingface_hub.constants import HF_HUB_CACHE

        cause = " ".join(str(self._unreachable).split())[:120]
        lacking = repository if self._folder is None else f"{what} of {repository}"
        return BenchmarkError(
            f"{lacking} is not in the local cache ({HF_HUB_CACHE}), and the hub cannot be reached "
            f"({cause}). Connect to the network once, or copy the cache from a machine that has "
            f"it; {self._way_out}"
        )

    def _fetch(self, name: str) -> Path | None:
        from huggingface_hub import (
            get_hf_file_metadata,
            hf_hub_download,
            hf_hub_url,
            try_to_load_from_cache,
        )

        revision = self.revision or self._asked_revision
        cached = try_to_load_from_cache(self.source, name, revision=revision)
        if self.revision is not None and cached is not None:
            return Path(cached) if isinstance(cached, str) else None  # known not to exist
        if self._unreachable is not None:
            return None
        with _quiet_client():
            if cached is None:
                # Without this, an unreachable hub is tried again and again for half a minute.
                get_hf_file_metadata(hf_hub_url(self.source, name, revision=revision))
            return Path(hf_hub_download(self.source, name, revision=revision))

    def _refusal(self, error: Exception) -> BenchmarkError | None:
        """Return what the hub's or the disk's refusal means, None where it was not reached."""
        from huggingface_hub.errors import (
            DisabledRepoError,
            GatedRepoError,
            HfHubHTTPError,
            HFValidationError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )

        repository = f"the {self._what} repository '{self.source}'"
        if isinstance(error, GatedRepoError):
            return BenchmarkError(
                f"{repository} is gated: ask for access on its page, then log in with "
                f"`hf auth login` or set HF_TOKEN; {self._way_out}"
            )
        if isinstance(error, RevisionNotFoundError):
            return BenchmarkError(f"{repository} has no revision '{self._asked_revision}'.")
        if isinstance(error, (RepositoryNotFoundError, HFValidationError)):
            ours = self._option == "model.source"
            listed = ", or see `python -m benchmark list models`" if ours else ""
            return BenchmarkError(
                f"{repository} does not exist on the hub, or is private, and is not in the local "
                f"cache; check {self._option}{listed}."
            )
        if isinstance(error, DisabledRepoError):
            return BenchmarkError(f"{repository} has been disabled by its owner.")
        if (
            isinstance(error, OSError)
            and error.errno is not None
            and not isinstance(error, (HfHubHTTPError, ConnectionError, TimeoutError))
        ):
            return BenchmarkError(f"{repository} cannot be written to the local cache: {error}")
        return None


@contextmanager
def _quiet_client() -> Iterator[None]:
    """Silence warnings of the client, such as that no token is set or that it tries again."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
