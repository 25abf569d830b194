"""Intruder: a judge says which window does not belong, without any explanation."""

from __future__ import annotations

import numpy as np

from benchmark.interface import Message
from benchmark.scorers.judging.answers import Question
from benchmark.scorers.judging.judge import Case, Judge
from benchmark.scorers.judging.marking import wrong_marks
from benchmark.scorers.judging.text import CLOSES, OPENS, marked_text, numbered

SYSTEM = f"""\
You compare numbered texts, cut out of longer ones. In all of them but one, the words or parts of \
words between {OPENS} and {CLOSES} make the same neuron of a language model active, so that they, \
or what stands around them, have something in common. In the remaining text the marks stand by \
chance. Find that text.
Answer with its number alone. Write nothing else."""


class Intruder(Judge):
    """Which of `at_once` windows the neuron does not fire in: how plain the neuron is, not how well
    it is explained.

    The others are drawn from all tenths of its activations. No explanation is read, so all runs on
    the same neurons have the same scores, and ask the same questions.
    """

    group, title = "intruder", "intruder"
    system = SYSTEM
    reads_explanation = False

    def questions(self, case: Case) -> list[Question]:
        """Return a request for each intruder that there are enough other windows for."""
        activating = case.draw.permutation(np.flatnonzero(case.items.activating))
        others = np.flatnonzero(~case.items.activating)
        beside = self.at_once - 1
        found = []
        for number in range(min(len(others), len(activating) // beside)):
            members = activating[number * beside : (number + 1) * beside].tolist()
            intruder = int(others[number])
            pattern = case.fires[members[0]]
            marks = wrong_marks(pattern, ~case.fires[intruder], case.draw)
            if marks is None:
                continue
            place = int(case.draw.integers(self.at_once))
            texts = [
                marked_text(case.tokenizer, case.tokens[one], case.fires[one]) for one in members
            ]
            texts.insert(place, marked_text(case.tokenizer, case.tokens[intruder], marks))
            messages = (Message("system", SYSTEM), Message("user", numbered(texts)))
            labels = tuple(one == place for one in range(self.at_once))
            found.append(Question(messages, labels, one_of=True))
        return found
