"""Simulators that are language models: they read a sentence and a text, and predict activations."""

from benchmark.simulators.all_at_once import AllAtOnce
from benchmark.simulators.first_logits import FirstLogits
from benchmark.simulators.json_copy import JsonCopy
from benchmark.simulators.token_by_token import TokenByToken

__all__ = ["AllAtOnce", "FirstLogits", "JsonCopy", "TokenByToken"]
