"""The small subject, corpus and command line of `tests.command`."""

from tests.command import checkpoint, command, texts

__all__ = ["checkpoint", "command", "texts"]
