"""Labels inside a text of a model in this process: token ids, and where they are read."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from benchmark.interface import LabelError, LabelRequest
from benchmark.llm.errors import LanguageModelError
from benchmark.llm.local_model import LocalModel

ENDING = 4  # letters before a label that may join it to a token


@dataclass(frozen=True)
class LabelText:
    """A text as token ids.

    Attributes:
        ids: the end of the prefix, then pieces and placeholders.
        places: the position before each placeholder, where labels are read.
        labels: the token id of each label.
    """

    ids: list[int]
    places: list[int]
    labels: list[int]

    def logprobs(self, logits: Tensor) -> Tensor:
        """Return the log-probabilities among the labels, `[places, labels]`.

        Args:
            logits: at each place, `[places, vocabulary]`.
        """
        return logits[:, self.labels].float().log_softmax(-1).cpu()


def label_text(model: LocalModel, request: LabelRequest, held: Sequence[int]) -> LabelText:
    """Return a text as token ids, each piece read by itself, so that places are exact.

    Args:
        model: the model.
        request: the text.
        held: the last token of the prefix, which is not empty.

    Raises:
        LabelError: a label is not one token after a piece, or two are the same one.
    """
    ids, places = list(held), []
    if not ids:
        raise LanguageModelError("labels are read in a text with no prefix; give it one.")
    placeholder = model.ids(request.placeholder)
    for piece in request.pieces:
        ids += model.ids(piece)
        places.append(len(ids) - 1)
        ids += placeholder
    endings = {piece[-ENDING:] for piece in request.pieces}
    labels = [_label_ids(model, ending, request.labels) for ending in sorted(endings)]
    return LabelText(ids, places, labels[0] if labels else [])


@functools.lru_cache(maxsize=4096)
def _label_ids(model: LocalModel, ending: str, labels: tuple[str, ...]) -> list[int]:
    """Return the token id of each label after a piece that ends so.

    Raises:
        LabelError: a label is not one token there, or two are the same one.
    """
    before = model.ids(ending)
    found: list[int] = []
    for label in labels:
        ids = model.ids(label)
        if len(ids) != 1 or model.ids(ending + label) != before + ids:
            raise LabelError(
                f"label '{label}' is not one token of the language model '{model.name}' after "
                f"{ending!r}; take other labels, such as the digits 0 to 9."
            )
        if ids[0] in found:
            raise LabelError(
                f"label '{label}' is the same token of the language model '{model.name}' as "
                f"'{labels[found.index(ids[0])]}'; take other labels."
            )
        found.append(ids[0])
    return found
