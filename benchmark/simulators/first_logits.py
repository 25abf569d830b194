"""First-logits simulator: a language model that was fine-tuned to simulate neurons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.interface import (
    Costs,
    Explanation,
    LanguageModel,
    Prediction,
    ReadsTokenIds,
)
from benchmark.simulators.levels import TEN, LevelSimulator, expected, scales_of, without_bos

PREFIX = "## Neuron Description: {}\n\n ## Input: "


class FirstLogits(LevelSimulator):
    """Reads levels in the vocabulary's first 11 logits at each token (Choi et al. 2024, Transluce).

    For models that were fine-tuned to it, such as `Transluce/llama_8b_simulator`: the input is a
    heading with the sentence and then the subject's own token ids, and at each of them a softmax
    over the first 11 logits gives the probabilities of the levels 0 to 10.

    Scale: expected level / 10 x the neuron's largest activation on the `explain` split.

    It needs `llm=local` and a model with the subject's own vocabulary.
    """

    name = "first_logits"
    _checked = False

    def use_language_model(self, model: LanguageModel) -> None:
        """Take the language model.

        Raises:
            BenchmarkError: its logits cannot be read in this process.
        """
        if not isinstance(model, ReadsTokenIds):
            raise BenchmarkError(
                "simulator=first_logits reads logits in this process, which language model "
                f"'{model.name}' does not offer; take llm=local llm.source=<hub id or folder>."
            )
        super().use_language_model(model)

    def simulate(
        self, explanations: Sequence[Explanation], tokens: Int[Tensor, "batch pos"]
    ) -> Prediction:
        """Predict every token: expected level / 10 x the neuron's largest activation.

        Raises:
            BenchmarkError: the language model has another vocabulary, or a sentence has no scale.
        """
        model = self.model
        assert isinstance(model, ReadsTokenIds)
        scales = scales_of(explanations, self.name)
        if not self._checked:
            check_vocabulary(self._tokenizer, model.tokenizer, self.model.name)
            self._checked = True
        prefixes = [PREFIX.format(" ".join(one.describe().split())) for one in explanations]
        values = torch.zeros(len(explanations), *tokens.shape)
        if tokens.shape[1] > 1 and len(tokens):
            logits = model.first_logits(prefixes, tokens[:, 1:], len(TEN))
            levels = expected(logits.float().log_softmax(-1).flatten(0, -2))
            values[:, :, 1:] = levels.reshape(logits.shape[:-1]) * scales[:, None, None]
        values[:, ~without_bos(tokens)] = 0
        return Prediction(values, None, Costs(llm_tokens=values[:, :, 1:].numel()))


def check_vocabulary(subject: Any, model: Any, name: str) -> None:
    """Check that a language model spells every token id as the subject does.

    Tokens that the subject's tokenizer calls special are left aside.

    Raises:
        BenchmarkError: it spells one in another way, or has none.
    """
    ours, theirs = subject.get_vocab(), model.get_vocab()
    special = set(getattr(subject, "all_special_tokens", ()))
    for token, index in sorted(ours.items(), key=lambda pair: pair[1]):
        if token not in special and theirs.get(token) != index:
            raise BenchmarkError(
                f"simulator=first_logits gives the subject's token ids to language model '{name}', "
                f"which must have the same vocabulary: token {index} is {token!r:.40} of the "
                "subject and not of the model. Take a simulator that was made for this subject, "
                "or simulator=all_at_once."
            )
