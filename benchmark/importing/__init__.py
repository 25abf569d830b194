"""Imports of others' explanations and their recorded scores into runs that all verbs read."""

from benchmark.importing.formats import FORMATS
from benchmark.importing.writing import Imported, import_explanations

__all__ = ["FORMATS", "Imported", "import_explanations"]
