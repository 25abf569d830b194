"""Fuzzing: a judge reads an explanation and says whether the right tokens are marked."""

from __future__ import annotations

import numpy as np

from benchmark.interface import Message
from benchmark.scorers.judging.answers import Question
from benchmark.scorers.judging.judge import Case, Judge
from benchmark.scorers.judging.marking import wrong_marks
from benchmark.scorers.judging.text import CLOSES, OPENS, marked_text, numbered

SYSTEM = f"""\
You test explanations of single neurons of a language model. An explanation says on what kind of \
words a neuron becomes active. You read one explanation and a few numbered texts, cut out of \
longer ones. In each text some words or parts of words stand between {OPENS} and {CLOSES}. Decide \
for each text whether these are the places where the neuron becomes active, taking the \
explanation at its word. The marks may be right in all texts, in some or in none.
Answer with one digit for each text, in their order and separated by commas: 1 if the marks are \
right, 0 if they are wrong. Write nothing else."""


class Fuzzing(Judge):
    """Whether the marked tokens are those that the neuron fires on, by its explanation alone.

    Every activating window is shown with the right marks. Wrong marks stand in half of them too, in
    a question of its own, and in half of the other windows, as many as right ones on average.
    """

    group, title = "fuzzing", "fuzzing"
    system = SYSTEM

    def questions(self, case: Case) -> list[Question]:
        """Return requests about right and wrong marks, mixed."""
        activating = np.flatnonzero(case.items.activating)
        others = np.flatnonzero(~case.items.activating)
        shown = [(int(one), case.fires[one], True) for one in activating]
        if not shown:
            return []
        wrong = [*activating[1::2], *others[: (len(activating) + 1) // 2]]
        patterns = case.draw.permutation(activating)
        for number, one in enumerate(wrong):
            pattern = case.fires[patterns[number % len(patterns)]]
            marks = wrong_marks(pattern, ~case.fires[one], case.draw)
            if marks is not None:
                shown.append((int(one), marks, False))
        found = []
        for places in self.batches(case, len(shown)):
            some = [shown[place] for place in places]
            texts = [marked_text(case.tokenizer, case.tokens[one], marks) for one, marks, _ in some]
            asked = f"Explanation: {case.explanation}\n\n{numbered(texts)}"
            messages = (Message("system", SYSTEM), Message("user", asked))
            found.append(Question(messages, tuple(right for _, _, right in some)))
        return found
