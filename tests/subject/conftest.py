"""A small subject that the tests of this package share."""

from __future__ import annotations

import pytest

from benchmark.subject import Subject, load_subject
from tests.subject import checkpoints


@pytest.fixture(scope="package")
def shared_subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    folder = checkpoints.builtin_folder(tmp_path_factory.mktemp("subject") / "small")
    return load_subject({"name": "small", "kind": "builtin", "source": str(folder)}, device="cpu")


@pytest.fixture
def subject(shared_subject: Subject) -> Subject:
    """The shared subject with no token run yet and no limit on its batches."""
    shared_subject.passes.tokens_run = 0
    shared_subject.limit_batch(None)
    return shared_subject
