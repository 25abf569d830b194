"""The small checkpoint of `tests.command`."""

from tests.command import checkpoint

__all__ = ["checkpoint"]
